"""Workers that hang: real processes that are stopped, or whose detector never returns."""

import os
import signal
import time

import psutil
import pytest

import lab
from lab.jobs.local import LocalEngine
from lab.store.store import Store

DETECTORS = """
import time
from pathlib import Path
from lab.detection import Detections


class Slow:
    labels = ("x",)

    def __init__(self, after=3, seconds=3600.0, holds_lock=False, mark=None):
        self.after, self.seconds, self.holds_lock, self.mark = after, seconds, holds_lock, mark

    def reset(self):
        self.seen = 0

    def detect(self, frames):
        self.seen += len(frames)
        if self.seen == self.after:
            if self.mark:
                Path(self.mark).touch()
            if self.holds_lock:
                sum(range(int(self.seconds * 4e7)))
            else:
                time.sleep(self.seconds)
        return [Detections() for _ in frames]
"""


@pytest.fixture
def make_engine(tmp_path, monkeypatch):
    """Engines whose workers find the detectors of this file."""
    folder = tmp_path / "detectors"
    folder.mkdir()
    (folder / "hanging.py").write_text(DETECTORS)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    made = []

    def make(**limits):
        made.append(LocalEngine(trust=True, **limits))
        return made[-1]

    yield make
    for engine in made:
        engine.close()
    assert not workers()


def workers():
    return [c for c in psutil.Process().children() if "worker" in c.cmdline()]


def analyse(engine, clip, store, every_s=0.5, **settings):
    detector = {"name": "python", "target": "hanging:Slow", **settings}
    one = {"name": "slow", "detector": detector, "interval_s": every_s}
    return engine.submit("analyze", clip.name, path=str(clip), analyses=[one], store=str(store))


def quick(engine, samples, store):
    """An ordinary job of the same worker."""
    one = {"name": "visual", "detector": {"name": "visual"}, "interval_s": 2.0}
    path = str(samples / "nothing.mp4")
    return engine.submit("analyze", "quick", path=path, analyses=[one], store=str(store))


def wait_until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "took too long"
        time.sleep(0.02)


@pytest.mark.long
def test_a_stopped_worker_is_cancelled_and_the_next_job_gets_another(
    make_engine, samples, tmp_path
):
    engine = make_engine(stop_s=1.0)
    clip = samples / "cat_comes_and_goes.mp4"
    job = analyse(engine, clip, tmp_path / "s", every_s=0, after=200, seconds=0.0)
    wait_until(lambda: job.run_id)
    (worker,) = workers()
    worker.suspend()
    waiting = quick(engine, samples, tmp_path / "s")
    engine.cancel(job.job_id)
    assert job.finished.wait(60)
    assert job.state == "cancelled"
    assert "did not stop within 1 s and was ended; what was logged is kept" in job.error
    assert waiting.finished.wait(120)
    assert waiting.state == "done", waiting.error
    assert worker.pid not in {one.pid for one in workers()}
    states = {run["run_id"]: run["state"] for run in Store(tmp_path / "s").runs()}
    assert states == {job.run_id: "cancelled", waiting.run_id: "done"}


@pytest.mark.long
def test_a_detector_that_never_returns_is_cancelled_and_what_was_logged_is_kept(
    make_engine, samples, tmp_path
):
    engine = make_engine(stop_s=1.0)
    clip = samples / "cat_comes_and_goes.mp4"
    mark = tmp_path / "hangs"
    job = analyse(engine, clip, tmp_path / "s", after=20, mark=str(mark))
    wait_until(mark.exists)
    engine.cancel(job.job_id)
    assert job.finished.wait(60)
    assert (job.state, job.result) == ("cancelled", None)
    assert "was ended" in job.error
    run = lab.open_store(tmp_path / "s").run(job.run_id)
    assert run.state == "cancelled"
    assert len(run.log.pts_us) == 19
    assert not workers()
    done = quick(engine, samples, tmp_path / "s")
    assert done.finished.wait(120)
    assert done.state == "done", done.error


@pytest.mark.long
def test_a_detector_that_takes_no_signal_is_killed(make_engine, samples, tmp_path):
    engine = make_engine(stop_s=1.0)
    mark = tmp_path / "hangs"
    job = analyse(
        engine, samples / "nothing.mp4", tmp_path / "s", mark=str(mark), after=2, holds_lock=True
    )
    wait_until(mark.exists)
    engine.cancel(job.job_id)
    assert job.finished.wait(60)
    assert job.state == "cancelled"
    assert "was ended" in job.error
    assert not workers()
    assert [run["state"] for run in Store(tmp_path / "s").runs()] == ["interrupted"]


@pytest.mark.long
def test_a_worker_without_a_sign_of_life_is_ended_by_itself(make_engine, samples, tmp_path):
    engine = make_engine(silence_s=2.0)
    first = quick(engine, samples, tmp_path / "s")
    assert first.finished.wait(120)
    (worker,) = workers()
    worker.suspend()
    job = quick(engine, samples, tmp_path / "s")
    assert job.finished.wait(60)
    assert job.state == "failed"
    assert "gave no sign of life for 2 s and was ended" in job.error
    after = quick(engine, samples, tmp_path / "s")
    assert after.finished.wait(120)
    assert after.state == "done", after.error


@pytest.mark.parametrize(
    "settings",
    [
        {"seconds": 9.0},
        pytest.param({"seconds": 6.0, "holds_lock": True}, marks=pytest.mark.long),
    ],
)
def test_a_worker_that_computes_for_long_is_left_alone(make_engine, samples, tmp_path, settings):
    engine = make_engine(silence_s=4.0)
    job = analyse(engine, samples / "nothing.mp4", tmp_path / "s", after=1, **settings)
    assert job.finished.wait(300)
    assert job.state == "done", job.error


def test_nobody_waits_for_a_worker_that_reads_nothing(make_engine, samples, tmp_path):
    """A job that is larger than what a pipe holds, to a worker that was stopped while idle."""
    engine = make_engine(stop_s=1.0)
    first = engine.submit("juggle", "nonsense")
    assert first.finished.wait(120)
    (worker,) = workers()
    worker.suspend()
    times = list(range(200_000))
    job = engine.submit(
        "pictures", "many", store=str(tmp_path), media_id="m", path="", pts_us=times
    )
    wait_until(lambda: job.state == "running")
    engine.cancel(job.job_id)
    assert job.finished.wait(60)
    assert job.state == "cancelled"
    again = engine.submit("juggle", "nonsense")
    assert again.finished.wait(120)
    assert "unknown job" in again.error


@pytest.mark.long
def test_an_engine_that_is_closed_ends_a_stopped_worker(make_engine):
    engine = make_engine()
    assert engine.submit("juggle", "nonsense").finished.wait(120)
    (worker,) = workers()
    os.kill(worker.pid, signal.SIGSTOP)
    engine.close()
    assert not workers()
