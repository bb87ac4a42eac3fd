"""The app in a process of its own, on a free port, over a store of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
TOKEN = "test-token"
# What the app imports and compiles is loaded once; each line asks for a process that has opened
# nothing yet and goes on as `streamlit run` does.
FORK_SERVER = """
import gc, json, os, signal, sys
import duckdb, pandas, plotly.express, pyarrow.parquet, uvicorn
import streamlit.testing.v1, streamlit.web.cli
import lab, lab.app.server.guard, lab.app.server.routes, lab.app.ui.navigation, lab.app.ui.start
import lab.evaluation.evaluate, lab.evaluation.phrasing, lab.experiments.report
import lab.tuning.audit, lab.tuning.recommend, plotly.graph_objects, scipy.optimize
from streamlit.components.v2 import manifest_scanner
from tests.components_once import look_for_components_once
lab.app.ui.start.warm_up()
look_for_components_once()
manifest_scanner.scan_component_manifests()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
gc.collect()
gc.freeze()  # else each process copies all of it, just to look for garbage
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        asked = json.loads(line)
        os.environ.clear()
        os.environ.update(asked["env"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        sys.argv = ["streamlit", *asked["words"]]
        streamlit.web.cli.main()
        os._exit(0)
    print(pid, flush=True)
"""


class ForkServer:
    """Starts apps without the seconds that their imports take; a context manager."""

    def __enter__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-c", FORK_SERVER],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(20)

    def start(self, words, env, log) -> psutil.Process:
        asked = {"words": words, "env": env, "log": str(log)}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return psutil.Process(int(self._process.stdout.readline()))


def start(words, env, log) -> psutil.Process:
    """As a user starts it."""
    with log.open("w") as out:
        command = [sys.executable, "-m", "streamlit", *words]
        return psutil.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=out)


_used_before: list[int] = []


def free_port() -> int:
    """One of an earlier server where it is free again: a browser has kept the app's scripts."""
    for port in (*_used_before, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            if not port:
                _used_before.append(port := probe.getsockname()[1])
            return port
    raise RuntimeError("no port is free")


class Server:
    """The app over `folder / "store"`.

    start: how its process comes about, `start` or that of a `ForkServer`. token: None for one
    that the app makes itself.
    """

    def __init__(
        self, folder: Path, roots: list[Path], start=start, token=TOKEN, headless="true"
    ) -> None:
        self.store, self.log, port = folder / "store", folder / "server.log", str(free_port())
        self.url = f"http://127.0.0.1:{port}"
        self.env = {
            **os.environ,
            "LAB_STORE": str(self.store),
            "LAB_MEDIA_ROOTS": os.pathsep.join(map(str, roots)),
            "LAB_TOKEN": token or "",
        }
        words = ["run", "app.py", "--server.port", port, "--server.headless", headless]
        self.start = lambda: self._await(start(words, self.env, self.log))
        self.start()

    def _await(self, process) -> None:
        self.process = process
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2)
                return
            except OSError:
                if time.monotonic() > end or not self.is_running():
                    raise RuntimeError(self.log.read_text()) from None
                time.sleep(0.05)

    def is_running(self) -> bool:
        return self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE

    def stop(self, how=signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(20)

    def restart(self, how=signal.SIGTERM) -> None:
        """The same on the same port; `start` begins again where only `stop` was called."""
        self.stop(how)
        self.start()
