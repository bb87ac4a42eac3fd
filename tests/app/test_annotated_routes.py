"""The routes of a run's annotated video, with the worker that makes it."""

import time

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from lab.app.server.guard import Guard
from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.config import Config
from lab.runs.remove import remove_clips
from lab.video.sources.file import FileSource
from tests.builders import make_box_run
from tests.recordings import X264, frames_of

BOX = (40.0, 50.0, 100.0, 90.0)


@pytest.fixture
def clip(encode):
    return encode("two_seconds.mp4", *X264, source="testsrc2=size=160x120:rate=10:duration=2")


@pytest.fixture
def run(clip, tmp_path):
    return make_box_run(
        tmp_path, [[("otter", 0.9, BOX)]] * 10, ["otter"], media=FileSource(clip).media()
    )


@pytest.fixture
def app_state(run, clip):
    made = AppState(Config(store=run.store.folder, media_roots=(clip.parent,)))
    yield made
    made.close()


@pytest.fixture
def client(app_state):
    return TestClient(Starlette(routes=routes(app_state)))


def ended(client, address):
    """How it is once no worker is at it."""
    end = time.monotonic() + 120
    while (facts := client.get(address).json())["state"] in ("queued", "running"):
        assert time.monotonic() < end, facts
        time.sleep(0.05)
    return facts


def test_it_is_made_by_a_worker_and_given_as_a_file(client, run, app_state, tmp_path):
    rule = run.default_rule
    begin = f"/api/runs/{run.run_id}/annotated"
    address = f"{begin}/{rule.rule_hash}"
    assert client.get(address).json()["state"] == "none"
    assert client.get(f"{address}/file").status_code == 404

    begun = client.post(begin, json={"rule": rule.to_dict()})
    assert begun.json()["state"] in ("queued", "running")
    assert client.post(begin, json={"rule": rule.to_dict()}).status_code == 200
    assert len([job for job in app_state.engine.jobs() if job.kind == "annotate"]) == 1
    facts = ended(client, address)
    assert facts["state"] == "done", facts
    assert facts["done"] == facts["total"] == 20
    answer = client.get(f"{address}/file")
    assert (
        f"{run.media['name'].rsplit('.', 1)[0]}_annotated.mp4"
        in (answer.headers["content-disposition"])
    )
    assert len(answer.content) == facts["bytes"]
    file = tmp_path / "given.mp4"
    file.write_bytes(answer.content)
    assert len(frames_of(file)) == 20

    # One of another rule takes its place; what cannot be written says so, and leaves nothing.
    other = rule.changed(enter_threshold=0.8)
    client.post(begin, json={"rule": other.to_dict()})
    assert ended(client, f"{begin}/{other.rule_hash}")["state"] == "done"
    assert client.get(address).json()["state"] == "none"
    folder = app_state.store.annotated_file(run.run_id, "x").parent
    assert [one.name for one in folder.iterdir()] == [f"{run.run_id}-{other.rule_hash}.mp4"]
    folder.rename(tmp_path / "away")
    folder.write_text("no folder")
    client.post(begin, json={"rule": rule.to_dict()})
    failed = ended(client, address)
    assert failed["state"] == "failed"
    assert "cannot be written" in failed["error"]
    folder.unlink()

    (tmp_path / "away").rename(folder)
    remove_clips(app_state.store, [run.media["media_id"]])
    assert list(folder.iterdir()) == []


def test_one_that_was_cancelled_leaves_nothing(client, run, app_state):
    begin, rule = f"/api/runs/{run.run_id}/annotated", run.default_rule
    client.post(begin, json={"rule": rule.to_dict()})  # the worker needs a moment to start
    client.delete(f"{begin}/{rule.rule_hash}")
    assert ended(client, f"{begin}/{rule.rule_hash}")["state"] == "cancelled"
    assert not app_state.store.annotated_file(run.run_id, rule.rule_hash).exists()


def test_what_cannot_be_made_is_refused_at_once(client, run, app_state):
    begin = f"/api/runs/{run.run_id}/annotated"
    low = run.default_rule.changed(confidence_threshold=0.01)
    refused = client.post(begin, json={"rule": low.to_dict()})
    assert refused.status_code == 400
    assert "score floor" in refused.text
    assert client.post(begin, json={}).status_code == 400
    assert client.post("/api/runs/none/annotated", json={"rule": {}}).status_code in (400, 404)
    for name in ("..", "a.b", "%2e%2e%2fx", "ä"):
        assert client.get(f"{begin}/{name}/file").status_code == 404
    rule = run.default_rule.to_dict()
    with TestClient(
        Starlette(routes=routes(app_state), middleware=[Middleware(Guard, token="the-token")]),
        base_url="http://localhost",
    ) as stranger:
        assert stranger.post(begin, json={"rule": rule}).status_code == 401
    assert not app_state.engine.jobs()
