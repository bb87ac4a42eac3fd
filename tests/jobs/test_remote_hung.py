"""A worker of the queue whose detector never returns: an endless read in Python, while it beats."""

import json

import pytest

from lab.app.server import state as desks
from lab.jobs.remote.worker import HUNG
from tests.detectors.servers import Reply, Worker
from tests.jobs.remote_app import Served, until
from tests.jobs.test_remote_queue import worker


@pytest.fixture
def service():
    """Its first answer to a picture never comes."""
    never = Reply(silent=True)
    with Worker(lambda image, number: {"detections": []} if number else never) as running:
        yield running


@pytest.fixture
def app(service, tmp_path, monkeypatch):
    allowed = [{"detector": "remote", "address": service.url}]
    monkeypatch.setenv("LAB_SERVICES", json.dumps(allowed))
    for name, value in (("STORE", tmp_path / "store"), ("MEDIA_ROOTS", tmp_path)):
        monkeypatch.setenv(f"LAB_{name}", str(value))
    for name, value in (("LOCAL_WORKERS", 0), ("WORKER_SILENCE_S", 30), ("WORKER_STUCK_S", 15)):
        monkeypatch.setenv(f"LAB_{name}", str(value))
    desks.app_state.cache_clear()
    made = Served(tmp_path)
    yield made
    made.close()
    desks.app_state.cache_clear()


@pytest.mark.long
def test_a_clip_of_a_worker_that_hangs_is_done_by_another(app, service, samples, tmp_path):
    clip = app.clip(samples / "nothing.mp4")
    detector = {"name": "remote", "url": service.url, "timeout_s": 3600, "batch_size": 1}
    env = app.environment()
    with worker(app.url, env, tmp_path / "hangs", "--name", "hangs") as hangs:
        (job_id,) = app.start(
            clip, analyses=[{"name": "far", "detector": detector, "interval_s": 0.5}]
        )
        queue = app.here.analyses.queue
        until(service.posts)
        until(lambda: "hangs got nothing done" in (queue.jobs()[0].reason or ""))
        with worker(app.url, env, tmp_path / "good", "--name", "good"):
            until(lambda: queue.jobs("job_id = ?", job_id)[0].state == "done")
        assert hangs.wait(120) == HUNG
    assert queue.jobs()[0].tries == 1
    assert "the analysis hangs" in (tmp_path / "hangs" / "said").read_text()
