"""What takes longer than a page may: done once in a thread, with its progress, and kept."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from lab.errors import LabError

Report = Callable[[int, int], None]
_LONGEST_END_S = 3.0


class Computation:
    """One computation: wait for `finished`, then take `result`, which raises what it raised."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.done, self.total = 0, 0
        self.finished = threading.Event()
        self.is_cancelled = False
        self._result: Any = None
        self._error: LabError | None = None

    @property
    def result(self) -> Any:
        """Raises LabError as the computation did."""
        if self._error is not None:
            raise self._error
        return self._result

    def report(self, done: int, total: int) -> None:
        """Say how far it is. Raises Cancelled where nobody waits for it any more."""
        self.done, self.total = done, total
        if self.is_cancelled:
            raise Cancelled("no longer wanted")

    def run(self, do: Callable[[Report], Any]) -> None:
        """Do it in this thread."""
        try:
            self._result = do(self.report)
        except LabError as error:
            self._error = error
        except Exception as error:
            self._error = LabError(f"{self.what} failed: {type(error).__name__}: {error}")
        finally:
            self.finished.set()


class Cancelled(LabError):
    """A computation was given up."""


class Computations:
    """One at a time, so that playback goes on beside it; the last few results are kept.

    The one that is under way is given up when the process ends: a thread inside a native library
    would abort it.
    """

    def __init__(self, kept: int = 6) -> None:
        self._kept: OrderedDict[Hashable, Computation] = OrderedDict()
        self._most = kept
        self._guard, self._one = threading.Lock(), threading.Lock()
        weakref.finalize(self, _give_up, self._kept, self._one)

    def get(self, key: Hashable, what: str, do: Callable[[Report], Any]) -> Computation:
        """The computation of this key, begun now if it is not known; the oldest are dropped.

        do: is handed `report(done, total)`.
        """
        with self._guard:
            known = self._kept.get(key)
            if known is None:
                known = self._kept[key] = Computation(what)
                threading.Thread(target=self._run, args=(known, do), daemon=True).start()
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                _, dropped = self._kept.popitem(last=False)
                dropped.is_cancelled = True
        return known

    def drop(self, key: Hashable) -> None:
        """Give up the computation of this key: nobody waits for it any more."""
        with self._guard:
            dropped = self._kept.pop(key, None)
        if dropped is not None:
            dropped.is_cancelled = True

    def _run(self, computation: Computation, do: Callable[[Report], Any]) -> None:
        with self._one:
            computation.run(do)


def _give_up(kept: OrderedDict[Hashable, Computation], one: threading.Lock) -> None:
    for computation in list(kept.values()):
        computation.is_cancelled = True
    if one.acquire(timeout=_LONGEST_END_S):
        one.release()
