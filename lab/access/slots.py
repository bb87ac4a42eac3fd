"""So many at once: of all, and of each who asks."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from lab.access.asker import Asker, RefusedError

_RETRY_AFTER_S = 5


class Slots:
    """Counts what is open.

    what: in the plural, for messages. most: of all. most_each: of one asker.
    """

    def __init__(self, what: str, most: int, most_each: int) -> None:
        self._what, self._most, self._most_each = what, most, most_each
        self._open: Counter[str] = Counter()
        self._guard = threading.Lock()

    @contextmanager
    def taken(self, asker: Asker) -> Iterator[None]:
        """One for as long as this is open. Raises RefusedError, 429 or 503."""
        key = asker.key
        with self._guard:
            if self._open[key] >= self._most_each:
                raise RefusedError(
                    429,
                    f"{asker.name} has {self._most_each} {self._what} open, which is the limit; "
                    "wait for one of them to end",
                    retry_after_s=_RETRY_AFTER_S,
                )
            if self._open.total() >= self._most:
                raise RefusedError(
                    503,
                    f"{self._most} {self._what} are open, which is the limit; try again later",
                    retry_after_s=_RETRY_AFTER_S,
                )
            self._open[key] += 1
        try:
            yield
        finally:
            with self._guard:
                self._open[key] -= 1
                if not self._open[key]:
                    del self._open[key]
