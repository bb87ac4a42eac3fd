"""A `StreamingBuffer` that another process writes: it is announced there, and followed here.

The server that receives an upload has the buffer and an `Announcement` of it; a worker that
analyses it has a `FollowedFile`. Between them lie the file itself and a small one with two notes,
one of each side: how much is written and whether that is all, and how far the readers are. Each
side looks at the other's a hundred times a second, so that limits, errors and the wait for slow
readers hold across both.
"""

from __future__ import annotations

import json
import os
import struct
import threading
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, Self

from lab.errors import StreamError
from lab.video.streaming_buffer import SILENCE_S, StreamingBuffer

_LOOK_EVERY_S = 0.01
_NOTE_BYTES = 2048
_WRITER, _READER = 0, _NOTE_BYTES
_HEAD = struct.Struct("<II")  # bytes, and CRC-32 of them
_MOST_WORDS = 300
Note = dict[str, Any]


class _Notes:
    """The small file: each side writes its own note whole, and reads the other's."""

    def __init__(self, path: Path, mine: int, *, is_new: bool) -> None:
        flags = os.O_RDWR | (os.O_CREAT | os.O_TRUNC if is_new else 0)
        self._handle = os.open(path, flags, 0o600)
        self._mine, self._theirs = mine, _READER if mine == _WRITER else _WRITER
        self._last: Note | None = None

    def say(self, note: Note) -> None:
        if note == self._last:
            return
        body = json.dumps(note).encode()
        head = _HEAD.pack(len(body), zlib.crc32(body))
        os.pwrite(self._handle, head + body, self._mine)
        self._last = note

    def hear(self) -> Note | None:
        """The other side's; None before the first, or while it is being written."""
        content = os.pread(self._handle, _NOTE_BYTES, self._theirs)
        if len(content) < _HEAD.size:
            return None
        size, crc = _HEAD.unpack_from(content)
        body = content[_HEAD.size : _HEAD.size + size]
        if not size or zlib.crc32(body) != crc:
            return None
        note: Note = json.loads(body)
        return note

    def forget(self) -> None:
        """What the other side said, which is gone."""
        os.pwrite(self._handle, bytes(_HEAD.size), self._theirs)

    def close(self) -> None:
        os.close(self._handle)


class _FarReader:
    """The slowest reader of another process, in the buffer's own terms."""

    closed = False

    def __init__(self) -> None:
        self.read_until = 0
        self.waits_for: float = -1

    def close(self) -> None:
        self.closed = True


class Announcement:
    """Tells those who follow a buffer, in other processes, how far it is; and it of them.

    notes: the small file, made here. The writer waits for readers elsewhere as for those here, once
    one has come. A context manager; close it before the buffer, or after: whoever follows is told
    of the end in either order.

    refused: why who follows it gave up, and wants no more; None if that did not happen.
    """

    refused: str | None = None

    def __init__(self, buffer: StreamingBuffer, notes: str | Path) -> None:
        self._buffer = buffer
        self._notes = _Notes(Path(notes), _WRITER, is_new=True)
        self._far = _FarReader()
        self._ended = threading.Event()
        self._hearing = threading.Lock()
        self._notes.say(self._now())
        self._thread = threading.Thread(target=self._run, name="announced upload", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """The last word; calling it twice is fine."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        with self._hearing:
            self._stop_waiting()
            with suppress(OSError):
                self._notes.say(self._now())
            self._notes.close()

    def forget_readers(self) -> None:
        """Their process has died: the writer waits for them no more, until others come."""
        with self._hearing:
            if self._ended.is_set():
                return
            with suppress(OSError):
                if (heard := self._notes.hear()) is not None:
                    self._take(heard)  # why it gave up
                self._notes.forget()
            self._far.read_until, self._far.waits_for = 0, -1
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        with self._buffer._changed:
            self._buffer._readers.discard(self._far)  # type: ignore[arg-type]
            self._buffer._changed.notify_all()

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_S):
            try:
                self._notes.say(self._now())
                with self._hearing:
                    heard = self._notes.hear()
                    if heard is not None:
                        self._take(heard)
            except OSError as error:
                self._buffer.abort(f"the analysis cannot be told of it: {error.strerror or error}")
                return

    def _now(self) -> Note:
        of = self._buffer
        with of._changed:
            error = of._error or (None if of._is_complete or not of.closed else "it was closed")
            state = "whole" if of._is_complete else "open" if error is None else "broken"
            return {"written": of._written, "state": state, "why": (error or "")[:_MOST_WORDS]}

    def _take(self, heard: Note) -> None:
        of, far = self._buffer, self._far
        if heard["error"]:
            self.refused = heard["error"]
            of.abort(heard["error"])
        with of._changed:
            slowest = heard["slowest"]
            waits_for = -1 if slowest is not None else float("inf")
            if heard["readers"]:
                of._readers.add(far)  # type: ignore[arg-type]
            else:
                of._readers.discard(far)  # type: ignore[arg-type]
            if (slowest or far.read_until, waits_for) != (far.read_until, far.waits_for):
                far.read_until, far.waits_for = slowest or far.read_until, waits_for
                of._changed.notify_all()


class FollowedFile(StreamingBuffer):
    """A file that another process writes and announces; read as a `StreamingBuffer`.

    path: the file. notes: as of `Announcement`. cancelled: once it is true, who waits gets a
    StreamError. Closing it leaves the file. Raises OSError if one of them is not there.
    """

    _open_flags = os.O_RDONLY

    def __init__(
        self,
        path: str | Path,
        notes: str | Path,
        *,
        silence_s: float = SILENCE_S,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._notes = _Notes(Path(notes), _READER, is_new=False)
        self._cancelled = cancelled
        self._ended = threading.Event()
        self._told_error: str | None = None
        try:
            super().__init__(path=path, silence_s=silence_s, max_ahead_bytes=None)
        except BaseException:
            self._notes.close()
            raise
        self._look()
        self._thread = threading.Thread(target=self._run, name="followed file", daemon=True)
        self._thread.start()

    def _take_what_is_there(self) -> None:
        """Only what is announced counts."""

    def append(self, data: bytes | bytearray | memoryview) -> NoReturn:
        raise StreamError("another process writes this file")

    def close(self) -> None:
        if self.closed:
            return
        self._ended.set()
        self._thread.join()
        super().close()
        self._notes.close()

    def _run(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_S):
            with suppress(OSError):
                self._look()
        with suppress(OSError):
            self._notes.say({"readers": 0, "slowest": None, "error": self._told_error})

    def abort(self, reason: str) -> None:
        """Give up: the process that writes is told why. Never raises."""
        with self._changed:
            if self._error is None and not self._is_complete:
                self._told_error = reason[:_MOST_WORDS]
            self._give_up(reason)

    def _look(self) -> None:
        heard = self._notes.hear()
        with self._changed:
            if heard is not None:
                self._take(heard)
            if self._cancelled() and self._error is None:
                self._give_up("the analysis was cancelled")
            slowest = self._slowest()
            readers = len(self._readers)
        self._notes.say({"readers": readers, "slowest": slowest, "error": self._told_error})

    def _take(self, heard: Note) -> None:
        if heard["written"] != self._written:
            self._written = heard["written"]
            self._changed.notify_all()
        if heard["state"] == "whole" and not self._is_complete and self._error is None:
            self._is_complete = True
            self._changed.notify_all()
        if heard["state"] == "broken" and self._error is None:
            self._error = heard["why"]
            self._changed.notify_all()


class WholeFile(StreamingBuffer):
    """A file that is there, read as one that has just come to its end. Closing it leaves the file.

    Raises OSError if it is not there, StreamError for its digest.
    """

    _open_flags = os.O_RDONLY

    def __init__(self, path: str | Path) -> None:
        super().__init__(path=path, max_ahead_bytes=None)
        self._is_complete = True

    def _take_what_is_there(self) -> None:
        self._written = os.fstat(self._handle).st_size

    @property
    def sha256(self) -> NoReturn:
        raise StreamError("the digest of a file that is only read is not known")
