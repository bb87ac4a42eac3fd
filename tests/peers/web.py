"""An HTTP server that keeps what it was sent, byte for byte."""

import email
import email.policy
import json
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class Request:
    """headers: names in lower case. query: pairs, in their order."""

    method: str
    path: str
    query: list
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)

    def parts(self):
        """Of a form: by name, the file name, the content type and the content of each."""
        head = f"content-type: {self.headers['content-type']}\r\n\r\n".encode()
        whole = email.message_from_bytes(head + self.body, policy=email.policy.HTTP)
        return {
            part.get_param("name", header="content-disposition"): (
                part.get_filename(), part.get_content_type(), part.get_payload(decode=True),
            )
            for part in whole.iter_parts()
        }  # fmt: skip


@dataclass
class Reply:
    """is_silent: nothing is ever answered."""

    status: int = 200
    body: object = b""
    headers: dict = field(default_factory=dict)
    is_silent: bool = False

    @property
    def data(self):
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


class WebServer:
    """asked: every request, in the order of arrival. answer: gives the reply to each."""

    def __init__(self, answer):
        self.asked, self.answer = [], answer
        self._lock, self._over, self._sockets = threading.Lock(), threading.Event(), []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65536  # an answer goes out as one, which the other side need not wait for

            def setup(self):
                super().setup()
                outer._sockets.append(self.connection)

            def log_message(self, *_):
                pass

            def _serve(self):
                outer._take(self)

            do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _serve

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _take(self, handler):
        parts = urlsplit(handler.path)
        request = Request(
            handler.command,
            unquote(parts.path),
            parse_qsl(parts.query, keep_blank_values=True),
            {name.lower(): value for name, value in handler.headers.items()},
            handler.rfile.read(int(handler.headers.get("Content-Length") or 0)),
        )
        with self._lock:
            self.asked.append(request)
            reply = self.answer(request) or Reply()
        if reply.is_silent:
            self._over.wait()
            handler.close_connection = True
            return
        handler.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.data)), **reply.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(reply.data)
        handler.wfile.flush()


@contextmanager
def serving(answer=lambda request: Reply()):
    server = WebServer(answer)
    try:
        yield server
    finally:
        server.stop()


def in_turn(*replies):
    """An answer: these replies one after the other, then success."""
    left = list(replies)
    return lambda request: left.pop(0) if left else Reply()
