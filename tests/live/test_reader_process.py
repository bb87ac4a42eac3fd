"""The process that reads: it is replaced when it dies, and dies with whoever started it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lab.child_process import lab_environment
from lab.video.live.connection import Connection
from tests.live.watching import Watched
from tests.peers.programs import wait_for

WATCHING = """
import sys, time
from lab.video.live.connection import Connection
with Connection("file", {"path": sys.argv[1], "loop": True}, [0.2]) as connection:
    while not connection.frames:
        time.sleep(0.01)
    print(connection.reader_pid, flush=True)
    time.sleep(600)
"""


@pytest.fixture(scope="module")
def clip(encode):
    return encode(
        "ten_a_second.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "20", "-bf", "2",
        source="testsrc2=size=64x48:rate=10:duration=5",
    )  # fmt: skip


def is_there(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_one_that_is_killed_is_replaced_and_what_it_gave_was_kept(tmp_path, clip):
    with Watched(tmp_path, "file", {"path": str(clip), "loop": True}, every_s=0.1) as watched:
        watched.until_frames(8)
        first = watched.connection.reader_pid
        os.kill(first, signal.SIGKILL)
        watched.until("reconnecting", "the reader was killed by signal 9")
        wait_for(lambda: watched.states[-2:] == ["reconnecting", "live"], "the next one")
        frames = watched.connection.frames
        watched.until_frames(frames + 5)
        assert watched.connection.reader_pid != first
        assert watched.source.reconnects == 1
    watched.assert_recorded(least=12)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at /proc")
def test_it_does_not_outlive_its_parent(clip):
    parent = subprocess.Popen(
        [sys.executable, "-c", WATCHING, str(clip)],
        stdout=subprocess.PIPE, text=True, env=lab_environment(),
    )  # fmt: skip
    reader = int(parent.stdout.readline())
    assert is_there(reader)
    parent.kill()
    parent.wait(20)
    parent.stdout.close()
    wait_for(lambda: not is_there(reader), "the end of the reader")


def test_one_that_hangs_is_killed(tmp_path, clip):
    settings = {"path": str(clip), "loop": True}
    with Watched(tmp_path, "file", settings, silent_s=1.5) as watched:
        watched.until("live")
        os.kill(watched.connection.reader_pid, signal.SIGSTOP)
        watched.until("reconnecting", "no frame for 1.5 s")
        wait_for(lambda: watched.states[-1] == "live", "the next one")


def test_what_was_seen_some_time_ago_counts_from_then():
    """A reader that is held up tells of its last frame only when it gives up."""
    connection = Connection("stream", {"url": "rtsp://127.0.0.1:1/x"}, [1.0])
    now = time.monotonic()
    seen = {"kind": "seen", "frames": 5, "last_us": 1_000_000, "same_s": 0.0, "ago_s": 9.5}
    connection._handle({**seen, "loop_index": 0, "missed": 0}, now)
    assert now - connection._last_at == pytest.approx(9.5)
    since = connection.condition.since
    connection._become("live", "it goes on")
    assert connection.condition.since == since
