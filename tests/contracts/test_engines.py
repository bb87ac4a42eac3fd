"""What `lab.jobs.engine.Engine` asks, of every engine. How each is made stands in `engines.py`."""

import random
import sys
import threading
import time

import pytest

from lab.errors import JobError
from lab.jobs.cluster.engine import RayEngine
from lab.store.store import Store
from tests.contracts.engines import ENGINES, LONG, close_shared


@pytest.fixture(scope="module", autouse=True)
def shared():
    yield
    close_shared()


def _param(name):
    return pytest.param(name, marks=[pytest.mark.long] if name in LONG else [])


@pytest.fixture(params=[_param(name) for name in sorted(ENGINES)])
def engine(request):
    made = ENGINES[request.param]()
    yield made
    made.close()


@pytest.fixture
def quick_switches():
    """Threads take turns so often that every order of their steps comes up."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def analysis(engine, clip, store):
    """Every frame of a clip, looked at by a detector that needs no model."""
    detector = {"name": "visual"}
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
        time.sleep(0.001)


def test_a_job_is_found_by_its_id_and_has_a_result_when_it_is_done(engine, samples, tmp_path):
    first = analysis(engine, samples / "nothing.mp4", tmp_path)
    second = engine.submit("models", "list the models")
    assert engine.jobs() == [second, first]
    assert engine.job(first.job_id) is first
    assert engine.job("nobody") is None
    for job in (first, second):
        assert job.finished.wait(120)
        assert (job.state, job.error) == ("done", None)
        assert not job.is_active
    assert first.result["run_id"] == first.run_id
    assert first.done == first.total > 0
    assert first.ended >= first.started


def test_a_job_that_cannot_be_done_fails_with_a_reason_and_the_next_is_done(
    engine, samples, tmp_path
):
    bad = analysis(engine, tmp_path / "none.mp4", tmp_path)
    unknown = engine.submit("juggle", "nonsense")
    good = analysis(engine, samples / "nothing.mp4", tmp_path)
    for job in (bad, unknown, good):
        assert job.finished.wait(120)
    assert [job.state for job in (bad, unknown, good)] == ["failed", "failed", "done"]
    assert "no such file" in bad.error
    assert "juggle" in unknown.error


@pytest.mark.long
def test_a_queued_job_that_is_cancelled_never_begins(engine, samples, tmp_path):
    first = analysis(engine, samples / "cat_comes_and_goes.mp4", tmp_path)
    second = analysis(engine, samples / "nothing.mp4", tmp_path)
    engine.cancel(second.job_id)
    assert second.state == "cancelled"
    assert first.finished.wait(120)
    third = analysis(engine, samples / "nothing.mp4", tmp_path)
    assert third.finished.wait(120)
    assert second.state == "cancelled"
    assert second.started is None
    assert {run["run_id"] for run in Store(tmp_path).runs()} == {first.run_id, third.run_id}


def test_a_job_that_is_cancelled_while_it_begins_does_not_run_on(engine, samples, tmp_path):
    """The worker is still starting: it cannot be told yet."""
    job = analysis(engine, samples / "cat_comes_and_goes.mp4", tmp_path)
    while job.state != "running":
        time.sleep(0)
    engine.cancel(job.job_id)
    assert job.finished.wait(120)
    assert job.state == "cancelled"
    assert [run["state"] for run in Store(tmp_path).runs()] in ([], ["cancelled"])


@pytest.mark.parametrize("times", [200, pytest.param(1000, marks=pytest.mark.long)])
def test_a_job_that_is_cancelled_while_it_is_taken_from_the_queue_does_not_begin(
    engine, tmp_path, quick_switches, times
):
    if times > 200 and isinstance(engine, RayEngine):
        pytest.skip("each is a task of the cluster: 200 take a minute, and show the same")
    jobs, states = [], []
    for _ in range(times):
        jobs.append(
            engine.submit("pictures", "none", store=str(tmp_path), media_id="m", path="", pts_us=[])
        )
        engine.cancel(jobs[-1].job_id)
        states.append(jobs[-1].state)
        assert jobs[-1].finished.wait(60)
    assert engine.submit("juggle", "the last one").finished.wait(60)
    cancelled = [job for job, state in zip(jobs, states, strict=True) if state == "cancelled"]
    assert cancelled
    assert {job.state for job in jobs} <= {"cancelled", "done"}
    assert {(job.state, job.started) for job in cancelled} == {("cancelled", None)}


@pytest.mark.parametrize("times", [10, pytest.param(60, marks=pytest.mark.long)])
def test_a_job_that_is_cancelled_at_any_instant_stops_there(engine, samples, tmp_path, times):
    if times > 10 and isinstance(engine, RayEngine):
        pytest.skip("each is a task of the cluster: ten show the same")
    clip, rng = samples / "cat_comes_and_goes.mp4", random.Random(7)
    warm = analysis(engine, samples / "nothing.mp4", tmp_path / "warm")
    assert warm.finished.wait(120)
    jobs = []
    for _ in range(times):
        job = analysis(engine, clip, tmp_path / "store")
        timer = threading.Timer(
            rng.choice([0, 0.0001, 0.0005, 0.002, 0.02]), engine.cancel, [job.job_id]
        )
        timer.start()
        timer.join()
        assert job.finished.wait(60)
        jobs.append(job)
    after = analysis(engine, samples / "nothing.mp4", tmp_path / "warm")
    assert after.finished.wait(60)
    assert {job.state for job in jobs} == {"cancelled"}
    assert {run["state"] for run in Store(tmp_path / "store").runs()} <= {"cancelled"}


def test_cancelling_what_has_ended_or_is_unknown_changes_nothing(engine, samples, tmp_path):
    job = analysis(engine, samples / "nothing.mp4", tmp_path)
    assert job.finished.wait(120)
    engine.cancel(job.job_id)
    engine.cancel("nobody")
    assert job.state == "done"


def test_an_engine_that_is_closed_has_no_job_left_and_takes_none(engine, samples, tmp_path):
    running = analysis(engine, samples / "cat_comes_and_goes.mp4", tmp_path)
    waiting = analysis(engine, samples / "nothing.mp4", tmp_path)
    wait_until(lambda: running.state == "running")
    engine.close()
    for job in (running, waiting):
        assert job.finished.wait(30)
        assert not job.is_active
    assert waiting.state == "cancelled"
    with pytest.raises(JobError, match="closed"):
        analysis(engine, samples / "nothing.mp4", tmp_path)
    engine.close()
