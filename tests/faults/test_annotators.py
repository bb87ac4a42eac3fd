"""Sixty people who annotate at once: all are heard, and clips are served meanwhile."""

import json
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvicorn
from starlette.applications import Starlette

import lab
from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.config import load_config

ANNOTATORS = 60


@pytest.fixture
def app(tmp_path):
    """State and address of a server of our routes in a thread of its own."""
    state = AppState(load_config(store=tmp_path / "store"))
    server = uvicorn.Server(
        uvicorn.Config(Starlette(routes=routes(state)), port=0, log_level="error", lifespan="off")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    (socket,) = server.servers[0].sockets
    yield state, f"http://127.0.0.1:{socket.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)
    state.close()


@pytest.mark.long
def test_sixty_annotators_are_heard_and_clips_do_not_wait(app, samples):
    state, address = app
    media = lab.probe(samples / "nothing.mp4")
    state.store.add_media(media)
    clip = f"{address}/api/media/{media.media_id}/file"

    def annotate(number):
        who = f"annotator {number}"
        one = {"kind": "annotation", "label": "x", "annotator": who, "start_us": 0, "end_us": 9}
        request = urllib.request.Request(
            f"{address}/api/media/{media.media_id}/annotations",
            json.dumps({"add": [one]}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)

    size = len(urllib.request.urlopen(clip, timeout=60).read())
    with ThreadPoolExecutor(ANNOTATORS) as people:
        with state.store.catalog.transaction():  # so that all of them wait
            answers = [people.submit(annotate, i) for i in range(ANNOTATORS)]
            time.sleep(0.5)
            assert len(urllib.request.urlopen(clip, timeout=5).read()) == size
            assert not any(answer.done() for answer in answers)
        found = [answer.result() for answer in answers]
    assert [status for status, _ in found] == [200] * ANNOTATORS
    assert len(state.truth.annotators()) == ANNOTATORS
    assert max(len(said["records"]) for _, said in found) == ANNOTATORS
