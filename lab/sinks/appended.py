"""A file of lines that grows while it is read: whole lines, and none twice."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

from lab.errors import LabError, SettingError

# As much of the end of the file is searched for the ids of events.
_TAIL_BYTES = 4 << 20


class AppendedFile:
    """Lines of text with ids, appended one by one; what is in the file already stays.

    id_of: of a line; None for a heading, or a line without. is_line: whether a last line that does
    not end is whole all the same; else it is what a process that was killed has left, and removed.
    heading: the first line of a new file. is_ours: of the first line of a file that is there, and
    whether that line ends; where it says no, the file is left as it is.
    """

    def __init__(
        self,
        path: Path,
        id_of: Callable[[str], str | None],
        *,
        is_line: Callable[[str], bool] = lambda text: False,
        heading: str | None = None,
        is_ours: Callable[[str, bool], bool] = lambda line, is_whole: True,
    ) -> None:
        self.path = path
        self._id_of, self._is_line, self._heading, self._is_ours = id_of, is_line, heading, is_ours
        self._handle: int | None = None
        self._ids: set[str] = set()

    def append(self, line: str, line_id: str) -> bool:
        """False if the line of this id is there. Raises LabError; then the file is as before."""
        try:
            handle = self._opened()
            if line_id in self._ids:
                return False
            _write(handle, line)
        except OSError as error:
            raise LabError(f"{self.path} cannot be written: {error.strerror or error}") from None
        self._ids.add(line_id)
        return True

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _opened(self) -> int:
        """The file of this name; a new one where it was removed or renamed."""
        if self._handle is not None:
            try:
                if os.path.samestat(os.stat(self.path), os.fstat(self._handle)):
                    return self._handle
            except FileNotFoundError:
                pass
            self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
        handle = os.open(self.path, flags, 0o600)
        try:
            self._begin(handle)
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle
        return handle

    def _begin(self, handle: int) -> None:
        first, end, _ = _read(handle, 0, 65536).partition(b"\n")
        if first and not self._is_ours(first.decode("utf-8", "replace"), bool(end)):
            raise SettingError(f"{self.path} holds something else; name another file")
        self._mend(handle)
        size = os.fstat(handle).st_size
        if not size and self._heading is not None:
            _write(handle, self._heading)
        tail = _read(handle, max(0, size - _TAIL_BYTES), _TAIL_BYTES).decode("utf-8", "replace")
        ids = (self._id_of(line) for line in tail.split("\n") if line)
        self._ids.update(one for one in ids if one)

    def _mend(self, handle: int) -> None:
        size = os.fstat(handle).st_size
        start = max(0, size - _TAIL_BYTES)
        tail = _read(handle, start, _TAIL_BYTES)
        begin = tail.rfind(b"\n") + 1
        if begin == len(tail):
            return
        if self._is_line(tail[begin:].decode("utf-8", "replace")):
            _write(handle, "")
        else:
            os.ftruncate(handle, start + begin)


def _read(handle: int, start: int, size: int) -> bytes:
    os.lseek(handle, start, os.SEEK_SET)
    pieces = bytearray()
    while len(pieces) < size and (more := os.read(handle, size - len(pieces))):
        pieces += more
    return bytes(pieces)


def _write(handle: int, line: str) -> None:
    """A line, or the end of one, whole or not at all; it survives a loss of power."""
    data = (line + "\n").encode("utf-8", "replace")
    size = os.fstat(handle).st_size
    try:
        done = os.write(handle, data)
        if done < len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(handle)
    except OSError:
        os.ftruncate(handle, size)
        raise
