"""Real workers (`lab worker`), each a process of its own that ends with the test."""

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class RunningWorker:
    url: str
    process: subprocess.Popen
    said: str

    def kill(self):
        self.process.kill()
        self.process.wait()


@contextmanager
def running_worker(*options, env=None, port=0):
    """A worker at a free port, once it answers."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lab", "worker", "--port", str(port), *options],
        stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})},
    )  # fmt: skip
    try:
        said = process.stderr.readline()
        assert " offers " in said, said + process.stderr.read()
        yield RunningWorker(said.split()[1], process, said)
    finally:
        process.terminate()
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait()
            process.stderr.close()
