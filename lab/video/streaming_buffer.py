"""A file that is read while it is still being written: one writer, any number of readers.

    buffer = StreamingBuffer(folder)
    threading.Thread(target=upload, args=(buffer,)).start()   # append(...), close_writer()
    with av.open(buffer.reader(waits_for_end=False), options=FFMPEG_OPTIONS) as container:
        ...

What was written lies in a file (`path`), so that memory stays flat and a reader may go back. A
reader that is ahead of the writer waits; a writer that is far ahead of the readers waits for the
slowest, unless a reader waits for more (as for an index at the end of the file). Whoever waits for
too long, or whose other side gave up, gets a `StreamError` that says so: nothing waits for ever.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from lab.errors import SettingError, StreamError

SILENCE_S = 30.0
# FFmpeg looks at 5 MB of a stream before it begins, and goes to the end of an MP4 to see whether
# more of an index follows there, unless it is told not to.
FFMPEG_OPTIONS = {"probesize": "32768", "analyzeduration": "0", "fflags": "+ignidx"}
MAX_AHEAD_BYTES = 64 << 20


class _ReadOnly(io.RawIOBase):
    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False


class StreamingBuffer(_ReadOnly):
    """Written with `append` and `close_writer` or `abort`; read as a file that is opened for that.

    folder: where its file is made; None for a temporary one. size_bytes: how many there will be, if
    that is known: a seek to the end then waits for nothing, and another length is an error.
    silence_s: how long a reader waits for more, and the writer for the readers. max_ahead_bytes:
    how far the writer may be ahead of the slowest reader. max_bytes: more is refused. path: a file
    to go on with after what it holds, or that begins here; it is kept, and `folder` is of no use.

    path: the file; it may be renamed or linked while it is open. written: bytes in it. Closing it
    ends both sides and removes the file, unless it was kept. Any thread may use any of it.

    Raises SettingError for limits that are none, OSError if the file cannot be made.
    """

    _open_flags = os.O_RDWR | os.O_CREAT

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        size_bytes: int | None = None,
        silence_s: float = SILENCE_S,
        max_ahead_bytes: int | None = MAX_AHEAD_BYTES,
        max_bytes: int | None = None,
        path: str | Path | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("size_bytes", size_bytes), ("max_bytes", max_bytes)):
            if value is not None and value < 0:
                raise SettingError(f"{name} must be 0 or more, got {value!r}")
        if not silence_s > 0 or (max_ahead_bytes is not None and max_ahead_bytes <= 0):
            raise SettingError("silence_s and max_ahead_bytes must be more than 0")
        self._size, self._silence_s = size_bytes, silence_s
        self._max_ahead, self._max_bytes = max_ahead_bytes, max_bytes
        self._changed = threading.Condition()
        self._written = 0
        self._digest = hashlib.sha256()
        self._is_complete = self._is_kept = False
        self._error: str | None = None
        self._readers: set[StreamReader] = set()
        if path is None:
            self._handle, name = tempfile.mkstemp(prefix="stream-", suffix=".part", dir=folder)
            self.path = Path(name)
        else:
            self.path, self._is_kept = Path(path), True
            self._handle = os.open(self.path, self._open_flags, 0o600)
            self._take_what_is_there()
        self._own: StreamReader | None = None  # made when this is read, for the writer to wait for
        self._writing = threading.Lock()

    # Writing

    @property
    def written(self) -> int:
        """Bytes that readers can have already."""
        return self._written

    @property
    def is_complete(self) -> bool:
        """Whether the writer has closed it, and all is there."""
        return self._is_complete

    @property
    def sha256(self) -> str:
        """Of what was written so far, in hex."""
        with self._changed:
            return self._digest.hexdigest()

    def append(self, data: bytes | bytearray | memoryview) -> int:
        """Write at the end; waits while the readers are far behind. Returns how many bytes.

        Who appends beside another waits for that first.

        Raises StreamError once either side gave up, beyond `max_bytes` or `size_bytes`, or if no
        reader has read anything for `silence_s`; OSError as on a full disk, which readers are told.
        """
        with self._writing:
            with self._changed:
                self._check_open()
                self._wait_for_readers(len(data))
                total = self._written + len(data)
                for name, limit in (("max_bytes", self._max_bytes), ("declared size", self._size)):
                    if limit is not None and total > limit:
                        self._give_up(f"more than the {name} of {limit} bytes was sent")
                        self._check_open()
            try:
                self._write(data)
            except OSError as error:
                self.abort(f"it cannot be written: {error.strerror or error}")
                raise
            with self._changed:
                self._digest.update(data)
                self._written = total
                self._changed.notify_all()
        return len(data)

    def close_writer(self, keep: str | Path | None = None) -> None:
        """All is written. keep: as of `keep`, before a reader can be told that this is all.

        Raises StreamError if that is less than was declared, or it gave up; OSError as `keep`. The
        file then has the name that it had.
        """
        with self._changed:
            self._check_open()
            if self._size is not None and self._written < self._size:
                self._give_up(f"it ended after {self._written} of {self._size} bytes")
                self._check_open()
            if keep is not None:
                self.keep(keep)
            self._is_complete = True
            self._changed.notify_all()

    def abort(self, reason: str) -> None:
        """Either side gives up: the other gets a StreamError with this reason. Never raises."""
        with self._changed:
            self._give_up(reason)

    def keep(self, path: str | Path) -> Path:
        """Have the file under this name, also after closing; readers and writer go on.

        It lies in the same file system. Raises OSError.
        """
        target = Path(path)
        self.path.replace(target)
        self.path, self._is_kept = target, True
        return target

    # Reading

    def reader(self, *, waits_for_end: bool = True) -> StreamReader:
        """Another reader, at the beginning. The writer waits for it, until it is closed.

        waits_for_end: whether a seek from an end that is not known yet waits for it. Otherwise it
        goes nowhere and gives -1, as FFmpeg wants it: it asks for the size of whatever it opens,
        and does without.
        """
        made = StreamReader(self, waits_for_end=waits_for_end)
        with self._changed:
            self._readers.add(made)
        return made

    def read(self, size: int = -1, /) -> bytes:
        """See `StreamReader.read`."""
        return self._reader().read(size)

    def readinto(self, buffer: Any, /) -> int:
        return self._reader().readinto(buffer)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """See `StreamReader.seek`."""
        return self._reader().seek(offset, whence)

    def tell(self) -> int:
        return self._reader().tell()

    def _reader(self) -> StreamReader:
        if self.closed:
            raise ValueError("the stream was closed")
        if self._own is None:
            self._own = self.reader()
        return self._own

    def close(self) -> None:
        """End both sides, and remove the file unless it was kept; calling it twice is fine."""
        if self.closed:
            return
        with self._changed:
            if not self._is_complete:
                self._give_up("it was closed")
            super().close()
            self._changed.notify_all()
        with self._writing, self._changed:
            os.close(self._handle)
        for one in list(self._readers):
            one.close()
        if not self._is_kept:
            with suppress(OSError):
                self.path.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # What both sides stand on; under the lock

    def _take_what_is_there(self) -> None:
        while data := os.pread(self._handle, 1 << 20, self._written):
            self._digest.update(data)
            self._written += len(data)

    def _check_open(self) -> None:
        if self._error is not None:
            raise StreamError(self._error)
        if self.closed:
            raise StreamError("the stream was closed")
        if self._is_complete:
            raise StreamError("the stream is complete; nothing can follow")

    def _give_up(self, reason: str) -> None:
        if self._error is None and not self._is_complete:
            self._error = f"the stream broke off after {self._written} bytes: {reason}"
        self._changed.notify_all()

    def _wait_for_readers(self, more: int) -> None:
        if self._max_ahead is None:
            return
        limit, progress = self._max_ahead, self._slowest()
        until = time.monotonic() + self._silence_s
        while (slowest := self._slowest()) is not None and self._written + more - slowest > limit:
            if slowest != progress:
                progress, until = slowest, time.monotonic() + self._silence_s
            left_s = until - time.monotonic()
            if left_s <= 0 or self._written == slowest:  # one piece is larger than all that may be
                if self._written == slowest:
                    return
                self._give_up(f"nobody has read for {self._silence_s:g} s")
            self._changed.wait(max(0.0, left_s))
            self._check_open()

    def _slowest(self) -> int | None:
        """How far the slowest reader is; None where none is open, or one waits for more."""
        if not self._readers or any(one.waits_for >= self._written for one in self._readers):
            return None
        return min(one.read_until for one in self._readers)

    def _write(self, data: bytes | bytearray | memoryview) -> None:
        if self.closed:
            raise StreamError("the stream was closed")
        view, place = memoryview(data).cast("B"), self._written
        while view:
            done = os.pwrite(self._handle, view, place)
            view, place = view[done:], place + done

    def _wait_for(self, reader: StreamReader, place: float) -> None:
        """Until there is more than that, or the writer is done. Raises StreamError."""
        seen, until = self._written, time.monotonic() + self._silence_s
        reader.waits_for = place
        self._changed.notify_all()
        try:
            while not (self._written > place or self._is_complete):
                if reader.closed or self.closed:
                    raise StreamError("the stream was closed")
                if self._error is not None:
                    raise StreamError(self._error)
                if self._written != seen:
                    seen, until = self._written, time.monotonic() + self._silence_s
                left_s = until - time.monotonic()
                if left_s <= 0:
                    self._give_up(f"nothing came for {self._silence_s:g} s")
                    continue
                self._changed.wait(left_s)
        finally:
            reader.waits_for = -1


class StreamReader(_ReadOnly):
    """One reader of a `StreamingBuffer`, with a position of its own.

    read_until: the byte up to which it has read at most. waits_for: the place that must be written
    for it to go on; infinity for the end, -1 while it does not wait.
    """

    def __init__(self, buffer: StreamingBuffer, *, waits_for_end: bool = True) -> None:
        super().__init__()
        self._buffer, self._waits_for_end = buffer, waits_for_end
        self._place = 0
        self.read_until = 0
        self.waits_for: float = -1

    def tell(self) -> int:
        return self._place

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, at least one unless it is the end; all that will come for -1.

        Waits for them. Raises StreamError if the other side gave up, or nothing came for
        `silence_s`; what came before that can still be read.
        """
        if size is None or size < 0:
            return self.readall()
        return self._read(size)

    def readall(self) -> bytes:
        """Until the end, however long that takes to come."""
        parts = []
        while part := self._read(1 << 20):
            parts.append(part)
        return b"".join(parts)

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._read(len(view))
        view[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Where it then is. From the end: waits until the writer is done, if the size is unknown.

        A place beyond what is written waits at the next read. Raises ValueError for a place before
        the beginning, StreamError as `read` does.
        """
        of = self._buffer
        if whence == io.SEEK_END:
            if not (self._waits_for_end or of._is_complete or of._size is not None):
                return -1
            base = self._size()
        elif whence in (io.SEEK_SET, io.SEEK_CUR):
            base = self._place if whence == io.SEEK_CUR else 0
        else:
            raise ValueError(f"whence must be 0, 1 or 2, got {whence!r}")
        if base + offset < 0:
            raise ValueError(f"there is no place {base + offset} in a stream")
        with of._changed:
            self._place = base + offset
        return self._place

    def close(self) -> None:
        """The writer waits for it no more; calling it twice is fine."""
        if self.closed:
            return
        super().close()
        with self._buffer._changed:
            self._buffer._readers.discard(self)
            self._buffer._changed.notify_all()

    def fail(self, reason: str) -> None:
        """Give up reading: the writer gets a StreamError with this reason."""
        self._buffer.abort(reason)
        self.close()

    def _size(self) -> int:
        of = self._buffer
        if of._size is not None:
            return of._size
        with of._changed:
            of._wait_for(self, math.inf)
            return of._written

    def _read(self, size: int) -> bytes:
        of = self._buffer
        with of._changed:
            if self.closed:
                raise ValueError("the reader is closed")
            if size == 0:
                return b""
            if of._written <= self._place and not of._is_complete:
                of._wait_for(self, self._place)
            there = of._written
            if there <= self._place:
                return b""
            if of.closed:
                raise StreamError("the stream was closed")
            data = os.pread(of._handle, min(size, there - self._place), self._place)
            self._place += len(data)
            self.read_until = max(self.read_until, self._place)
            of._changed.notify_all()
        return data
