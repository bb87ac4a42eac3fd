"""What a sink was not told yet, on disk: events wait here until it took them."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from lab.sinks.event import SightingEvent
from lab.sinks.outbox_file import OutboxFile

T = TypeVar("T")
_log = logging.getLogger(__name__)
Fate = Literal["waiting", "delivered", "refused"]
MAX_ITEMS = 10_000
MAX_BYTES = 1 << 30
_MOST_FATES = 100
# So many ids are remembered after their events went, so that none is announced again.
_KNOWN = 100_000


@dataclass(frozen=True)
class Waiting:
    """An event that a sink was not told yet. tries: how often that failed."""

    event_id: str
    tries: int
    event: SightingEvent


@dataclass(frozen=True)
class Totals:
    """Since the file was made. last_delivery_at: Unix seconds, None before the first one."""

    waiting: int
    delivered: int
    failed: int
    dropped: int
    last_delivery_at: float | None


def outbox_path(folder: Path, name: str) -> Path:
    """The file of a sink's outbox. folder: of all outboxes. name: of the sink, any text."""
    return folder / f"{urllib.parse.quote(name, safe='')[:120]}.sqlite"


class Outbox:
    """The events of one sink that wait, in their order, in a file that survives kills.

    Any thread may use it. max_items, max_bytes: past them the oldest go, and are counted as
    dropped. Times of retries are of `time.monotonic`, and forgotten at the end of the process:
    then all that waits is due at once, whatever happened to the clock.

    arrived: is set whenever an event was put. Raises StoreError, here and everywhere, if the file
    cannot be used, as on a full disk; nothing is half written then.
    """

    def __init__(
        self, path: Path, *, max_items: int = MAX_ITEMS, max_bytes: int = MAX_BYTES
    ) -> None:
        self.arrived = threading.Event()
        self._max_items, self._max_bytes = max_items, max_bytes
        self._file = OutboxFile(path)
        self._guard = threading.RLock()
        # Of each sighting that is held back: the event that failed, and when it is due.
        self._held: dict[str, tuple[str, float]] = {}
        self._totals: dict[str, float] = {}
        self._fates: dict[str, Fate] = {}
        self._waiting = 0
        self._change(lambda db: None)

    @property
    def note(self) -> str | None:
        """What was done about a damaged file, None if nothing was."""
        return self._file.note

    def close(self) -> None:
        self._file.close()

    def put(self, event: SightingEvent) -> bool:
        """Keep an event until it was delivered. False where it was put before, also long ago.

        Its pictures are made only if it is new.
        """

        def work(db: sqlite3.Connection) -> bool:
            added = db.execute(
                "INSERT OR IGNORE INTO known (event_id) VALUES (?)", (event.event_id,)
            )
            if not added.rowcount:
                return False
            db.execute(
                "INSERT OR IGNORE INTO items (event_id, sighting_id, size_bytes, event, "
                "picture_jpeg, plain_jpeg) VALUES (?, ?, ?, ?, ?, ?)",
                (event.event_id, event.sighting_id, size, text, event.picture_jpeg,
                 event.plain_jpeg),
            )  # fmt: skip
            self._make_room(db)
            if added.lastrowid and added.lastrowid % 1000 == 0:
                db.execute("DELETE FROM known WHERE number <= ?", (added.lastrowid - _KNOWN,))
            return True

        if self._file.do(lambda db: _is_known(db, event.event_id)):
            return False
        text = json.dumps(event.to_dict(), separators=(",", ":"))
        pictures = (event.picture_jpeg or b"", event.plain_jpeg or b"")
        size = len(text) + sum(map(len, pictures))
        if event.is_test:
            with self._guard:
                self._fates[event.event_id] = "waiting"
                while len(self._fates) > _MOST_FATES:
                    del self._fates[next(iter(self._fates))]
        is_new = self._change(work)
        if is_new:
            self.arrived.set()
        return is_new

    def due(self, *, in_order: bool = False) -> Waiting | None:
        """The oldest event that may be delivered now.

        An event that is tried later holds back those of the same sighting; in_order: all others.
        One that a newer version of the lab has written, and this cannot read, counts as failed.
        """
        with self._guard:
            now = time.monotonic()
            self._held = {name: held for name, held in self._held.items() if held[1] > now}
            if not self._waiting or (in_order and self._held):
                return None
            while (row := self._file.do(self._first)) is not None:
                try:
                    return Waiting(row["event_id"], row["tries"], _event_of(row))
                except (TypeError, ValueError, KeyError) as error:
                    _log.error("an event in %s cannot be read: %s", self._file.path, error)
                    self.refused(row["event_id"])
            return None

    def next_due_s(self) -> float | None:
        """Seconds until something that is held back becomes due; None if nothing is."""
        with self._guard:
            if not self._held:
                return None
            return max(0.0, min(held[1] for held in self._held.values()) - time.monotonic())

    def delivered(self, event_id: str) -> None:
        """The sink took it."""

        def work(db: sqlite3.Connection) -> None:
            if _remove(db, event_id):
                _add(db, "delivered", 1)
            _put(db, "last_delivery_at", time.time())

        self._let_go(event_id)
        self._change(work)
        self._note_fate(event_id, "delivered")

    def fate(self, event_id: str) -> Fate | None:
        """What became of a marked event that this process put lately; None of any other."""
        with self._guard:
            return self._fates.get(event_id)

    def refused(self, event_id: str) -> None:
        """The sink will never take it: it goes, and is counted as failed."""

        def work(db: sqlite3.Connection) -> None:
            if _remove(db, event_id):
                _add(db, "failed", 1)

        self._let_go(event_id)
        self._change(work)
        self._note_fate(event_id, "refused")

    def _note_fate(self, event_id: str, fate: Fate) -> None:
        with self._guard:
            if event_id in self._fates:
                self._fates[event_id] = fate

    def failed(self, event_id: str, reason: str, retry_at: float) -> None:
        """It is to be tried again. retry_at: of `time.monotonic`."""

        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE items SET tries = tries + 1, reason = ? WHERE event_id = ?",
                (reason, event_id),
            )

        self.later(event_id, retry_at)
        self._change(work)

    def later(self, event_id: str, retry_at: float) -> None:
        """Nothing failed, but it is too early. retry_at: of `time.monotonic`."""
        with self._guard:
            self._let_go(event_id)
            sighting_id = self._file.do(lambda db: _sighting_of(db, event_id))
            if sighting_id is not None:
                self._held[sighting_id] = (event_id, retry_at)

    def release(self) -> None:
        """All that waits is due now."""
        with self._guard:
            self._held.clear()

    def totals(self) -> Totals:
        with self._guard:
            told = self._totals
            return Totals(
                self._waiting,
                int(told.get("delivered", 0)),
                int(told.get("failed", 0)),
                int(told.get("dropped", 0)),
                told.get("last_delivery_at"),
            )

    def _let_go(self, event_id: str) -> None:
        with self._guard:
            self._held = {name: held for name, held in self._held.items() if held[0] != event_id}

    def _change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._guard:
            done, extent, totals = self._file.do(
                lambda db: (
                    work(db),
                    _extent(db),
                    dict(db.execute("SELECT name, value FROM totals")),
                )
            )
            self._waiting, self._totals = extent[0], totals
            return done

    def _first(self, db: sqlite3.Connection) -> Mapping[str, Any] | None:
        with closing(
            db.execute("SELECT position, sighting_id FROM items ORDER BY position")
        ) as rows:
            position = next((at for at, sighting in rows if sighting not in self._held), None)
        names = ("event_id", "tries", "event", "picture_jpeg", "plain_jpeg")
        row = db.execute(
            f"SELECT {', '.join(names)} FROM items WHERE position = ?", (position,)
        ).fetchone()
        return None if row is None else dict(zip(names, row))

    def _make_room(self, db: sqlite3.Connection) -> None:
        """Drop the oldest ones, as long as there are too many, or they are too large."""
        items, size = _extent(db)
        while items > self._max_items or size > self._max_bytes:
            position, freed = db.execute(
                "SELECT position, size_bytes FROM items ORDER BY position LIMIT 1"
            ).fetchone()
            db.execute("DELETE FROM items WHERE position = ?", (position,))
            _add(db, "dropped", 1)
            items, size = items - 1, size - freed


def _extent(db: sqlite3.Connection) -> tuple[int, int]:
    items, size = db.execute("SELECT count(*), coalesce(sum(size_bytes), 0) FROM items").fetchone()
    return items, size


def _add(db: sqlite3.Connection, name: str, more: float) -> None:
    db.execute(
        "INSERT INTO totals VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = value + ?",
        (name, more, more),
    )


def _put(db: sqlite3.Connection, name: str, value: float) -> None:
    db.execute("INSERT OR REPLACE INTO totals VALUES (?, ?)", (name, value))


def _is_known(db: sqlite3.Connection, event_id: str) -> bool:
    return db.execute("SELECT 1 FROM known WHERE event_id = ?", (event_id,)).fetchone() is not None


def _sighting_of(db: sqlite3.Connection, event_id: str) -> str | None:
    row = db.execute("SELECT sighting_id FROM items WHERE event_id = ?", (event_id,)).fetchone()
    return None if row is None else str(row[0])


def _remove(db: sqlite3.Connection, event_id: str) -> bool:
    return bool(db.execute("DELETE FROM items WHERE event_id = ?", (event_id,)).rowcount)


def _event_of(row: Mapping[str, Any]) -> SightingEvent:
    event = SightingEvent.from_dict(json.loads(row["event"]))
    return replace(event, picture_jpeg=row["picture_jpeg"], plain_jpeg=row["plain_jpeg"])
