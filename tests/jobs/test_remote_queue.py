"""Clips of an app's queue that workers on other machines analyse, over real HTTP."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

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


def test_the_log_is_the_one_that_the_app_would_write_part_for_part(app, samples, tmp_path):
    clip = app.clip(samples / "cat_then_person.mp4")
    two = [VISUAL, {"name": "move", "detector": {"name": "motion"}, "interval_s": 0.2}]
    app.start(clip, analyses=two)
    with worker(app.url, app.environment(), tmp_path / "worker", "--name", "far"):
        (job,) = ended_jobs(app.here)
    assert (job.state, job.reason) == ("done", None)
    here = Store(tmp_path / "here")
    for run_id, one in zip(job.run_ids, two, strict=True):
        run = Run(app.here.store, run_id)
        own = lab.analyze(
            clip, detector=one["detector"]["name"], every_s=one["interval_s"], store=here,
            progress=False,
        )  # fmt: skip
        assert run.recipe == own.recipe
        assert run.effort() == own.effort()
        assert run.media["path"] == str(clip)
        folders = [s.log_folder(r.run_id) for s, r in ((app.here.store, run), (here, own))]
        assert_same_log(*map(read_log, folders))
        for far, near in zip(*map(part_files, folders), strict=True):
            assert [f.read_bytes() for f in far] == [f.read_bytes() for f in near]
    assert not list((tmp_path / "worker").glob("lab-clips-*"))
