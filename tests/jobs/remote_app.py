"""The app's routes behind its guard, without pages: in this process, or in one to be killed."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

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
from tests.jobs.clips import copy_with

ROOT = Path(__file__).parents[2]
VISUAL = {"name": "visual", "detector": {"name": "visual"}, "interval_s": 0.1}
WAIT_S = 60.0

APP = """
import sys
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from lab.access.tokens import Tokens
from lab.app.server.guard import Guard
from lab.app.server.routes import routes
from lab.app.server.state import app_state
here = app_state()
ours = routes(here)
here.analyses.go_on()
guard = Middleware(Guard, token="start", tokens=Tokens(here.store.folder), routes=ours,
                   limits=here.config.limits)
app = Starlette(routes=ours, middleware=[guard])
uvicorn.run(app, port=int(sys.argv[1]), log_level="error")
here.close()
"""


class App:
    """Over a store; its port stays its own while it is killed and started again."""

    def __init__(self, env):
        self._env = env
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.start()

    def start(self):
        command = [sys.executable, "-c", APP, self.url.rpartition(":")[2]]
        self.process = subprocess.Popen(command, env=self._env, start_new_session=True)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert self.process.poll() is None
            with suppress(OSError):
                asked = urllib.request.Request(
                    f"{self.url}/api/health", headers={"Authorization": "Bearer start"}
                )
                urllib.request.urlopen(asked, timeout=60).close()
                return
            time.sleep(0.05)
        raise TimeoutError("the app did not begin")

    def kill(self):
        self.process.kill()
        self.process.wait(60)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
        self._socket.close()


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
        return until(lambda: self.ask("/api/work/claim", body)[1])

    def environment(self):
        return {
            **os.environ,
            "LAB_TOKEN": self.tokens["analyse"],
            "PYTHONPATH": str(ROOT),
            "YOLO_OFFLINE": "true",
        }


def until(condition, seconds=WAIT_S):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found
