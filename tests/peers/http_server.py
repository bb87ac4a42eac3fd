"""Answers over HTTP what a test wants, at its pace; in the test's own process."""

import io
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy as np


class HttpServer:
    """A context manager. answers: by path, a function that is given the open answer."""

    def __init__(self, answers):
        self.answers = answers
        self.is_closing = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                answer = outer.answers.get(self.path.partition("?")[0])
                if answer is None:
                    self.send_error(404)
                    return
                try:
                    answer(Answer(self, outer.is_closing))
                except (OSError, Closing):
                    pass

            def log_message(self, *given):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self.is_closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Closing(Exception):
    pass


class Answer:
    """What a client is sent."""

    def __init__(self, handler, is_closing):
        self._handler, self._is_closing = handler, is_closing

    @property
    def headers(self):
        return self._handler.headers

    def begin(self, kind, status=200, **headers):
        self._handler.send_response(status)
        self._handler.send_header("Content-Type", kind)
        for name, value in headers.items():
            self._handler.send_header(name.replace("_", "-"), value)
        self._handler.end_headers()

    def send(self, data):
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def wait(self, seconds):
        if self._is_closing.wait(seconds):
            raise Closing

    def hold(self):
        """Send nothing any more, and keep the connection."""
        self.wait(600)

    def play(self, stream):
        """stream: (seconds, bytes), each at its time."""
        begun = time.monotonic()
        for at_s, data in stream:
            self.wait(max(0.0, begun + at_s - time.monotonic()))
            self.send(data)


def moving(seconds=2.0, rate=20, size=(64, 48), codec="libx264", begin_s=10.0, is_still=False):
    """An MPEG-TS of a moving square, as (seconds, bytes) of each frame."""
    target = io.BytesIO()
    with av.open(target, "w", format="mpegts", options={"flush_packets": "1"}) as container:
        options = {"g": str(max(1, rate // 2)), "bf": "0"}
        if codec == "libx264":
            options |= {"preset": "ultrafast", "tune": "zerolatency"}
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        found, sent = [], 0
        for number in range(max(1, round(seconds * rate))):
            image = np.full((size[1], size[0], 3), 40, np.uint8)
            x = 0 if is_still else number * 2 % (size[0] - 8)
            image[8:16, x : x + 8] = 255
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number + round(begin_s * rate)
            container.mux(stream.encode(frame))
            whole = target.getvalue()
            found.append((number / rate, whole[sent:]))
            sent = len(whole)
        container.mux(stream.encode(None))
    found.append((seconds, target.getvalue()[sent:]))
    return found


def after(earlier, later):
    """One stream, and then another one."""
    end_s = earlier[-1][0]
    return [*earlier, *((end_s + at_s, data) for at_s, data in later)]


def sound(seconds=20.0):
    """An MPEG-TS of sound alone."""
    target = io.BytesIO()
    with av.open(target, "w", format="mpegts") as container:
        stream = container.add_stream("mp2", rate=44100, layout="mono")
        for number in range(round(seconds * 44100 / 1152)):
            samples = np.zeros((1, 1152), np.int16)
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts = 44100, number * 1152
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target.getvalue()
