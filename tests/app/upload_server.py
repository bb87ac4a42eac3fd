"""The routes of the app behind its guard, on a real port, with real workers."""

import json
import socket
import subprocess
import threading
import time
from pathlib import Path

import httpx2
import uvicorn

from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.config import Config
from lab.limits import Limits
from tests.guarded import BEARER, guard

PATIENCE_S = 60


class UploadServer:
    """In threads of this process; its store lies below `folder`."""

    def __init__(self, folder: Path, **settings):
        limits = Limits(**{k: settings.pop(k) for k in list(settings) if k in Limits.names()})
        self.state = AppState(Config(store=folder / "store", limits=limits, **settings))
        app = guard(routes(self.state), limits=limits)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(app, log_level="warning", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],))
        self._thread.start()
        until(lambda: self._server.started)

    def close(self):
        self._server.should_exit = self._server.force_exit = True
        self._thread.join()
        self._socket.close()
        self.state.close()

    def ask(self, method, path, **settings):
        headers = {**BEARER, **settings.pop("headers", {})}
        return httpx2.request(
            method, self.url + path, headers=headers, timeout=PATIENCE_S, **settings
        )

    def known(self, upload_id):
        return self.ask("GET", f"/api/uploads/{upload_id}").json()

    def ended(self, upload_id):
        """How an upload is when its analysis has come to its end."""
        return until(lambda: self._if_ended(upload_id))

    def _if_ended(self, upload_id):
        known = self.known(upload_id)
        is_over = known["analysis"] is None or known["analysis"]["state"] in (
            *("done", "failed", "cancelled"),
        )
        return known if is_over and known["state"] != "receiving" else None

    def run(self, run_id):
        from lab.runs.run import Run

        return Run(self.state.store, run_id)


def curl(*words, **settings):
    command = ["curl", "-sS", "--max-time", str(PATIENCE_S)]
    command += ["-H", f"Authorization: {BEARER['Authorization']}", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, **settings)


def lines_of(text):
    return [json.loads(line) for line in text.splitlines() if line]


def until(fulfilled, patience_s=PATIENCE_S):
    """The first true answer."""
    end = time.monotonic() + patience_s
    while not (found := fulfilled()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)
    return found
