"""The WebSockets of live results, and of a feed with its pictures."""

from __future__ import annotations

import json
from contextlib import suppress

from starlette.websockets import WebSocket, WebSocketDisconnect

from lab.app.server.access import OurSocket
from lab.app.server.conversation import converse
from lab.app.server.live_feed import Client, FeedBroadcast
from lab.app.server.live_results.routes import live_results_routes
from lab.app.server.state import AppState, app_state
from lab.feeds.feed import FEED_ID

_NO_FEED = 4404


def live_routes(at: AppState | None = None) -> list[OurSocket]:
    """`/ws/live`, as `lab.app.server.live_results` has it, and `/ws/live/{feed_id}`, over the state
    of the app (default: that of this process).

    The latter sends a binary message for each picture: `live_feed.HEADER`, then a JPEG; and texts,
    JSON objects with one of `status` (as in the watching process's status, without its events; a
    state of null where nobody watches), `events` (those that are new, oldest first), `samples` (see
    `KeptSamples`; with `run_id`, and `is_logged` if they are in the log already). It takes
    `{"pictures": true}` or false, to pause them.
    """
    here = at or app_state()
    broadcasts: dict[str, FeedBroadcast] = {}

    async def live(socket: WebSocket) -> None:
        feed_id = socket.path_params["feed_id"]
        if not FEED_ID.fullmatch(feed_id):
            await socket.close(_NO_FEED, "that is no feed")
            return
        await socket.accept()
        if feed_id not in broadcasts:
            broadcasts[feed_id] = FeedBroadcast(feed_id, here.store.folder, here.live)
        client = Client()
        broadcast = broadcasts[feed_id]
        broadcast.join(client)
        sending = client.send_all(socket.send_text, socket.send_bytes)
        try:
            await converse(socket, sending, _hear(socket, client, broadcast))
        finally:
            if broadcast.leave(client) and broadcasts.get(feed_id) is broadcast:
                del broadcasts[feed_id]

    pictures = OurSocket("/ws/live/{feed_id}", live, wants="read")
    return [*live_results_routes(here), pictures]


async def _hear(socket: WebSocket, client: Client, broadcast: FeedBroadcast) -> None:
    """Until it is closed."""
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            try:
                said = json.loads(await socket.receive_text())
                broadcast.want(client, pictures=bool(said.get("pictures", True)))
            except (ValueError, AttributeError, KeyError):
                continue
