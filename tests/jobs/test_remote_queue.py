"""Clips of an app's queue that workers on other machines analyse, over real HTTP."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware

import lab
from lab.access.tokens import Tokens
from lab.app.server import state as desks
from lab.app.server.guard import Guard
from lab.app.server.routes import routes
from lab.jobs.batch.service import QueuedClip
from lab.jobs.batch.work import Work
from lab.jobs.queue.queued_job import Stamp
from lab.runs.run import Run
from lab.score_log.parts import part_files
from lab.score_log.score_log import read_log
from lab.store.store import Store
from tests.builders import assert_same_log, ended_jobs
from tests.jobs.clips import copy_with

ROOT = Path(__file__).parents[2]
VISUAL = {"name": "visual", "detector": {"name": "visual"}, "interval_s": 0.1}
WAIT_S = 60.0


class Served:
    """An app without workers of its own, served over HTTP in this process."""

    def __init__(self, folder):
        self.folder = folder
        self.here = desks.app_state()
        ours = routes(self.here)
        tokens = Tokens(self.here.store.folder)
        self.tokens = {scope: tokens.add(scope, scope)[1] for scope in ("read", "analyse")}
        guard = Middleware(
            Guard, token="start", tokens=tokens, routes=ours, limits=self.here.config.limits
        )
        config = uvicorn.Config(
            Starlette(routes=ours, middleware=[guard]), port=0, log_level="error"
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            self.thread.join(0.01)
        self.url = f"http://127.0.0.1:{self.server.servers[0].sockets[0].getsockname()[1]}"
        self._made = 0

    def close(self):
        self.server.should_exit = True
        self.thread.join(20)
        self.here.close()

    def clip(self, clip):
        """The same pictures in another file."""
        self._made += 1
        return copy_with(clip, self.folder / "media" / f"clip {self._made}.mp4", self._made)

    def start(self, *paths, analyses=(VISUAL,)):
        """Queue clips; what is there already is not looked at."""
        self.here.analyses.queue and self.here.analyses.queue.forget_ended()
        clips = [QueuedClip(str(path), Stamp.of(path)) for path in paths]
        return self.here.analyses.start(clips, Work(list(analyses)))

    def ask(self, path, body=None, *, token="analyse", method="POST", kind="application/json"):
        """Status, and the JSON of the answer."""
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        headers = {"Content-Type": kind}
        if token is not None:
            headers["Authorization"] = f"Bearer {self.tokens.get(token, token)}"
        asked = urllib.request.Request(
            self.url + path, data if method != "GET" else None, headers, method=method
        )
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                content = answer.read()
                return answer.status, json.loads(content) if content else None
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def claim(self, worker="w", wait_s=20.0):
        """By hand, as a worker does."""
        body = {"worker": worker, "name": worker, "version": lab.__version__, "wait_s": wait_s}
        status, order = self.ask("/api/work/claim", body)
        assert status == 200, order
        return order

    def environment(self):
        return {
            **os.environ,
            "LAB_TOKEN": self.tokens["analyse"],
            "PYTHONPATH": str(ROOT),
            "YOLO_OFFLINE": "true",
        }


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remote")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_STORE", str(folder / "store"))
        patch.setenv("LAB_MEDIA_ROOTS", str(folder))
        patch.setenv("LAB_LOCAL_WORKERS", "0")
        patch.setenv("LAB_WORKER_SILENCE_S", "3")
        desks.app_state.cache_clear()
        made = Served(folder)
        yield made
        made.close()
        desks.app_state.cache_clear()


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


def until(condition, seconds=WAIT_S):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


@pytest.fixture(scope="module")
def two(app, tmp_path_factory):
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


def test_the_log_is_the_one_that_the_app_would_write_part_for_part(app, two, samples, tmp_path):
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


def test_two_workers_share_ten_clips_and_each_is_done_once(app, two, samples):
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


def test_what_is_in_the_store_already_needs_no_worker(app, two, samples):
    clip = app.clip(samples / "nothing.mp4")
    app.start(clip)
    (job,) = ended_jobs(app.here)
    app.start(clip)
    (again,) = ended_jobs(app.here)
    assert again.was_there
    assert again.run_ids == job.run_ids


SLOW = VISUAL | {"interval_s": 0.0}


@pytest.fixture(scope="module")
def long_clip(encode):
    """Some seconds of work, and several parts."""
    return encode("long.mp4", source="testsrc2=size=640x480:rate=30:duration=60")


def logged(store):
    """Samples that the growing runs of a store have on disk."""
    return sum(len(read_log(store.log_folder(row["run_id"])).pts_us) for row in store.runs())


def check_done_once(store, job, clip, analyses, folder):
    """One run, with the log that one go gives."""
    assert (job.state, job.reason) == ("done", None)
    (row,) = store.runs(media_id=job.media_id)
    assert (row["run_id"], row["state"]) == (job.run_ids[0], "done")
    every_s = analyses["interval_s"]
    own = lab.analyze(clip, detector="visual", every_s=every_s, store=folder, progress=False)
    assert_same_log(Run(store, row["run_id"]).log, own.log)


def test_what_a_killed_worker_sent_is_kept_and_another_one_goes_on(app, long_clip, tmp_path):
    clip = app.clip(long_clip)
    env = app.environment()
    before = logged(app.here.store)
    with worker(app.url, env, tmp_path / "first") as first:
        (job_id,) = app.start(clip, analyses=[SLOW])
        until(lambda: logged(app.here.store) > before)
        first.kill()
        first.wait(30)
    kept = logged(app.here.store) - before
    with worker(app.url, env, tmp_path / "second", "--name", "second"):
        (job,) = ended_jobs(app.here)
    assert (job.job_id, job.claims, job.tries) == (job_id, 2, 1)
    assert 0 < kept < 1800
    check_done_once(app.here.store, job, clip, SLOW, tmp_path / "own")
    assert not list((tmp_path / "second").glob("lab-clips-*"))  # nor that of the killed one
