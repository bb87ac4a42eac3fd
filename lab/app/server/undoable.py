"""Changes of sightings that can be undone."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict

from lab.errors import LabError, NotFoundError
from lab.store.changes import Change
from lab.store.store import Store

_MOST_CHANGES, _MOST_ROWS = 1000, 1_000_000


class UndoableChanges:
    """The last changes of sightings, until the app ends."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Change] = OrderedDict()
        self._words: dict[str, str] = {}
        self._guard = threading.Lock()

    def keep(self, change: Change, words: str | None = None) -> str:
        """Returns the id by which it can be undone. words: what it was, for `last`."""
        change_id = uuid.uuid4().hex[:16]
        with self._guard:
            self._kept[change_id] = change
            if words is not None:
                self._words[change_id] = words
            while len(self._kept) > 1 and (
                len(self._kept) > _MOST_CHANGES or sum(map(_size, self._kept.values())) > _MOST_ROWS
            ):
                self._kept.popitem(last=False)
        return change_id

    def last(self) -> tuple[str, str] | None:
        """The id and the words of the last change that was kept with words, and is not undone."""
        with self._guard:
            self._words = {one: words for one, words in self._words.items() if one in self._kept}
            return next(reversed(self._words.items()), None)

    def undo(self, store: Store, change_id: str) -> Change:
        """Raises NotFoundError for a change that is undone already, or too long ago."""
        with self._guard:
            change = self._kept.pop(change_id, None)
        if change is None:
            raise NotFoundError(
                "this change cannot be undone any more: it was undone, or the app was started again"
            )
        try:
            store.undo_change(change)
        except LabError:
            with self._guard:
                self._kept[change_id] = change
            raise
        return change


def _size(change: Change) -> int:
    return sum(rows.num_rows for rows in (*change.removed.values(), *change.added.values()))
