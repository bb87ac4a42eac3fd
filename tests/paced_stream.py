"""A clip as an HTTP stream (MPEG-TS) at its own pace, over and over, on a port of this computer."""

import io
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av


class _Outgoing(io.RawIOBase):
    def __init__(self, stream):
        self._stream = stream

    def writable(self):
        return True

    def write(self, data):
        self._stream.write(data)
        return len(data)


@contextmanager
def paced_stream(clip, rounds=1000):
    """The address of the stream."""
    stopping = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "video/mp2t")
            self.end_headers()
            with suppress(OSError, av.FFmpegError):
                _send(clip, _Outgoing(self.wfile), rounds, stopping)
            self.close_connection = True

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/clip.ts"
    finally:
        stopping.set()
        server.shutdown()
        server.server_close()


def _send(clip, outgoing, rounds, stopping):
    begun, shift_s = time.monotonic(), 0.0
    with av.open(outgoing, "w", format="mpegts", options={"flush_packets": "1"}) as out:
        stream = None
        for _ in range(rounds):
            with av.open(str(clip)) as container:
                video = container.streams.video[0]
                stream = stream or out.add_stream_from_template(video)
                for packet in container.demux(video):
                    if packet.dts is None:
                        continue
                    at_s = float(packet.dts * packet.time_base) + shift_s
                    wait_s = begun + at_s - time.monotonic()
                    if stopping.wait(max(0.0, wait_s)):
                        return
                    ticks = round(shift_s / packet.time_base)
                    packet.pts, packet.dts = packet.pts + ticks, packet.dts + ticks
                    packet.stream = stream
                    out.mux_one(packet)
                shift_s += float(container.duration / 1e6)
