"""Sightings, runs and clips page by page, each page from where the last one ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Unpack

from lab.store.keyset import Key, Keys, beyond, order_by
from lab.store.library import ClipFilter, LibraryRows, clips_where
from lab.store.run_queries import RunFilter
from lab.store.sighting_filter import SIGHTINGS, SightingFilter, sightings_where
from lab.store.sightings import COLUMNS, SightingRows

Row = dict[str, Any]

_ID = Key("s.sighting_id", "sighting_id", str)
_TIME = (
    Key("coalesce(m.path, '')", "path", str),
    Key("s.onset_us", "onset_us", int),
    Key("s.label", "label", str),
    _ID,
)
SIGHTING_KEYS: dict[str, Keys] = {
    "time": _TIME,
    "newest": (Key("s.saved_utc", "saved_utc", datetime, descending=True), *_TIME),
    "label": (Key("s.label", "label", str), *_TIME),
    "confidence": (Key("s.peak_confidence", "peak_confidence", float, descending=True), _ID),
    "least_confidence": (Key("s.peak_confidence", "peak_confidence", float), _ID),
    "onset": (Key("s.onset_us", "onset_us", int), _ID),
}
RUN_KEYS: dict[str, Keys] = {
    "newest": (
        Key("r.created_utc", "created_utc", datetime, descending=True),
        Key("r.run_id", "run_id", str, descending=True),
    ),
    "oldest": (Key("r.created_utc", "created_utc", datetime), Key("r.run_id", "run_id", str)),
}
CLIP_KEYS: dict[str, Keys] = {
    "newest": (
        Key("added_utc", "added_utc", datetime, descending=True),
        Key("path", "path", str),
        Key("media_id", "media_id", str),
    ),
    "name": (Key("name", "name", str), Key("path", "path", str), Key("media_id", "media_id", str)),
}


class PagedRows(SightingRows, LibraryRows):
    """The part of a store that is read page by page.

    after: the key of the last row of the page before (`lab.store.keyset.key_of`), None for the
    first page. Raises SettingError for what is no such key.
    """

    def page_of_sightings(
        self,
        order: str = "time",
        after: Sequence[Any] | None = None,
        limit: int = 100,
        **wanted: Unpack[SightingFilter],
    ) -> list[Row]:
        """As `sightings`. order: of `SIGHTING_KEYS`."""
        keys, where = SIGHTING_KEYS[order], sightings_where(wanted)
        beyond(where, keys, after)
        return self.catalog.rows(
            f"SELECT {COLUMNS} FROM {SIGHTINGS}{where.sql}{order_by(keys)} LIMIT {int(limit)}",
            where.values,
        )

    def page_of_runs(
        self,
        order: str = "newest",
        after: Sequence[Any] | None = None,
        limit: int = 100,
        **wanted: Unpack[RunFilter],
    ) -> list[Row]:
        """As `runs`, but for `newest_of_clip`. order: of `RUN_KEYS`."""
        keys = RUN_KEYS[order]
        with self.catalog.reading() as db:
            where = self._where(db, wanted)
            beyond(where, keys, after)
            return self._chosen_runs(db, where, f"{order_by(keys)} LIMIT {int(limit)}")

    def page_of_clips(
        self,
        order: str = "newest",
        after: Sequence[Any] | None = None,
        limit: int = 100,
        **wanted: Unpack[ClipFilter],
    ) -> list[Row]:
        """As `clips`. order: of `CLIP_KEYS`."""
        keys, where = CLIP_KEYS[order], clips_where(wanted)
        beyond(where, keys, after)
        return self._chosen_clips(where, f"{order_by(keys)} LIMIT {int(limit)}")
