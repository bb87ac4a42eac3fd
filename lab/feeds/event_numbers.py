"""The numbers of a feed's events, which go on over restarts and kills."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from pathlib import Path

from lab.atomic_file import write_atomically

_AT_ONCE = 1000  # so many are set apart on disk before they are given


class EventNumbers:
    """Gives each number once, rising; a kill leaves out some of them.

    file: holds the first number that no process may have given. One process uses it at a time, in
    which the runners of a feed follow one another. Where the file is damaged the numbers go on from
    the time in Unix seconds, which no feed has reached by counting.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._next = self._end = 0

    def next(self) -> int:
        """Raises OSError where numbers cannot be set apart, as on a full disk."""
        if self._next == self._end:
            first = self._next or self._first_free()
            self._set_apart(first + _AT_ONCE)
            self._next, self._end = first, first + _AT_ONCE
        self._next += 1
        return self._next - 1

    def close(self) -> None:
        """Let the next process give those that are left."""
        if self._next != self._end:
            with suppress(OSError):
                self._set_apart(self._next)
                self._end = self._next

    def _first_free(self) -> int:
        try:
            return max(1, int(json.loads(self._file.read_text(encoding="utf-8"))["next"]))
        except FileNotFoundError:
            return 1
        except (ValueError, TypeError, KeyError):
            return int(time.time())

    def _set_apart(self, end: int) -> None:
        write_atomically(self._file, json.dumps({"next": end}), is_durable=True)
