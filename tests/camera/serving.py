"""`lab camera` in a process of its own, on a free port; it ends with the test."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import requests

ROOT = Path(__file__).parents[2]


class CameraProcess:
    """A context manager. options: of the command line. environment: added to this one's."""

    def __init__(self, *options, cwd=None, **environment):
        self._options, self._cwd = [str(one) for one in options], cwd
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DRISHTI_", "LAB_"))}
        kept.pop("PORT", None)
        self._environment = {**kept, "PYTHONPATH": str(ROOT), **environment}
        self.errors = []

    def __enter__(self):
        command = [sys.executable, "-m", "lab", "camera", *self._options, "--stdin", "--json"]
        if "--port" not in self._options:
            command += ["--port", "0"]
        self.process = subprocess.Popen(
            command,
            cwd=self._cwd,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read_errors, daemon=True)
        self._reader.start()
        line = self.process.stdout.readline()
        if not line:
            self.__exit__()
            raise AssertionError(f"it did not start: {self.error_text}")
        self.addresses = json.loads(line)
        self.url = self.addresses["address"]
        self.port = int(self.url.rpartition(":")[2])
        return self

    def __exit__(self, *exc):
        self.process.stdin.close()
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        self._reader.join(10)
        self.process.stderr.close()

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line)

    @property
    def error_text(self):
        return "".join(self.errors)

    def get(self, path, **more):
        return requests.get(f"{self.url}{path}", timeout=30, **more)

    def socket_url(self, path="/ws/stream"):
        return f"ws://127.0.0.1:{self.port}{path}"

    def figure(self, name, camera="camera"):
        """A figure of /metrics."""
        wanted = f'sighting_lab_camera_{name}{{camera="{camera}"}} '
        lines = self.get("/metrics").text.splitlines()
        return next(float(one.rpartition(" ")[2]) for one in lines if one.startswith(wanted))


def refused(*options, cwd=None, **environment):
    """The exit code and the error of a command that cannot start."""
    process = CameraProcess(*options, cwd=cwd, **environment)
    try:
        with process:
            pass
    except AssertionError:
        return process.process.returncode, process.error_text
    raise AssertionError("it started")
