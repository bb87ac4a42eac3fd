"""The routes of the app behind its guard, on a real port, with real workers."""

import json
import socket
import subprocess
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import uvicorn

from lab.access.tokens import Tokens
from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.config import Config
from lab.limits import Limits
from lab.score_log.parts import parts_of
from tests.guarded import BEARER, TOKEN, guard

PATIENCE_S = 60
# What an upload is to be analysed for, as its address says it.
ASKED = "detector=visual&labels=brightness,contrast&every_s=0.2"


class UploadServer:
    """In threads of this process; its store lies below `folder`."""

    def __init__(self, folder: Path, **settings):
        limits = Limits(**{k: settings.pop(k) for k in list(settings) if k in Limits.names()})
        self.state = AppState(Config(store=folder / "store", limits=limits, **settings))
        app = guard(routes(self.state), limits=limits, tokens=Tokens(folder / "store"))
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


def slowly(data, pieces=20, pause_s=0.05, until_byte=None):
    """A body that comes in pieces."""
    stop = threading.Event()
    step = len(data) // pieces + 1
    for place in range(0, until_byte or len(data), step):
        yield data[place : min(place + step, until_byte or len(data))]
        stop.wait(pause_s)


def dying_client(server, path, data, sent, token=TOKEN):
    """A client that is gone after some bytes."""
    return begun_request(server.url, "PUT", path, token, data, sent)


def begun_request(url, method, path, token, data, sent):
    """The connection of a request whose body is sent in part."""
    where = urlsplit(url)
    connection = socket.create_connection((where.hostname, where.port))
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {where.netloc}\r\n"
        f"Authorization: Bearer {token}\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    connection.sendall(head.encode() + data[:sent])
    return connection


def content_range(first, size):
    return {"Content-Range": f"bytes {first}-{size - 1}/{size}"}


def rows_of(folder):
    """What is in the parts of a log, but when each sample was analysed."""
    tables = [part.read() for part in parts_of(folder)]
    return [
        (samples.drop_columns(["wall_time"]).to_pylist(), found.to_pylist())
        for samples, found in tables
    ]


def workers_of(server):
    """Processes that analyse uploads now."""
    pids = [
        process._worker._process.pid
        for name, process in server.state.engine._processes.items()
        if name.startswith("upload-") and process._worker is not None and process._is_busy
    ]
    assert pids
    return pids
