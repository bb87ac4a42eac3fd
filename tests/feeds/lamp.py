"""A camera that looks at a lamp: pictures over HTTP, and commands that watch it."""

import http.server
import json
import os
import subprocess
import sys
import threading
import time

import cv2
import numpy as np

from tests.conftest import ROOT

WAIT_S = 60
_PART = b"--next\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n"
RULE = {"enter_threshold": 0.5, "enter_frames": 2, "exit_frames": 2, "cooldown_s": 0}


def wait_for(condition, what):
    """What the condition gives once it gives something."""
    until = time.monotonic() + WAIT_S
    while not (found := condition()):
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.02)
    return found


class Lamp:
    """A server of MJPEG on this machine. A context manager. is_on: whether its pictures are bright.
    is_plugged: whether it answers. size: width and height of its pictures.

    Each picture differs a little from the last, as of a real camera.
    """

    def __init__(self):
        self.is_on, self.is_plugged, self.size = False, True, (64, 48)
        self._is_over = threading.Event()
        lamp = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                if not lamp.is_plugged:
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
                self.end_headers()
                try:
                    while lamp.is_plugged and not lamp._is_over.wait(0.05):
                        jpeg = lamp.picture()
                        self.wfile.write(_PART % (len(jpeg), jpeg))
                except OSError:
                    pass  # nobody looks any more

            def log_message(self, *words):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/lamp"

    def picture(self):
        shape = (*self.size[::-1], 3)
        image = np.random.default_rng().integers(0, 30, shape, np.uint8)
        return cv2.imencode(".jpg", image + (200 if self.is_on else 0))[1].tobytes()

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc):
        self._is_over.set()
        self._server.shutdown()
        self._server.server_close()

    def feed(self, **changes):
        """As a feeds file has it."""
        return {
            "id": "lamp",
            "source": {"type": "stream", "url": self.url},
            "detector": {"type": "visual", "labels": ["brightness"]},
            "every_s": 0.2,
            "debounce": RULE,
            "sinks": [],
            **changes,
        }


class Command:
    """`lab watch` as a process of its own, which ends with this one. A context manager.

    environ: more of its environment.
    """

    def __init__(self, *words, environ=None):
        self.process = subprocess.Popen(
            [sys.executable, "-c", _UNTIL_PARENT_ENDS, *map(str, words)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(environ or {})},
        )  # fmt: skip
        self.rows, self.said = [], []
        for stream, lines in ((self.process.stdout, self.rows), (self.process.stderr, self.said)):
            threading.Thread(target=lines.extend, args=(stream,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.process.kill()
        self.process.wait()

    def events(self):
        return [json.loads(line) for line in list(self.rows)]

    def event(self, kind):
        """The first of its kind, once it is there."""
        return wait_for(lambda: self._first(kind), f"{kind}; it said {self.said}")

    def end(self, number):
        """The exit code after a signal."""
        self.process.send_signal(number)
        return self.process.wait(WAIT_S)

    def _first(self, kind):
        assert self.process.poll() is None or any(e["kind"] == kind for e in self.events())
        return next((event for event in self.events() if event["kind"] == kind), None)


_UNTIL_PARENT_ENDS = """
import ctypes, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
from lab.app.cli.main import run
sys.exit(run())
"""
