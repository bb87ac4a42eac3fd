"""Routes of ours behind the guard, served as the app serves them, in a thread of the test."""

import json
import socket
import threading
import time
from contextlib import contextmanager, suppress

import uvicorn
from websockets.sync.client import connect

from lab.app.server.live_routes import live_routes
from tests.feeds.lamp import wait_for
from tests.guarded import BEARER, guard

PATIENCE_S = 60


@contextmanager
def served(app_state, routes=None, tokens=None):
    """The address of `/ws/live` over this state. routes: others to serve. tokens: of programs."""
    limits = app_state.config.limits
    app = guard(routes or live_routes(app_state), limits=limits, tokens=tokens)
    server = uvicorn.Server(
        uvicorn.Config(
            app, port=0, ws="websockets-sansio", log_level="error", lifespan="off", backlog=2048
        )
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        wait_for(lambda: server.started, "the server")
        # Little is on its way: a client that reads nothing shows soon.
        server.servers[0].sockets[0].setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/ws/live"
    finally:
        server.should_exit = server.force_exit = True
        thread.join(PATIENCE_S)


class Follower:
    """A client: says and hears JSON. heard: all that it was told, in order."""

    def __init__(self, socket):
        self.socket, self.heard = socket, []

    def say(self, type_, **more):
        self.socket.send(json.dumps({"type": type_, **more}))

    def hear(self):
        self.heard.append(json.loads(self.socket.recv(PATIENCE_S)))
        return self.heard[-1]

    def hear_until(self, wanted):
        """The first message, from now on, for which `wanted` holds, or of that type."""
        holds = wanted if callable(wanted) else lambda one: one["type"] == wanted
        until = time.monotonic() + PATIENCE_S
        while not holds(said := self.hear()):
            assert said["type"] != "error", said
            assert time.monotonic() < until, f"heard in vain: {self.heard[-3:]}"
        return said

    def subscribe(self, **key):
        """The answer and the latest."""
        self.say("subscribe", **key)
        return self.hear_until("subscribed"), self.hear_until("recent_analysis")

    def samples(self, **key):
        """Of all that was heard, those of a feed or run, the latest included."""
        told = [one for one in self.heard if one["type"] in ("analysis_update", "recent_analysis")]
        return [s for one in told if key.items() <= one.items() for s in one["samples"]]


@contextmanager
def following(address, *, is_slow=False, token=None):
    """A client. is_slow: little fits on its way, and it reads only when asked what it heard."""
    bearer = BEARER if token is None else {"Authorization": f"Bearer {token}"}
    options = {"max_size": None, "additional_headers": bearer}
    if is_slow:
        own = socket.socket()
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, _, port = address.split("/")[2].partition(":")
        own.connect((host, int(port)))
        options |= {"sock": own, "max_queue": 1, "compression": None}
    with connect(address, **options) as made:
        yield Follower(made)


def quietly_closed(follower):
    """The code with which the server closes, whatever it says before."""
    from websockets.exceptions import ConnectionClosed

    with suppress(ConnectionClosed):
        while True:
            follower.socket.recv(PATIENCE_S)
    return follower.socket.close_code
