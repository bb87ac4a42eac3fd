"""The app killed in the middle of its queue: after the next start each clip is done once."""

import signal
import subprocess
import sys

import pytest

from lab.jobs.batch.work import Work
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import Stamp
from lab.store.store import Store
from tests.browser.server import Server
from tests.builders import ended_jobs
from tests.faults.test_batch_killed import assert_done_once, count, few, has_begun, wait_until

ANALYSES = [{"name": "visual", "detector": {"name": "visual"}, "interval_s": 0.1}]
# What the app does at its start, without its pages.
APP = """
import time
from lab.app.server.state import app_state
app_state().analyses.go_on()
time.sleep(600)
"""


def fill_queue(store, clips):
    """As Analyse does it; the ids of the jobs."""
    with JobQueue(store, is_app=True) as queue:
        what = Work(ANALYSES, is_app=True).to_dict()
        return queue.add("app-test", what, [(str(clip), Stamp.of(clip)) for clip in clips])


def clean_pass(folder, clips):
    words = ["--detector", "visual", "--every", "0.1", "--store", str(folder)]
    command = [sys.executable, "-m", "lab", "batch", *map(str, clips), *words]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def assert_none_lost(store, ids):
    with JobQueue(store) as queue:
        jobs = queue.jobs()
    assert [job.job_id for job in jobs] == ids
    assert [job.state for job in jobs] == ["done"] * len(ids), [job.reason for job in jobs]
    assert sum(job.claims for job in jobs) <= len(ids) + 2  # what was in the middle, twice


@pytest.mark.long
def test_what_a_killed_process_left_is_done_by_the_next_one(samples, tmp_path, monkeypatch):
    from lab.app.server import state as desks

    monkeypatch.setenv("LAB_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("LAB_MEDIA_ROOTS", str(tmp_path))
    clips = few(samples, tmp_path / "clips", 4)
    ids = fill_queue(tmp_path / "store", clips)
    app = subprocess.Popen([sys.executable, "-c", APP])
    try:
        wait_until(lambda: has_begun(tmp_path / "store", 1), app)
    finally:
        app.send_signal(signal.SIGKILL)
        app.wait()
    assert count(tmp_path / "store", "done") < len(clips)
    desks.app_state.cache_clear()
    state = desks.app_state()
    try:
        state.analyses.go_on()
        ended_jobs(state)
    finally:
        state.close()
        desks.app_state.cache_clear()
    assert_none_lost(tmp_path / "store", ids)
    assert_done_once(tmp_path / "store", clips, clean_pass(tmp_path / "clean", clips))


@pytest.mark.long
def test_the_app_killed_twice_with_forty_queued_jobs_does_each_once(samples, tmp_path):
    clips = few(samples, tmp_path / "clips", 40)
    store = tmp_path / "store"
    ids = fill_queue(store, clips)
    server = Server(tmp_path, [tmp_path])
    try:
        for least in (2, 10):
            wait_until(lambda least=least: has_begun(store, least))
            server.stop(signal.SIGKILL)
            assert count(store, "done") < len(clips)
            server.start()
        wait_until(lambda: count(store, "done") == len(clips))
    finally:
        server.stop()
    assert_none_lost(store, ids)
    assert_done_once(store, clips, clean_pass(tmp_path / "clean", clips))
    assert not list((store / "batches").iterdir())
    Store(store).catalog.give_up()
