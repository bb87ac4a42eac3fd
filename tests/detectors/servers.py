"""Services on loopback that speak the real wire formats, and detectors that ask them."""

import base64
import hashlib
import json
import os
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from unittest.mock import patch

import cv2
import numpy as np

from lab.detectors.services.cloud_vision import CloudVision
from lab.detectors.services.remote import Remote

KEY_ENV, KEY = "LAB_TEST_KEY", "AIza-test-key-0123456789"
QUICK = {"timeout_s": 10.0, "retry_wait_s": 0.001}


@dataclass
class Reply:
    """An answer as it goes out. body: JSON values, or bytes. silent: nothing is ever answered.

    drips: it comes a byte at a time, and never ends.
    """

    body: object = b""
    status: int = 200
    headers: dict = field(default_factory=dict)
    silent: bool = False
    drips: bool = False

    @property
    def data(self):
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class JsonServer:
    """A server on a free port, in threads; a context manager.

    asked: (method, path, headers, body as JSON) of every request, in order of arrival.
    """

    def __init__(self):
        self.asked, self._over, self._lock = [], threading.Event(), threading.Lock()
        self._sockets: list[socket.socket] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def _answer(self):
                data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = json.loads(data) if data else None
                with outer._lock:
                    outer.asked.append((self.command, self.path, dict(self.headers), body))
                    number = sum(command == "POST" for command, *_ in outer.asked) - 1
                reply = outer.reply(self.command, self.path, dict(self.headers), body, number)
                reply = reply if isinstance(reply, Reply) else Reply(reply)
                if reply.silent:
                    outer._over.wait()
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                length = {"Content-Length": "100000" if reply.drips else str(len(reply.data))}
                for name, value in (length | reply.headers).items():
                    self.send_header(name, value)
                self.end_headers()
                while reply.drips and not outer._over.wait(0.02):
                    self.wfile.write(b" ")
                self.wfile.write(reply.data)

            do_GET = do_POST = _answer

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def process_request(self, request, address):
                outer._sockets.append(request)
                super().process_request(request, address)

            def handle_error(self, *_):
                """Clients that gave up are part of the tests."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def reply(self, method, path, headers, body, number):
        raise NotImplementedError

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def posts(self):
        return [body for method, _, _, body in self.asked if method == "POST"]


def decoded(image_base64):
    """The picture that was sent: uint8 (h, w, 3) BGR."""
    data = np.frombuffer(base64.b64decode(image_base64, validate=True), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def digest(image_bgr):
    return hashlib.sha256(np.ascontiguousarray(image_bgr).tobytes()).hexdigest()


def box(label="cat", confidence=0.9, x=0.25, y=0.5, width=0.5, height=0.25):
    """A detection as Media Analyzer writes it: fractions of the picture."""
    return {
        "label": label,
        "confidence": confidence,
        "bbox": {"x": x, "y": y, "width": width, "height": height},
    }


class Worker(JsonServer):
    """A worker of Media Analyzer.

    look: from the picture and the number of the request to the answer; what is no Reply is JSON.
    """

    def __init__(
        self,
        look=lambda image_bgr, number: {"detections": [box()]},
        info=None,
        health=None,
        prefix="",
    ):
        super().__init__()
        self.look, self.prefix = look, prefix
        self.info = (
            {"model": "yolo11n", "version": "1.2", "labels": ["cat", "person"]}
            if info is None
            else info
        )
        self.health = {"status": "healthy"} if health is None else health

    def reply(self, method, path, headers, body, number):
        if method == "GET" and path == "/ai/health":
            return self.health
        if method == "GET" and path == "/ai/info":
            return self.info
        if method != "POST" or path != "/ai/analyze":
            return Reply({"error": "not found"}, 404)
        if (
            not isinstance(body["analysis_types"], list)
            or not 0 <= body["confidence_threshold"] <= 1
        ):
            return Reply({"detail": "wrong request"}, 422)
        return self.look(decoded(body["image"]), number)


def vision_error(code, message, status):
    """An error as Google's services write it."""
    return Reply({"error": {"code": code, "message": message, "status": status}}, code)


class Vision(JsonServer):
    """Google Cloud Vision. look: from picture, features and number of the request to a response.

    whole: from the number of the request to an answer for all of it, or None.
    """

    def __init__(self, look=lambda image_bgr, features, number: {}, whole=lambda number: None):
        super().__init__()
        self.look, self.whole = look, whole
        self.endpoint = self.url + "/v1/images:annotate"

    def reply(self, method, path, headers, body, number):
        if method != "POST" or path != "/v1/images:annotate":
            return vision_error(404, "Requested entity was not found.", "NOT_FOUND")
        if {k.lower(): v for k, v in headers.items()}.get("x-goog-api-key") != KEY:
            return vision_error(
                400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT"
            )
        if len(body["requests"]) > 16:
            return vision_error(400, "Too many images per request.", "INVALID_ARGUMENT")
        if (answer := self.whole(number)) is not None:
            return answer
        responses = []
        for one in body["requests"]:
            features = [feature["type"] for feature in one["features"]]
            responses.append(self.look(decoded(one["image"]["content"]), features, number))
        return {"responses": responses}


@contextmanager
def make_remote(worker=None, **settings):
    """A detector that asks a worker, which stops with it."""
    with worker or Worker() as running:
        detector = Remote(**{"url": running.url, **QUICK, **settings})
        try:
            yield detector
        finally:
            detector.close()


@contextmanager
def make_cloud_vision(service=None, **settings):
    """A detector that asks a service in the place of Google's."""
    with service or Vision() as running, patch.dict(os.environ, {KEY_ENV: KEY}):
        detector = CloudVision(
            **{"endpoint": running.endpoint, "key_env": KEY_ENV, **QUICK, **settings}
        )
        try:
            yield detector
        finally:
            detector.close()
