"""Clips in the catalog."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from lab.annotation import utc_now
from lab.errors import NotFoundError, SettingError, check_line, closest
from lab.store.catalog import Catalog, rows
from lab.store.clip_names import NAMES, clip_name
from lab.store.clocks import refresh_clips
from lab.store.query import (
    Wanted,
    Where,
    check_conditions,
    count,
    insert_columns,
    nearest,
    order_of,
    page_of,
)
from lab.video.identity import ARRIVING, identity_problem

if TYPE_CHECKING:
    import duckdb

    from lab.video.media import Media

Row = dict[str, Any]
Registrar = Literal["user", "browser"]

EDITABLE = ("site", "start_utc", "utc_offset_s", "start_source", "clock_correction_s")
_ORDERS = {
    "added": "added_utc, path, media_id",
    "newest": "added_utc DESC, path, media_id",
    "name": "name, path, media_id",
    "duration": "end_us - first_pts_us DESC, path, media_id",
    "site": "site NULLS LAST, path, media_id",
}


# Of live sources, also where nothing was kept; not a video that never was here, is elsewhere, or is
# on its way.
_OF_FEEDS = """(media_id IN (SELECT media_id FROM runs WHERE environment->>'feed' IS NOT NULL)
    OR size_bytes = 0 AND facts->>'container' <> 'unknown' AND NOT contains(path, '://')
    AND NOT starts_with(media_id, ?))"""


class MediaFilter(TypedDict, total=False):
    """Which clips: each condition that is given must hold.

    media_id, site: one, or any of several. name: of its file, its path, or its relative path.
    text: words that its path or site must contain. has_runs: only clips with a run, or without.
    of_feed: only what was recorded of feeds, which cannot be analysed by its path, or all else.
    """

    media_id: Wanted
    site: Wanted
    name: str | None
    text: str | None
    has_runs: bool | None
    of_feed: bool | None


class MediaRows:
    """The part of a store that keeps clips. registrar: who names the files of those added."""

    catalog: Catalog
    registrar: Registrar

    def add_media(
        self, media: Media, relative_path: str | None = None, *, moves: bool = False
    ) -> Row:
        """Keep a clip's facts; a known clip keeps what the user entered.

        moves: whether a known clip lies here from now on, also while its file is in its old place.
        Otherwise this is then a copy of it, and the clip keeps its file and name.
        """
        with self.catalog.transaction() as db:
            relative = {media.media_id: relative_path}
            put_media(db, [media], relative, self.registrar, moves=moves)
        return self.media(media.media_id)

    def media(self, media_id: str) -> Row:
        """Raises NotFoundError if there is none with this id."""
        found = self.media_rows(media_id=media_id)
        if not found:
            raise NotFoundError(
                f"no media {media_id!r} in {self.catalog.folder}; add the clip again"
            )
        return found[0]

    def media_rows(
        self,
        *,
        order: str = "added",
        limit: int | None = None,
        offset: int = 0,
        **wanted: Unpack[MediaFilter],
    ) -> list[Row]:
        """Clips with their facts. order: `added`, `newest`, `name`, `duration` or `site`."""
        page = order_of(_ORDERS, order) + page_of(limit, offset)
        with self.catalog.reading() as db:
            return select_media(db, wanted, page)

    def all_media(self) -> list[Row]:
        """Every clip of the store: for what needs all of them."""
        return self.media_rows()

    def count_media(self, **wanted: Unpack[MediaFilter]) -> int:
        where = _where(wanted)
        with self.catalog.reading() as db:
            return count(db, f"SELECT count(*) FROM media{where.sql}", where.values)

    def names_of_media(self, media_ids: Iterable[str]) -> dict[str, str]:
        """media_id to the clip's name, for those that are known, in the order given: the end of
        its path that tells it from all other clips, at least the name of its file.
        """
        ids, where = list(media_ids), Where()
        where.equal("media_id", ids)
        with self.catalog.reading() as db:
            found = rows(db, NAMES.format(where=where.sql), where.values)
        names = {row["media_id"]: clip_name(row) for row in found}
        return {media_id: names[media_id] for media_id in ids if media_id in names}

    def sites(self) -> list[str]:
        """The sites of all clips, sorted."""
        with self.catalog.reading() as db:
            found = rows(db, "SELECT DISTINCT site FROM media WHERE site IS NOT NULL ORDER BY site")
        return [row["site"] for row in found]

    def find_media(self, name: str) -> Row:
        """The one clip with this id, name or path. Raises SettingError unless there is just one."""
        found = self.media_rows(name=name, limit=20)
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(row["media_id"] for row in found)
            raise SettingError(f"{len(found)} clips are called {name!r}; give an id: {ids}")
        with self.catalog.reading() as db:
            hint = nearest(db, "media", "name", name)
        raise SettingError(f"no clip is called {name!r} here; {hint}")

    def edit_media(self, media_id: str, **values: Any) -> None:
        """Site, start and clock of a clip, as the user knows them."""
        with self.catalog.transaction() as db:
            self._edit(db, [media_id], values)

    def _edit(
        self, db: duckdb.DuckDBPyConnection, media_ids: Sequence[str], values: Mapping[str, Any]
    ) -> None:
        for name in values:
            if name not in (*EDITABLE, "browser_offset_us"):
                raise SettingError(
                    f"media has no {name!r} to edit; {closest(name, list(EDITABLE))}"
                )
        for name, value in values.items():
            check_line(name, value)
        sets, given = _assignments(values)
        db.execute(
            f"UPDATE media SET {sets} WHERE media_id IN (SELECT unnest(?::VARCHAR[]))",
            [*given, list(media_ids)],
        )
        if "start_utc" in values or "clock_correction_s" in values:
            refresh_clips(db, media_ids)


def _assignments(values: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """What a start or a clock was derived from goes with a new value, and stays with the same."""
    sets, given = [f"{name} = ?" for name in values], list(values.values())
    if "start_utc" in values:
        start = values["start_utc"]
        if "start_source" in values:
            at = list(values).index("start_source")
            sets[at] = f"start_source = CASE WHEN {_SAME_START} THEN start_source ELSE ? END"
            given[at : at + 1] = [start, values["start_source"]]
        for name in ("camera_local", "timestamp_issue"):
            sets.append(f"{name} = CASE WHEN {_SAME_START} THEN {name} END")
            given.append(start)
    if "clock_correction_s" in values:
        same = "abs(coalesce(clock_correction_s, 0) - coalesce(?::DOUBLE, 0)) < 1e-3"
        sets.append(f"correction_source = CASE WHEN {same} THEN correction_source END")
        given.append(values["clock_correction_s"])
    return ", ".join(sets), given


_SAME_START = "start_utc = ?::TIMESTAMP"


def select_media(
    db: duckdb.DuckDBPyConnection | None, wanted: MediaFilter, page: str = ""
) -> list[Row]:
    """Clips with their facts, inside a transaction."""
    where = _where(wanted)
    found = rows(db, f"SELECT * FROM media{where.sql}{page}", where.values)
    return [_with_facts(row) for row in found]


def put_media(
    db: duckdb.DuckDBPyConnection,
    media: Sequence[Media],
    relative_paths: Mapping[str, str | None],
    registrar: Registrar,
    *,
    moves: bool = False,
) -> None:
    """Keep the facts of clips; known ones keep what the user entered.

    relative_paths: by media_id. registrar: who named the files. moves: as of `add_media`.
    """
    by_id = {one.media_id: one for one in media}
    found = select_media(db, {"media_id": list(by_id)}) if by_id else []
    known = {row["media_id"]: row for row in found}
    copies = set() if moves else _copies(known, by_id)
    last = [one for media_id, one in by_id.items() if media_id not in copies]
    for are_known, end in ((False, ""), (True, _SEEN_AGAIN)):  # planning the second takes longer
        some = [one for one in last if (one.media_id in known) == are_known]
        if not some:
            continue
        insert_columns(
            db,
            "media",
            {
                "media_id": [one.media_id for one in some],
                "path": [one.path for one in some],
                "relative_path": [relative_paths.get(one.media_id) for one in some],
                "size_bytes": [one.size_bytes for one in some],
                "facts": [json.dumps(one.to_dict()) for one in some],
                "added_utc": [utc_now()] * len(some),
                "name": [one.name for one in some],
                "first_pts_us": [one.first_pts_us for one in some],
                "end_us": [one.end_us for one in some],
                "registered_by": [registrar] * len(some),
            },
            end,
        )


_SEEN_AGAIN = """ON CONFLICT (media_id) DO UPDATE SET path = excluded.path, facts = excluded.facts,
    relative_path = coalesce(excluded.relative_path, media.relative_path),
    file_removed_utc = NULL,
    name = excluded.name, first_pts_us = excluded.first_pts_us, end_us = excluded.end_us,
    registered_by = CASE WHEN excluded.registered_by = 'user' OR media.path <> excluded.path
    THEN excluded.registered_by ELSE media.registered_by END"""


def _copies(known: Mapping[str, Row], media: Mapping[str, Media]) -> set[str]:
    """Those of the clips whose file is known elsewhere, and is still there."""
    return {
        media_id
        for media_id, row in known.items()
        if row["path"] != media[media_id].path and identity_problem(row, reads=False) is None
    }


def _where(wanted: MediaFilter) -> Where:
    check_conditions(wanted, MediaFilter)
    where = Where()
    where.equal("media_id", wanted.get("media_id"))
    where.equal("site", wanted.get("site"))
    where.text(["path", "coalesce(site, '')"], wanted.get("text"))
    name = wanted.get("name")
    if name is not None:
        where.add(
            "(? IN (media_id, name, relative_path) OR path IN (?, ?, ?))",
            *[name] * 2,
            os.path.abspath(name),
            str(Path(name).resolve()),
        )
    has_runs = wanted.get("has_runs")
    if has_runs is not None:
        are = "IN" if has_runs else "NOT IN"
        where.add(f"media_id {are} (SELECT media_id FROM runs)")
    of_feed = wanted.get("of_feed")
    if of_feed is not None:
        where.add(f"{'' if of_feed else 'NOT '}{_OF_FEEDS}", ARRIVING)
    return where


def _with_facts(row: Row) -> Row:
    row.update({**json.loads(row.pop("facts")), "path": row["path"]})
    row["name"] = Path(row["path"]).name
    row["duration_s"] = (row["end_us"] - row["first_pts_us"]) / 1e6
    return row
