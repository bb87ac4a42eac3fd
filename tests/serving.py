"""`lab serve` in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import threading

import requests

SECRET = "a-token-of-lab-serve-that-nobody-guesses"


class Serving:
    """`lab serve` over a store, on a free port; a context manager.

    token: LAB_TOKEN, None for none. environ: what else the process sees.
    """

    def __init__(self, store, *words, token=SECRET, **environ):
        command = [sys.executable, "-m", "lab", "serve", "--port", "0", "--json"]
        self.command = [*command, "--store", str(store), *map(str, words)]
        self.env = {**os.environ, "LAB_TOKEN": token or "", **environ}
        self.token = token

    def __enter__(self):
        self.process = subprocess.Popen(
            self.command, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._lines = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        line = self.process.stdout.readline()
        if not line:
            self.process.wait(60)
            self._reader.join(60)
            raise RuntimeError(self.said)
        found = json.loads(line)
        self.url, self.token = found["address"], found["token"] or self.token
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)

    @property
    def said(self):
        return "".join(self._lines)

    def _read(self):
        for line in self.process.stderr:
            self._lines.append(line)

    def ask(self, path, token=None, **headers):
        given = {"Authorization": f"Bearer {token or self.token}"} if token != "" else {}
        return requests.get(self.url + path, headers={**given, **headers}, timeout=60)

    def end(self, how=signal.SIGTERM):
        """Its exit code."""
        self.process.send_signal(how)
        code = self.process.wait(60)
        self._reader.join(60)
        self.process.stdout.close()
        return code
