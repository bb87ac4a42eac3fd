"""Starts the peers, and says clearly where one is missing."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SYSTEM_PYTHON = "/usr/bin/python3"
WAIT_S = 60.0


def missing(what: str):
    """Skips the test, or fails it where peers are required."""
    if os.environ.get("LAB_PEERS") == "required":
        pytest.fail(f"LAB_PEERS=required, and {what}")
    pytest.skip(what)


def needs_program(name: str, package: str) -> str:
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        missing(f"the program {name} is not installed; on Debian: apt-get install {package}")
    return path


def wait_for(condition, what, timeout_s: float = WAIT_S):
    """What the condition gives once it gives something. what: a text, or what gives it."""
    until = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < until, f"waited in vain for {what() if callable(what) else what}"
        time.sleep(0.02)
    return found


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def is_open(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


class RtspServer:
    """A server in a process of its own, told what to do by lines; see `rtsp_server.py`."""

    def __init__(self, port: int = 0, *login: str) -> None:
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, str(HERE / "rtsp_server.py"), str(port), *login],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        line = self._process.stdout.readline()
        assert line.startswith("port "), line
        self.port = int(line.split()[1])
        self.url = f"rtsp://127.0.0.1:{self.port}"

    def do(self, line: str) -> None:
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "done\n"

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(WAIT_S)
        self._process.stdin.close()
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.kill()


_has_rtsp: list[bool] = []


def rtsp_server(port: int = 0, *login: str) -> RtspServer:
    """A context manager; skips where GStreamer's RTSP server is not installed."""
    if not _has_rtsp:
        test = "import gi; gi.require_version('GstRtspServer', '1.0')"
        ended = subprocess.run([SYSTEM_PYTHON, "-c", test], capture_output=True, check=False)
        _has_rtsp.append(ended.returncode == 0)
    if not _has_rtsp[0]:
        missing(
            "GStreamer's RTSP server is not installed; on Debian: apt-get install "
            "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good "
            "gstreamer1.0-plugins-bad"
        )
    return RtspServer(port, *login)


class Program:
    """A program that ends with the test, however that ends: a shell waits for its own input."""

    def __init__(self, *command: str) -> None:
        script = '"$@" </dev/null & one=$!; cat >/dev/null; kill -9 $one 2>/dev/null; wait'
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", script, "sh", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._process.stdin.close()
        self._process.wait(WAIT_S)


_NGINX = """
load_module {modules}/ngx_rtmp_module.so;
daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;
events {{}}
rtmp {{
  server {{
    listen 127.0.0.1:{rtmp};
    application live {{ live on; hls on; hls_path {folder}/hls; hls_fragment 1s;
      hls_playlist_length 20s; }}
  }}
}}
http {{
  access_log off; client_body_temp_path {folder}/t; proxy_temp_path {folder}/t;
  fastcgi_temp_path {folder}/t; uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
  types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
  server {{ listen 127.0.0.1:{http}; root {folder}; }}
}}
"""
_MODULES = "/usr/lib/nginx/modules"


class Nginx(Program):
    """Takes what is published to `rtmp`/live/NAME, and serves it as HLS at `http`/hls/NAME.m3u8."""

    def __init__(self, folder: Path) -> None:
        program = needs_program("nginx", "nginx-light libnginx-mod-rtmp")
        if not Path(_MODULES, "ngx_rtmp_module.so").exists():
            missing("nginx has no RTMP; on Debian: apt-get install libnginx-mod-rtmp")
        rtmp, http = free_port(), free_port()
        folder.mkdir(exist_ok=True)
        config = folder / "nginx.conf"
        config.write_text(_NGINX.format(modules=_MODULES, folder=folder, rtmp=rtmp, http=http))
        super().__init__(program, "-c", str(config), "-p", str(folder))
        self.rtmp, self.http = f"rtmp://127.0.0.1:{rtmp}", f"http://127.0.0.1:{http}"
        wait_for(lambda: is_open(http) and is_open(rtmp), "nginx")
