"""Workers: real processes that are killed, cancelled, and asked for nonsense."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lab.jobs.local import LocalEngine
from lab.store.store import Store


@pytest.fixture
def engine():
    made = LocalEngine()
    yield made
    made.close()


def analysis(engine, clip, store, image_size=320):
    """Every frame of a clip, looked at by the default detector."""
    detector = {"name": "yolo", "labels": ["person"], "image_size": image_size}
    return engine.submit(
        "analyze",
        clip.name,
        path=str(clip),
        analyses=[{"detector": detector, "interval_s": 0.0}],
        store=str(store),
    )


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "took too long"
        time.sleep(0.02)


def worker_of(job_kind="worker"):
    return [c for c in psutil.Process().children() if job_kind in c.cmdline()]


@pytest.mark.long
def test_a_job_is_done_and_the_worker_stays_warm_and_small(engine, samples, tmp_path):
    first = analysis(engine, samples / "nothing.mp4", tmp_path, image_size=640)
    assert first.finished.wait(120)
    assert first.state == "done", first.error
    pids = {c.pid for c in worker_of()}
    second = analysis(engine, samples / "nothing.mp4", tmp_path, image_size=640)
    assert second.finished.wait(120)
    assert {c.pid for c in worker_of()} == pids
    (worker,) = worker_of()
    assert worker.memory_info().rss < 400e6


def test_a_killed_worker_is_a_failed_job_that_can_be_resumed(engine, samples, tmp_path):
    job = analysis(engine, samples / "cat_comes_and_goes.mp4", tmp_path)
    wait_until(lambda: job.run_id)
    os.kill(worker_of()[0].pid, signal.SIGKILL)
    assert job.finished.wait(20)
    assert job.state == "failed"
    assert "SIGKILL" in job.error
    store = Store(tmp_path)
    (run,) = store.runs()
    assert run["state"] == "interrupted"
    again = engine.submit("resume", "again", run_id=run["run_id"], store=str(tmp_path))
    assert again.finished.wait(120)
    assert again.state == "done", again.error
    assert store.runs()[0]["state"] == "done"


def test_a_cancelled_job_keeps_what_it_saw(engine, samples, tmp_path):
    job = analysis(engine, samples / "cat_comes_and_goes.mp4", tmp_path)
    wait_until(lambda: job.done > 4)
    engine.cancel(job.job_id)
    assert job.finished.wait(30)
    assert job.state == "cancelled"
    assert Store(tmp_path).runs()[0]["effort"]["samples"] > 4


def test_a_bad_job_fails_with_a_reason_and_the_next_one_works(engine, samples, tmp_path):
    bad = analysis(engine, tmp_path / "none.mp4", tmp_path)
    worse = engine.submit("juggle", "nonsense")
    assert bad.finished.wait(60)
    assert worse.finished.wait(60)
    assert "no such file" in bad.error
    assert "unknown job 'juggle'" in worse.error
    good = analysis(engine, samples / "nothing.mp4", tmp_path)
    assert good.finished.wait(120)
    assert good.state == "done"


def test_a_worker_ends_when_its_input_closes():
    worker = subprocess.Popen([sys.executable, "-m", "lab", "worker"], stdin=subprocess.PIPE)
    worker.stdin.close()
    assert worker.wait(20) == 0


def test_a_sweep_is_a_workers_job(engine, tmp_path):
    from lab.tuning.sweep import load_sweep
    from tests.builders import make_run, make_truth, scores_of

    run = make_run(tmp_path, scores_of(60, [(10, 20)]), every_s=1.0)
    truth = make_truth(run, (10, 20))
    run.store.add_records([*truth.annotations, *truth.coverage])
    job = engine.submit(
        "sweep",
        "sweep",
        store=str(run.store.folder),
        run_ids=[run.run_id],
        label="x",
        rule=run.default_rule.to_dict(),
    )
    assert job.finished.wait(120)
    assert job.state == "done", job.error
    assert (job.done, job.total) == (1, 1)
    assert load_sweep(Path(job.result["path"])).figures()["f1"].max() == 1.0
    wrong = engine.submit(
        "sweep",
        "sweep",
        store=str(run.store.folder),
        run_ids=["nope"],
        label="x",
        rule=run.default_rule.to_dict(),
    )
    assert wrong.finished.wait(60)
    assert wrong.state == "failed"
    assert "no run" in wrong.error
