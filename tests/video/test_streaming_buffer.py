"""A file that is read while it is written: sequential, blocking, seeking, and what goes wrong."""

import errno
import hashlib
import io
import os
import random
import threading
import time
from contextlib import contextmanager

import av
import pytest

from lab.errors import SettingError, StreamError
from lab.video.streaming_buffer import FFMPEG_OPTIONS, StreamingBuffer


@pytest.fixture
def make(tmp_path):
    made = []

    def buffer(**settings):
        made.append(StreamingBuffer(tmp_path, **{"silence_s": 20.0, **settings}))
        return made[-1]

    yield buffer
    for one in made:
        one.close()


@contextmanager
def beside(work, *args):
    """Done in a thread meanwhile; gives a list with what it returned or raised."""
    result = []

    def run():
        try:
            result.append(work(*args))
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield result
    thread.join(20)
    assert not thread.is_alive(), "it waits for ever"


def waits(buffer, *readers):
    """Once that reader waits for more."""
    until = time.monotonic() + 20
    while not any(one.waits_for >= 0 for one in readers or buffer._readers):
        assert time.monotonic() < until
        time.sleep(0.002)


def test_what_was_written_is_read_in_order(make):
    buffer = make()
    assert buffer.append(b"one ") == 4
    buffer.append(bytearray(b"two "))
    buffer.append(memoryview(b"three"))
    buffer.close_writer()
    assert buffer.read(5) == b"one t"
    assert buffer.tell() == 5
    assert buffer.read() == b"wo three"
    assert buffer.read() == buffer.read(10) == b""
    assert buffer.written == 13
    assert buffer.sha256 == hashlib.sha256(b"one two three").hexdigest()


def test_it_is_a_file_that_is_read():
    with StreamingBuffer() as buffer:
        flags = buffer.readable(), buffer.seekable(), buffer.writable()
        assert flags == (True, True, False)
        assert os.path.getsize(buffer.path) == 0
    assert buffer.closed


def test_a_read_waits_for_bytes_and_gives_what_there_is(make):
    buffer = make()
    with beside(buffer.read, 100) as got:
        waits(buffer)
        assert not got
        buffer.append(b"abc")
    assert got == [b"abc"]


def test_a_read_of_all_waits_for_the_end(make):
    buffer = make()
    with beside(buffer.read) as got:
        for part in (b"a", b"b", b"c"):
            waits(buffer)
            buffer.append(part)
        buffer.close_writer()
    assert got == [b"abc"]


def test_a_read_at_the_end_waits_until_it_is_known_to_be_one(make):
    buffer = make()
    buffer.append(b"abc")
    assert buffer.read(3) == b"abc"
    with beside(buffer.read, 1) as got:
        waits(buffer)
        buffer.close_writer()
    assert got == [b""]


def test_seeking(make):
    buffer = make()
    buffer.append(b"0123456789")
    assert buffer.seek(4) == 4
    assert buffer.read(2) == b"45"
    assert buffer.seek(-3, io.SEEK_CUR) == 3
    assert buffer.read(1) == b"3"
    buffer.close_writer()
    assert buffer.seek(-2, io.SEEK_END) == 8
    assert buffer.read() == b"89"
    assert buffer.seek(100) == 100
    assert buffer.read(1) == b""
    for wrong in ((-1,), (-11, io.SEEK_END), (0, 7)):
        with pytest.raises(ValueError, match=r"no place|whence"):
            buffer.seek(*wrong)


def test_a_seek_to_the_end_waits_until_the_writer_is_done(make):
    buffer = make()
    buffer.append(b"abc")
    with beside(buffer.seek, 0, io.SEEK_END) as got:
        waits(buffer)
        buffer.append(b"def")
        assert not got
        buffer.close_writer()
    assert got == [6]


def test_a_reader_may_do_without_an_end_that_is_not_known_yet(make):
    buffer = make()
    reader = buffer.reader(waits_for_end=False)
    buffer.append(b"abc")
    assert reader.read(1) == b"a"
    assert reader.seek(0, io.SEEK_END) == -1
    assert reader.tell() == 1
    buffer.close_writer()
    assert reader.seek(0, io.SEEK_END) == 3


def test_of_a_known_size_the_end_is_known_at_once(make):
    buffer = make(size_bytes=6)
    buffer.append(b"abc")
    assert buffer.seek(-1, io.SEEK_END) == 5
    with beside(buffer.read, 1) as got:
        waits(buffer)
        buffer.append(b"def")
    assert got == [b"f"]
    buffer.close_writer()


@pytest.mark.parametrize("seed", range(3))
def test_readers_and_the_writer_go_on_side_by_side(make, seed):
    chance = random.Random(seed)
    data = chance.randbytes(300_000)
    buffer = make(max_ahead_bytes=20_000)

    def write():
        place = 0
        while place < len(data):
            place += buffer.append(data[place : place + chance.randint(1, 9000)])
        buffer.close_writer()

    def read(reader):
        parts = []
        while part := reader.read(7000):
            parts.append(part)
        return b"".join(parts)

    readers = [buffer.reader() for _ in range(3)]
    with (
        beside(read, readers[0]) as a,
        beside(read, readers[1]) as b,
        beside(read, readers[2]) as c,
    ):
        write()
    assert a == b == c == [data]


def test_the_writer_waits_for_the_slowest_reader(make):
    buffer = make(max_ahead_bytes=10)
    quick, slow = buffer.reader(), buffer.reader()
    buffer.append(b"0123456789")
    assert quick.read(10) == b"0123456789"
    with beside(buffer.append, b"abcde") as got:
        slow.read(4)
        time.sleep(0.05)
        assert not got
        slow.read(1)
    assert got == [5]
    slow.close()
    buffer.append(b"fghij")  # nobody is slow any more but the quick one


def test_a_reader_that_wants_the_end_does_not_hold_the_writer(make):
    buffer = make(max_ahead_bytes=10)
    reader = buffer.reader()
    with beside(reader.seek, 0, io.SEEK_END) as got:
        waits(buffer)
        for _ in range(20):
            buffer.append(b"0123456789")
        buffer.close_writer()
    assert got == [200]


def test_a_piece_that_is_larger_than_may_be_ahead_is_taken(make):
    buffer = make(max_ahead_bytes=10)
    reader = buffer.reader()
    buffer.append(bytes(100))
    assert reader.read(1000) == bytes(100)
    buffer.append(bytes(100))


# What goes wrong


def test_a_writer_that_dies_does_not_hold_its_readers(make):
    buffer = make(silence_s=0.1)
    buffer.append(b"abc")
    assert buffer.read(3) == b"abc"
    with pytest.raises(StreamError, match=r"broke off after 3 bytes: nothing came for 0\.1 s"):
        buffer.read(1)
    with pytest.raises(StreamError, match=r"nothing came for 0\.1 s"):
        buffer.append(b"too late")


def test_readers_that_die_do_not_hold_the_writer(make):
    buffer = make(silence_s=0.1, max_ahead_bytes=10)
    buffer.reader()
    buffer.append(bytes(10))
    with pytest.raises(StreamError, match=r"nobody has read for 0\.1 s"):
        buffer.append(bytes(10))


def test_an_upload_that_breaks_off_is_told_to_who_reads(make):
    buffer = make()
    buffer.append(b"abc")
    with beside(buffer.read) as got:
        waits(buffer)
        buffer.abort("the client went away")
    assert str(got[0]) == "the stream broke off after 3 bytes: the client went away"
    buffer.seek(0)
    assert buffer.read(3) == b"abc"


def test_an_analysis_that_fails_is_told_to_who_writes(make):
    buffer = make(max_ahead_bytes=10)
    reader = buffer.reader()
    buffer.append(bytes(10))
    with beside(buffer.append, bytes(10)) as got:
        reader.fail("it is no video")
    assert str(got[0]) == "the stream broke off after 10 bytes: it is no video"


def test_less_or_more_than_was_declared_is_an_error(make):
    short = make(size_bytes=10)
    short.append(b"abc")
    with pytest.raises(StreamError, match="it ended after 3 of 10 bytes"):
        short.close_writer()
    with pytest.raises(StreamError, match="it ended after 3 of 10 bytes"):
        short.read()
    long = make(size_bytes=10)
    with pytest.raises(StreamError, match="more than the declared size of 10 bytes"):
        long.append(bytes(11))
    large = make(max_bytes=10)
    with pytest.raises(StreamError, match="more than the max_bytes of 10 bytes"):
        large.append(bytes(11))
    assert large.written == 0


def test_a_full_disk_is_told_to_both_sides(make, monkeypatch):
    buffer = make()
    buffer.append(b"abc")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        buffer.append(b"def")
    assert buffer.read(3) == b"abc"
    with pytest.raises(StreamError, match="cannot be written: No space left on device"):
        buffer.read(1)


def test_who_appends_beside_another_waits_for_it(make):
    buffer = make(max_ahead_bytes=10)
    reader = buffer.reader()
    buffer.append(b"12345")
    reader.read(1)
    with beside(buffer.append, b"6789abcdef") as first, beside(buffer.append, b"gh") as second:
        read = b"1"
        while len(read) < 17:
            read += reader.read(100)
    assert (first, second) == ([10], [2])
    assert sorted(read) == sorted(b"123456789abcdefgh")
    assert buffer.sha256 == hashlib.sha256(read).hexdigest()


def test_a_file_has_its_last_name_before_it_is_said_to_be_complete(make, tmp_path):
    buffer = make()
    buffer.append(b"all of it")
    before = buffer.path
    buffer.abort("this is no video")
    with pytest.raises(StreamError, match="this is no video"):
        buffer.close_writer(keep=tmp_path / "clip")
    assert before.exists()
    assert not (tmp_path / "clip").exists()
    other = make()
    with pytest.raises(FileNotFoundError):
        other.close_writer(keep=tmp_path / "no folder" / "clip")
    assert not other.is_complete
    other.close_writer(keep=tmp_path / "clip")
    assert other.is_complete
    assert other.path == tmp_path / "clip"


def test_nothing_follows_a_complete_stream(make):
    buffer = make()
    buffer.append(b"abc")
    buffer.close_writer()
    for late in (lambda: buffer.append(b"x"), buffer.close_writer):
        with pytest.raises(StreamError, match="nothing can follow"):
            late()
    buffer.abort("too late")
    assert buffer.read() == b"abc"


def test_closing_ends_who_waits_and_removes_the_file(make):
    buffer = make()
    reader = buffer.reader()
    with beside(reader.read, 1) as got:
        waits(buffer)
        buffer.close()
    assert isinstance(got[0], StreamError)
    assert not buffer.path.exists()
    buffer.close()


def test_the_file_can_be_kept_while_it_is_read_and_written(make, tmp_path):
    buffer = make()
    buffer.append(b"abc")
    assert buffer.read(1) == b"a"
    kept = buffer.keep(tmp_path / "kept.mp4")
    buffer.append(b"def")
    buffer.close_writer()
    assert buffer.read() == b"bcdef"
    buffer.close()
    assert kept.read_bytes() == b"abcdef"
    assert [one.name for one in tmp_path.iterdir()] == ["kept.mp4"]


@pytest.mark.parametrize("settings", [{"silence_s": 0}, {"size_bytes": -1}, {"max_ahead_bytes": 0}])
def test_limits_that_are_none_are_refused(make, settings):
    with pytest.raises(SettingError):
        make(**settings)


@pytest.mark.parametrize("options", [("-movflags", "+faststart"), ()])
def test_pyav_reads_a_clip_that_is_still_coming(make, encode, options):
    """With its index at the beginning the first frame is there long before the end."""
    name = f"stream{len(options)}.mp4"
    clip = encode(name, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-g", "30", *options)
    data = clip.read_bytes()
    buffer = make(max_ahead_bytes=16_384)
    reader, at_first = buffer.reader(waits_for_end=False), []

    def read():
        with av.open(reader, options=FFMPEG_OPTIONS) as container:
            for number, _ in enumerate(container.decode(video=0)):
                if not number:
                    at_first.append(buffer.written)
        return number + 1

    with beside(read) as got:
        for place in range(0, len(data), 4096):
            buffer.append(data[place : place + 4096])
        buffer.close_writer()
    assert got == [360]
    assert (at_first[0] < len(data) / 2) == bool(options)


def test_pyav_says_why_a_stream_broke_off(make, encode):
    clip = encode(
        "stream2.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-movflags", "+faststart"
    )
    data = clip.read_bytes()
    buffer = make()

    def read():
        with av.open(buffer) as container:
            for _ in container.decode(video=0):
                pass

    with beside(read) as got:
        buffer.append(data[: len(data) // 2])
        buffer.abort("the client went away")
    assert isinstance(got[0], StreamError), got
