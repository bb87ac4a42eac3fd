"""How the memory of a third-party detector is cleared at the beginning of a pass.

The same recipe gives the same log, whatever was analysed before. A plugin declares `reset()`, or
`is_stateful = False` if it has no memory. One that declares neither may have a memory, so it is
created again.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from lab.detectors.detector import Detector
from lab.detectors.plugins.calls import third_party_call
from lab.detectors.plugins.results import close_if_possible
from lab.errors import DetectorError
from lab.registry import in_words

_used: dict[int, weakref.ref[Any]] = {}


class PluginMemory:
    """What a plugin made, and how its memory is cleared.

    make_again: calls the plugin's factory again; None for an object that was handed over.
    """

    def __init__(self, what: str, made: Any, make_again: Callable[[], Any] | None) -> None:
        self.made = made
        self._what, self._make_again = what, make_again
        self._is_used = False

    def note_use(self) -> None:
        """Note that it is about to be given frames."""
        if not self._is_used:
            self._is_used = True
            if self._make_again is None:
                _note_use(self.made)

    def forget(self) -> None:
        """Bring `made` to the state before its first frame.

        Raises DetectorError if that cannot be done, or the plugin's own code fails.
        """
        if callable(reset := declared(self.made, "reset")):
            try:
                with third_party_call():
                    reset()
            except Exception as error:
                raise DetectorError(f"{self._what}: reset() raised {in_words(error)}") from None
        elif self._make_again is None:
            if declared(self.made, "is_stateful") and (self._is_used or _was_used(self.made)):
                raise DetectorError(
                    f"{self._what} has a memory (is_stateful) of another pass and no reset(); "
                    "give it a reset(), or make another one for each pass"
                )
        elif self._is_used and declared(self.made, "is_stateful") in (None, True):
            self._replace(self._make_again)
        self._is_used = False

    def _replace(self, make_again: Callable[[], Any]) -> None:
        before = self.made
        with third_party_call():
            close_if_possible(before)  # makes room before anything is loaded
            self.made = make_again()
        if self.made is before:
            raise DetectorError(
                f"{self._what} gives the same object each time it is made, so its memory cannot "
                "be cleared; give it a reset(), or is_stateful = False if it has no memory"
            )


def declared(made: Any, name: str) -> Any:
    """A member of the object that is not one of the contract's defaults; None if it has none."""
    if isinstance(made, Detector) and name not in vars(made):
        own = [kind for kind in type(made).__mro__ if name in vars(kind)]
        if not own or own[0] is Detector:
            return None
    return getattr(made, name, None)


def declare_memory(adapter: Any, made: Any, is_stateful: bool | None) -> None:
    """Give an adapter what the adapted object declares of its memory: `reset`, `is_stateful`.

    is_stateful: what the user says; None for what the object declares, if it does.
    """
    if callable(reset := declared(made, "reset")):
        adapter.reset = reset
    known = declared(made, "is_stateful") if is_stateful is None else is_stateful
    if known is not None:
        adapter.is_stateful = bool(known)


def _note_use(made: Any) -> None:
    key = id(made)
    try:
        _used[key] = weakref.ref(made, lambda _: _used.pop(key, None))
    except TypeError:  # an object that allows no weak references stays as long as the process
        _used[key] = lambda: made  # type: ignore[assignment]


def _was_used(made: Any) -> bool:
    known = _used.get(id(made))
    return known is not None and known() is made
