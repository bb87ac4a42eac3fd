"""A file that one process writes and another one reads, with limits and errors across both."""

import hashlib
import json
import subprocess
import sys
import threading
import time

import pytest

from lab.errors import StreamError
from lab.video.followed_file import Announcement, FollowedFile, WholeFile
from lab.video.streaming_buffer import StreamingBuffer

# Reads as it is told, a line of JSON for each order.
READER = """
import hashlib, json, sys
from lab.errors import StreamError
from lab.video.followed_file import FollowedFile
path, notes, silence_s = sys.argv[1:]
with FollowedFile(path, notes, silence_s=float(silence_s)) as file:
    reader = file.reader()
    print(json.dumps("open"), flush=True)
    for line in sys.stdin:
        order, *values = json.loads(line)
        try:
            if order == "read":
                found = len(reader.read(*values))
            elif order == "all":
                found = hashlib.sha256(reader.read()).hexdigest()
            elif order == "end":
                found = reader.seek(0, 2)
            elif order == "abort":
                found = file.abort(*values)
        except StreamError as error:
            found = {"error": str(error)}
        print(json.dumps(found), flush=True)
"""


class Other:
    """A process that reads."""

    def __init__(self, path, notes, silence_s=30.0):
        command = [sys.executable, "-c", READER, path, notes, str(silence_s)]
        self._process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.answer() == "open"

    def tell(self, *order):
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def answer(self):
        return json.loads(self._process.stdout.readline())

    def ask(self, *order):
        self.tell(*order)
        return self.answer()

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


@pytest.fixture
def sides(tmp_path):
    """sides(...) gives a buffer that is announced, and a process that follows it."""
    open_now = []

    def make(reader_silence_s=30.0, **settings):
        buffer = StreamingBuffer(path=tmp_path / "file", **{"silence_s": 30.0, **settings})
        announced = Announcement(buffer, tmp_path / "notes")
        other = Other(tmp_path / "file", tmp_path / "notes", reader_silence_s)
        open_now.append((announced, buffer, other))
        return buffer, announced, other

    yield make
    for announced, buffer, other in open_now:
        announced.close()
        buffer.close()
        other.kill()


def test_what_is_written_is_read_by_another_process_as_it_comes(sides):
    buffer, _, other = sides()
    data = bytes(range(256)) * 4096
    buffer.append(data[:1000])
    assert other.ask("read", 1000) == 1000
    other.tell("read", 5000)  # waits for more
    buffer.append(data[1000:3000])
    assert other.answer() == 2000
    other.tell("end")
    buffer.append(data[3000:])
    buffer.close_writer()
    assert other.answer() == len(data)


def test_the_last_word_is_heard_after_the_writer_is_gone(sides):
    buffer, announced, other = sides()
    data = b"x" * 3_000_000
    buffer.append(data)
    buffer.close_writer()
    announced.close()
    assert other.ask("all") == hashlib.sha256(data).hexdigest() == buffer.sha256


def test_a_writer_that_gives_up_is_told_to_the_other_process(sides):
    buffer, _, other = sides()
    buffer.append(b"123")
    assert other.ask("read", 3) == 3
    other.tell("read", 1)
    buffer.abort("the client went away")
    assert "the client went away" in other.answer()["error"]


def test_a_reader_that_gives_up_is_told_to_the_writer(sides):
    buffer, announced, other = sides()
    assert other.ask("abort", "this is no video") is None
    with pytest.raises(StreamError, match="this is no video"):
        while True:
            buffer.append(b"more")
            time.sleep(0.005)
    assert announced.refused == "this is no video"


def test_nobody_waits_for_ever_for_a_writer_that_is_silent(sides):
    buffer, announced, other = sides(reader_silence_s=0.3)
    buffer.append(b"123")
    assert other.ask("read", 3) == 3
    assert "nothing came for 0.3 s" in other.ask("read", 1)["error"]
    buffer.append(b"456")  # who sends may go on all the same
    assert announced.refused is None


def test_the_writer_waits_for_a_reader_in_another_process(sides):
    buffer, _, other = sides(max_ahead_bytes=1 << 20)
    buffer.append(b"x" * (1 << 19))
    assert other.ask("read", 10) == 10
    while buffer._slowest() != 10:  # until the writer has heard of it
        time.sleep(0.005)
    sent = threading.Event()

    def send():
        for _ in range(8):
            buffer.append(b"x" * (1 << 19))
        sent.set()

    writer = threading.Thread(target=send)
    writer.start()
    assert not sent.wait(0.5)
    assert buffer.written <= (1 << 20) + 10
    while not sent.is_set():
        assert other.ask("read", 1 << 18) > 0
    writer.join()
    assert buffer.written == 9 << 19


def test_a_writer_does_not_wait_for_who_wants_the_end(sides):
    buffer, _, other = sides(max_ahead_bytes=1 << 20)
    other.tell("end")
    for _ in range(8):
        buffer.append(b"x" * (1 << 20))
    buffer.close_writer()
    assert other.answer() == 8 << 20


def test_a_reader_that_is_killed_holds_up_nobody_for_longer_than_the_limit(sides):
    buffer, _, other = sides(max_ahead_bytes=1 << 20, silence_s=1.0)
    buffer.append(b"x")
    assert other.ask("read", 1) == 1
    while buffer._slowest() != 1:
        time.sleep(0.005)
    other.kill()
    with pytest.raises(StreamError, match="nobody has read for 1 s"):
        for _ in range(8):
            buffer.append(b"x" * (1 << 19))


def test_a_writer_goes_on_when_it_is_told_that_a_reader_was_killed(sides):
    buffer, announced, other = sides(max_ahead_bytes=1 << 20)
    buffer.append(b"x")
    assert other.ask("read", 1) == 1
    while buffer._slowest() != 1:
        time.sleep(0.005)
    other.kill()
    sending = threading.Thread(
        target=lambda: [buffer.append(b"x" * (1 << 19)) for _ in range(8)], daemon=True
    )
    sending.start()
    announced.forget_readers()
    sending.join(20)
    assert buffer.written == (8 << 19) + 1


def test_a_file_that_is_there_is_read_and_neither_made_nor_changed(tmp_path):
    path = tmp_path / "clip.mp4"
    with pytest.raises(FileNotFoundError):
        WholeFile(path)
    assert not path.exists()
    path.write_bytes(b"a clip")
    path.chmod(0o400)
    with WholeFile(path) as whole:
        assert (whole.read(), whole.written, whole.is_complete) == (b"a clip", 6, True)
    assert path.read_bytes() == b"a clip"


def test_a_reader_that_was_cancelled_gets_an_error(tmp_path):
    cancelled = threading.Event()
    with (
        StreamingBuffer(path=tmp_path / "file") as buffer,
        Announcement(buffer, tmp_path / "notes"),
        FollowedFile(tmp_path / "file", tmp_path / "notes", cancelled=cancelled.is_set) as followed,
    ):
        threading.Timer(0.1, cancelled.set).start()
        with pytest.raises(StreamError, match="was cancelled"):
            followed.reader().read(1)


def test_a_file_is_gone_on_with_and_its_hash_is_that_of_all_of_it(tmp_path):
    with StreamingBuffer(path=tmp_path / "file") as buffer:
        buffer.append(b"one ")
    with StreamingBuffer(path=tmp_path / "file") as buffer:
        assert buffer.written == 4
        buffer.append(b"two")
        buffer.close_writer()
    assert (tmp_path / "file").read_bytes() == b"one two"
    assert buffer.sha256 == hashlib.sha256(b"one two").hexdigest()
