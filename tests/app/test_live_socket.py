"""The WebSocket of a feed: what is told to those who watch."""

import gc
import json
import time

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from lab.app.server.conversation import converse
from lab.app.server.guard import Guard
from lab.app.server.live_feed import HEADER, Client, FeedBroadcast
from lab.app.server.live_routes import live_routes
from lab.app.server.state import AppState
from lab.config import Config
from lab.feeds.newest_samples import NAME as NEWEST
from lab.feeds.newest_samples import NewestSamples
from lab.feeds.status import watch_lock, write_status
from lab.frame import FrameStamp
from lab.score_log.writer import ScoreLogWriter
from lab.video.live.viewing import ViewWriter
from tests.builders import make_detections
from tests.feeds.lamp import wait_for

RUN = "run-1"


class Watching:
    """Stands in for the process that watches: writes what it writes, when a test says so."""

    def __init__(self, folder, ring):
        self.folder, self.ring = folder, ring
        self.events = []
        self.state = "live"

    def write(self, **more):
        facts = {
            "name": "Pond",
            "state": self.state,
            "run_id": RUN,
            "viewer": str(self.ring.path),
            "events": self.events,
            **more,
        }
        status = {"pid": 1, "written": time.time(), "state": "running", "feeds": {"pond": facts}}
        write_status(self.folder, status)

    def commands(self):
        return [json.loads(f.read_text()) for f in (self.folder / "feeds/commands").glob("*.json")]


@pytest.fixture
def app_state(tmp_path):
    made = AppState(Config(store=tmp_path / "store"))
    yield made
    made.close()


@pytest.fixture
def watching(app_state, tmp_path):
    (app_state.store.folder / "feeds").mkdir(parents=True)
    with ViewWriter(tmp_path / "ring") as ring, watch_lock(app_state.store.folder):
        made = Watching(app_state.store.folder, ring)
        made.write()
        yield made


@pytest.fixture
def client(app_state):
    with TestClient(Starlette(routes=live_routes(app_state))) as made:
        yield made


def heard(socket, kind):
    """The next text of a kind; pictures and other texts between are passed over."""
    while True:
        message = socket.receive()
        if "text" in message and kind in (said := json.loads(message["text"])):
            return said


def seen(socket):
    """The next picture: its header and JPEG."""
    while True:
        if content := socket.receive().get("bytes"):
            return HEADER.unpack_from(content), content[HEADER.size :]


def test_pictures_come_with_their_times_and_the_newest_alone(client, watching):
    with client.websocket_connect("/ws/live/pond") as socket:
        assert heard(socket, "status")["status"]["name"] == "Pond"
        for i in range(1, 6):
            watching.ring.write(b"\xff\xd8" + bytes([i]), i * 40_000, 1000.0 + i, 640, 360)
        numbers = []
        while not numbers or numbers[-1] != 5:
            (version, number, pts_us, wall_time, width, height), jpeg = seen(socket)
            numbers.append(number)
            assert (version, pts_us, wall_time) == (1, number * 40_000, 1000.0 + number)
            assert (width, height, jpeg) == (640, 360, b"\xff\xd8" + bytes([number]))
        assert numbers == sorted(set(numbers))
    assert {"do": "view", "feed": "pond", "for_s": 12.0, "height": 720} in watching.commands()


def test_whoever_paused_the_picture_still_hears_what_happens(client, watching):
    with client.websocket_connect("/ws/live/pond") as socket:
        heard(socket, "status")
        socket.send_json({"pictures": False})
        watching.events = [{"event_id": "a", "kind": "opened"}]
        watching.write()
        assert heard(socket, "events")["events"] == watching.events
        watching.events.append({"event_id": "b", "kind": "closed"})
        watching.state = "reconnecting"
        watching.write()
        assert heard(socket, "status")["status"]["state"] == "reconnecting"
        assert [one["event_id"] for one in heard(socket, "events")["events"]] == ["b"]


def test_new_samples_come_with_their_boxes_once(client, watching, app_state):
    folder = app_state.store.folder / "logs" / RUN
    with client.websocket_connect("/ws/live/pond") as socket:
        heard(socket, "status")
        with ScoreLogWriter(folder, {"run_id": RUN, "labels": ["cat"], "recipe": {}}) as log:
            found = []
            for i in range(3):
                box = make_detections(("cat", 0.5 + i / 10, (1, 2, 30.4, 40)))
                log.add(FrameStamp(i, i * 500_000, 1.0), box)
                log.flush()
                watching.write()
                while not found or found[-1]["pts_us"] != i * 500_000:
                    said = heard(socket, "samples")
                    assert said["run_id"] == RUN
                    found += said["samples"]
            log.compact()
            log.add(FrameStamp(3, 1_500_000, 1.0), make_detections())
            log.flush()
            while found[-1]["pts_us"] != 1_500_000:
                found += heard(socket, "samples")["samples"]
    assert [one["pts_us"] for one in found] == [0, 500_000, 1_000_000, 1_500_000]
    assert found[1]["boxes"] == [["cat", 0.6, 1, 2, 30, 40]]
    assert (found[3]["pts_us"], found[3]["state"], found[3]["boxes"]) == (1_500_000, "ok", [])


def test_samples_come_when_they_are_decided_and_those_in_the_log_are_not_told_twice(
    client, watching, app_state
):
    folder = app_state.store.folder / "logs" / RUN
    newest = NewestSamples(watching.folder / "feeds" / "pond" / NEWEST)
    (watching.folder / "feeds" / "pond").mkdir()
    newest.ask(60)
    found = []

    def hear_until(socket, pts_us):
        while not found or found[-1]["pts_us"] != pts_us:
            found.extend(heard(socket, "samples")["samples"])

    with ScoreLogWriter(folder, {"run_id": RUN, "labels": ["cat"], "recipe": {}}) as log:

        def decide(i):
            box = make_detections(("cat", 0.5 + i / 10, (1, 2, 30.4, 40)))
            log.add(FrameStamp(i, i * 500_000, 1.0), box)
            newest.put(RUN, FrameStamp(i, i * 500_000, 1.0), box)
            watching.write()

        decide(0)
        with client.websocket_connect("/ws/live/pond") as socket:
            hear_until(socket, 0)
            decide(1)
            hear_until(socket, 500_000)
            log.flush()
            while not (said := heard(socket, "samples"))["is_logged"]:
                found.extend(said["samples"])
            assert said["samples"] == []
            with client.websocket_connect("/ws/live/pond") as later:
                assert [one["pts_us"] for one in heard(later, "samples")["samples"]] == [0, 500_000]
            decide(2)
            hear_until(socket, 1_000_000)
    newest.close()
    assert [one["pts_us"] for one in found] == [0, 500_000, 1_000_000]
    assert found[1]["boxes"] == [["cat", 0.6, 1, 2, 30, 40]]


def test_who_comes_later_hears_what_the_others_know(client, watching):
    watching.events = [{"event_id": "a", "kind": "opened"}]
    watching.write()
    with client.websocket_connect("/ws/live/pond") as first:
        assert heard(first, "events")["events"]
        with client.websocket_connect("/ws/live/pond") as second:
            assert heard(second, "status")["status"]["run_id"] == RUN
            assert heard(second, "events")["events"] == watching.events


def test_where_nobody_watches_the_state_is_null(app_state):
    with (
        TestClient(Starlette(routes=live_routes(app_state))) as client,
        client.websocket_connect("/ws/live/pond") as socket,
    ):
        assert heard(socket, "status") == {"status": {"state": None}}


def test_nothing_is_kept_of_a_feed_that_nobody_watches_any_more(client):
    for number in range(3):
        with client.websocket_connect(f"/ws/live/feed-{number}") as socket:
            assert heard(socket, "status") == {"status": {"state": None}}
    wait_for(lambda: not broadcasts(), "that the last one is forgotten")
    with (
        client.websocket_connect("/ws/live/pond") as socket,
        client.websocket_connect("/ws/live/pond") as other,
    ):
        assert heard(socket, "status") == heard(other, "status")
        assert len(broadcasts()) == 1


def broadcasts():
    gc.collect()
    return [one for one in gc.get_objects() if isinstance(one, FeedBroadcast)]


@pytest.mark.parametrize("feed_id", ["..", "a%20b", "x" * 65])
def test_a_name_that_is_no_feed_is_refused(client, feed_id):
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect(f"/ws/live/{feed_id}") as socket,
    ):
        socket.receive_json()


def test_nobody_watches_without_the_token(app_state):
    app = Starlette(
        routes=live_routes(app_state), middleware=[Middleware(Guard, token="the-token")]
    )
    with TestClient(app) as client:
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect("ws://localhost/ws/live/pond") as socket,
        ):
            socket.receive_json()
        let_in = {"Authorization": "Bearer the-token"}
        with client.websocket_connect("ws://localhost/ws/live/pond", headers=let_in) as socket:
            assert "status" in socket.receive_json()
        foreign = {**let_in, "Origin": "http://example.org"}
        with (
            pytest.raises(WebSocketDisconnect),
            client.websocket_connect("ws://localhost/ws/live/pond", headers=foreign) as socket,
        ):
            socket.receive_json()


def test_a_slow_client_gets_the_newest_picture_and_no_queue():
    import asyncio

    async def run():
        client, got, may_go_on = Client(), [], asyncio.Event()

        async def send(content):
            got.append(content)
            await may_go_on.wait()

        task = asyncio.create_task(client.send_all(send, send))
        client.show(b"1")
        while not got:
            await asyncio.sleep(0)
        for picture in (b"2", b"3", b"4"):
            client.show(picture)
        may_go_on.set()
        while len(got) < 2:
            await asyncio.sleep(0)
        task.cancel()
        return got

    assert asyncio.run(run()) == [b"1", b"4"]


def test_a_client_that_leaves_while_something_is_sent_to_it_is_no_error():
    import asyncio
    import gc

    async def run():
        told, ended = [], asyncio.Event()
        asyncio.get_running_loop().set_exception_handler(lambda loop, what: told.append(what))

        async def sending():
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise WebSocketDisconnect(1006) from None
            finally:
                ended.set()

        async def hearing():
            await asyncio.sleep(0)

        await converse(None, sending(), hearing())
        await asyncio.wait_for(ended.wait(), 60)
        await asyncio.sleep(0)
        gc.collect()
        return told

    assert asyncio.run(run()) == []
