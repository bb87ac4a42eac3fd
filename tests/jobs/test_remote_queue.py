"""Clips of an app's queue that workers on other machines analyse, over real HTTP."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack, closing, contextmanager

import pyarrow.parquet as pq
import pytest

import lab
from lab.jobs.batch.work import Work
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import Stamp
from lab.runs.run import Run
from lab.score_log.parts import part_files
from lab.score_log.score_log import read_log
from lab.store.store import Store
from lab.video.media import identify
from tests.builders import assert_same_log, ended_jobs
from tests.jobs.clips import copy_with
from tests.jobs.remote_app import ROOT, VISUAL, App, until


@contextmanager
def worker(url, env, folder, *words):
    """`lab worker --queue` in a process of its own; what it says is in `folder / "said"`."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "lab",
        "worker",
        "--queue",
        url,
        "--clips",
        str(folder),
        *words,
    ]
    with (folder / "said").open("ab") as said:
        process = subprocess.Popen(command, env=env, stderr=said, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)


class TestTwoWorkers:
    @pytest.fixture(scope="class")
    def two(self, app, tmp_path_factory):
        """The folders of two workers that are there."""
        folder = tmp_path_factory.mktemp("two")
        folders = [folder / "one", folder / "two"]
        env = app.environment()
        with (
            worker(app.url, env, folders[0], "--name", "one") as one,
            worker(app.url, env, folders[1], "--name", "two") as other,
        ):
            until(lambda: len(app.here.workers.rows()) == 2)
            yield folders
            one.terminate()
            other.terminate()
        assert not [left for one in folders for left in one.glob("lab-clips-*")]

    @pytest.mark.long
    def test_the_log_is_the_one_that_the_app_would_write_part_for_part(
        self, app, two, samples, tmp_path
    ):
        clip = app.clip(samples / "cat_then_person.mp4")
        move = {"name": "move", "detector": {"name": "motion"}, "interval_s": 0.2}
        app.start(clip, analyses=[VISUAL, move])
        (job,) = ended_jobs(app.here)
        assert (job.state, job.reason) == ("done", None)
        here = Store(tmp_path / "here")
        for run_id, one in zip(job.run_ids, (VISUAL, move), strict=True):
            run = Run(app.here.store, run_id)
            name, every_s = one["detector"]["name"], one["interval_s"]
            own = lab.analyze(clip, detector=name, every_s=every_s, store=here, progress=False)
            assert run.recipe == own.recipe
            assert run.effort() == own.effort()
            assert run.media["path"] == str(clip)
            folders = [s.log_folder(r.run_id) for s, r in ((app.here.store, run), (here, own))]
            assert_same_log(*map(read_log, folders))
            far, near = (part_files(folder) for folder in folders)
            assert [len(far), len(near)] == [1, 1]
            for files in zip(far[0], near[0], strict=True):
                one, two = (pq.read_table(file) for file in files)
                names = [name for name in one.column_names if name != "wall_time"]  # of the work
                assert one.select(names).equals(two.select(names))

    @pytest.mark.long
    def test_two_workers_share_ten_clips_and_each_is_done_once(self, app, two, samples):
        before = len(app.here.store.runs(state="done"))
        clips = [app.clip(samples / "cat_then_person.mp4") for _ in range(10)]
        broken = app.folder / "media" / "broken.mp4"
        broken.write_text("Not a video at all.\n" * 100)
        told = [(folder / "said").read_text().count(": done") for folder in two]
        jobs = app.start(*clips, broken, analyses=[VISUAL | {"interval_s": 0.5}])
        *done, failed = [job for job in ended_jobs(app.here) if job.job_id in jobs]
        assert [(job.state, job.claims, job.tries) for job in done] == [("done", 1, 0)] * 10
        assert len({run_id for job in done for run_id in job.run_ids}) == 10
        assert len(app.here.store.runs(state="done")) == before + 10
        said = [(folder / "said").read_text().count(": done") for folder in two]
        assert sum(said) - sum(told) == 10
        assert failed.state == "failed"
        assert "text file" in failed.reason

    @pytest.mark.long
    def test_what_is_in_the_store_already_needs_no_worker(self, app, two, samples):
        clip = app.clip(samples / "nothing.mp4")
        app.start(clip)
        (job,) = ended_jobs(app.here)
        app.start(clip)
        (again,) = ended_jobs(app.here)
        assert again.was_there
        assert again.run_ids == job.run_ids


LONG = pytest.mark.long
SLOW = VISUAL | {"interval_s": 0.0}


@pytest.fixture(scope="module")
def long_clip(samples, tmp_path_factory):
    """Some seconds of work, and several parts."""
    made = tmp_path_factory.mktemp("long") / "long.mp4"
    clip = samples / "cat_then_person.mp4"
    command = ["ffmpeg", "-v", "error", "-stream_loop", "5", "-i", str(clip), "-c", "copy"]
    subprocess.run([*command, str(made)], check=True)
    return made


def logged(store, clip):
    """Samples of a clip that are on disk."""
    rows = store.runs(media_id=identify(clip))
    return sum(len(read_log(store.log_folder(row["run_id"])).pts_us) for row in rows)


def all_logged(store):
    return sum(len(read_log(store.log_folder(row["run_id"])).pts_us) for row in store.runs())


def job_samples(store, job):
    return len(Run(store, job.run_ids[0]).log.pts_us)


def check_done_once(store, job, clip, analyses, folder):
    """One run, with the log that one go gives."""
    assert (job.state, job.reason) == ("done", None)
    (row,) = store.runs(media_id=job.media_id)
    assert (row["run_id"], row["state"]) == (job.run_ids[0], "done")
    every_s = analyses["interval_s"]
    own = lab.analyze(clip, detector="visual", every_s=every_s, store=folder, progress=False)
    assert_same_log(Run(store, row["run_id"]).log, own.log)


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=LONG)])
def test_what_a_worker_sent_before_it_went_is_kept_and_another_goes_on(
    app, long_clip, tmp_path, how
):
    clip, env, store = app.clip(long_clip), app.environment(), app.here.store
    with worker(app.url, env, tmp_path / "first") as first:
        (job_id,) = app.start(clip, analyses=[SLOW])
        kept = until(lambda: logged(store, clip))
        first.send_signal(how)
        first.wait(30)
        assert app.here.analyses.queue.jobs("job_id = ?", job_id)[0].state != "done"
    with worker(app.url, env, tmp_path / "first", "--name", "second"):
        (job,) = ended_jobs(app.here)
    tries = 1 if how == signal.SIGKILL else 0  # a worker that gives it back has not failed
    assert (job.job_id, job.tries) == (job_id, tries)
    assert job.claims >= 2
    assert 0 < kept < job_samples(store, job)
    check_done_once(store, job, clip, SLOW, tmp_path / "own")
    assert "dropped" not in (tmp_path / "first" / "said").read_text()
    assert not list((tmp_path / "first").glob("lab-clips-*"))  # nor that of the killed one


@pytest.mark.long
@pytest.mark.parametrize("killed", [("app",), ("app", "worker"), ("worker", "app", "worker")])
def test_each_clip_is_done_once_whoever_is_killed(long_clip, samples, tmp_path, killed):
    env = {
        **os.environ,
        "LAB_STORE": str(tmp_path / "store"),
        "LAB_MEDIA_ROOTS": str(tmp_path),
        "LAB_LOCAL_WORKERS": "0",
        "LAB_WORKER_SILENCE_S": "3",
        "PYTHONPATH": str(ROOT),
        "YOLO_OFFLINE": "true",
        "LAB_TOKEN": "start",
    }
    clips = [copy_with(long_clip, tmp_path / "media" / f"{i}.mp4", i) for i in range(3)]
    store = Store(tmp_path / "store")
    served = App(env)
    with JobQueue(store.folder, is_app=True) as queue, closing(served):
        what = Work([SLOW], is_app=True).to_dict()
        queue.add("app-1", what, [(str(clip), Stamp.of(clip)) for clip in clips])
        served.kill()  # it looks for a queue when it begins
        served.start()
        with ExitStack() as stack:
            there = stack.enter_context(worker(served.url, env, tmp_path / "w0"))
            for i, who in enumerate(killed):
                seen = all_logged(store)
                until(lambda seen=seen: all_logged(store) > seen, 120)
                if who == "app":
                    served.kill()
                    served.start()
                else:
                    there.kill()
                    there.wait(30)
                    there = stack.enter_context(worker(served.url, env, tmp_path / f"w{i + 1}"))
            until(lambda: queue.counts()["done"] == 3, 240)
        jobs = queue.jobs()
    assert len(store.runs()) == 3
    for clip, job in zip(clips, sorted(jobs, key=lambda one: one.path), strict=True):
        check_done_once(store, job, clip, SLOW, tmp_path / "own")
