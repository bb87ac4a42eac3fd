"""The clips of a store as a library: how far each has come, where it lies, what goes with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, TypedDict, Unpack

from lab.store.clip_names import BESIDE, WINDOW_BESIDE, clip_name
from lab.store.clocks import refresh_clips
from lab.store.library_totals import TotalRows
from lab.store.query import Wanted, Where, check_conditions, count, order_of, page_of

Row = dict[str, Any]

CLIP_STATES = ("new", "analysed", "reviewed")
# A clip is reviewed once somebody has marked or watched some of it. What was recorded of a feed was
# analysed, whether the feed is watched still or was stopped.
_CLIPS = """WITH clips AS (SELECT m.*, regexp_replace(path, '/[^/]*$', '') AS folder,
    start_utc + to_seconds(coalesce(utc_offset_s, 0)) AS start_local,
    CASE WHEN media_id IN (SELECT media_id FROM coverage UNION ALL SELECT media_id
        FROM annotations UNION ALL SELECT media_id FROM verdicts) THEN 'reviewed'
    WHEN media_id IN (SELECT media_id FROM runs WHERE state = 'done')
        OR size_bytes = 0 AND facts->>'container' <> 'unknown' AND NOT contains(path, '://')
        THEN 'analysed'
    ELSE 'new' END AS state FROM media m) """
_BY_STATE = "list_position(['new', 'analysed', 'reviewed'], state)"
CLIP_ORDERS = {
    "newest": "added_utc DESC, path, media_id",
    "name": "name, path, media_id",
    "start": "start_utc NULLS LAST, path, media_id",
    "site": "site NULLS LAST, start_utc NULLS LAST, path, media_id",
    "duration": "end_us - first_pts_us DESC, path, media_id",
    "state": f"{_BY_STATE}, path, media_id",
}
_PAGE = f""", page AS (
        SELECT *, row_number() OVER () AS place FROM (SELECT * FROM clips{{chosen}})),
    named AS (SELECT media_id, {BESIDE}
        FROM media WHERE name IN (SELECT name FROM page) {WINDOW_BESIDE}),
    counted AS (SELECT media_id, count(*) AS runs FROM runs
        WHERE media_id IN (SELECT media_id FROM page) GROUP BY media_id)
    SELECT page.* EXCLUDE (place), before, after, coalesce(runs, 0) AS runs
    FROM page LEFT JOIN named USING (media_id) LEFT JOIN counted USING (media_id) ORDER BY place"""
_OF_CLIPS = (
    "sightings", "sighting_marks", "annotations", "coverage", "verdicts", "runs", "media",
)  # fmt: skip


class ClipFilter(TypedDict, total=False):
    """Which clips: each condition that is given must hold.

    media_id, site, state: one, or any of several; the site `""` is that of clips without one,
    states are `new`, `analysed` and `reviewed`. text: words that path or site must contain.
    folder: in which the clip lies, or below. from_date, to_date: of the start in local time, both
    included; clips without a start are left out. deployment_id: one, or any of several. has_issue:
    whether its start is at a change of the clock.
    """

    media_id: Wanted
    site: Wanted
    state: Wanted
    text: str | None
    folder: str | None
    from_date: date | None
    to_date: date | None
    deployment_id: Wanted
    has_issue: bool | None


class LibraryRows(TotalRows):
    """The part of a store that shows and changes many clips at once."""

    def clips(
        self,
        *,
        order: str = "newest",
        limit: int | None = None,
        offset: int = 0,
        **wanted: Unpack[ClipFilter],
    ) -> list[Row]:
        """Clips with their facts, and beside these: state, runs (how many), folder, start_local,
        and `shown`: the end of the path that tells the clip from all others, at least its name.

        order: `newest`, `name`, `start`, `site`, `duration` or `state`.
        """
        return self._chosen_clips(
            clips_where(wanted), order_of(CLIP_ORDERS, order) + page_of(limit, offset)
        )

    def _chosen_clips(self, where: Where, end: str) -> list[Row]:
        """end: the order, and how many."""
        found = self.catalog.rows(_CLIPS + _PAGE.format(chosen=where.sql + end), where.values)
        return [_with_facts(row) for row in found]

    def count_clips(self, **wanted: Unpack[ClipFilter]) -> int:
        where = clips_where(wanted)
        with self.catalog.reading() as db:
            return count(db, f"{_CLIPS}SELECT count(*) FROM clips{where.sql}", where.values)

    def clip_ids(self, **wanted: Unpack[ClipFilter]) -> list[str]:
        """The media_id of every clip that fulfils the conditions, by path."""
        where = clips_where(wanted)
        found = self.catalog.rows(
            f"{_CLIPS}SELECT media_id FROM clips{where.sql} ORDER BY path, media_id", where.values
        )
        return [row["media_id"] for row in found]

    def clip_folders(self, text: str = "", limit: int | None = None) -> dict[str, int]:
        """Folders with clips, and how many lie in each; those with these words, by path."""
        where = Where()
        where.text(["folder"], text)
        found = self.catalog.rows(
            f"{_CLIPS}SELECT folder, count(*) AS n FROM clips{where.sql} "
            f"GROUP BY folder ORDER BY folder{page_of(limit, 0)}",
            where.values,
        )
        return {row["folder"]: row["n"] for row in found}

    def site_overview(self, text: str = "", limit: int | None = None) -> list[Row]:
        """Of each site: site (`""` for none), clips, new, analysed, reviewed; most clips first."""
        where = Where()
        where.text(["coalesce(site, '')"], text)
        states = ", ".join(f"count(*) FILTER (state = '{s}') AS {s}" for s in CLIP_STATES)
        return self.catalog.rows(
            f"{_CLIPS}SELECT coalesce(site, '') AS site, count(*) AS clips, {states} "
            f"FROM clips{where.sql} GROUP BY ALL ORDER BY clips DESC, site{page_of(limit, 0)}",
            where.values,
        )

    def edit_clips(self, media_ids: Sequence[str], **values: Any) -> None:
        """The same site, start or clock for several clips, in one transaction; see `edit_media`."""
        with self.catalog.transaction() as db:
            self._edit(db, media_ids, values)

    def shift_starts(self, media_ids: Sequence[str], seconds: float) -> int:
        """Move the starts of clips that have one; returns how many these are."""
        with self.catalog.transaction() as db:
            moved = db.execute(
                "UPDATE media SET start_utc = start_utc + to_microseconds(?::BIGINT), "
                "camera_local = camera_local + to_microseconds(?::BIGINT) "
                "WHERE start_utc IS NOT NULL AND media_id IN (SELECT unnest(?::VARCHAR[])) "
                "RETURNING 1",
                [round(seconds * 1e6)] * 2 + [list(media_ids)],
            ).fetchall()
            refresh_clips(db, media_ids)
        return len(moved)

    def what_goes_with(self, media_ids: Sequence[str]) -> dict[str, int]:
        """How many runs, sightings, annotations (with what was watched and judged) and notebook
        entries belong to clips.
        """
        ids = "(SELECT unnest(?::VARCHAR[]))"
        records = " + ".join(
            f"(SELECT count(*) FROM {table} WHERE media_id IN {ids})"
            for table in ("annotations", "coverage", "verdicts")
        )
        found = self.catalog.rows(
            f"""SELECT (SELECT count(*) FROM runs WHERE media_id IN {ids}) AS runs,
            (SELECT count(*) FROM sightings WHERE media_id IN {ids}) AS sightings,
            {records} AS annotations,
            (SELECT count(*) FROM entries WHERE run_id IN
                (SELECT run_id FROM runs WHERE media_id IN {ids})) AS entries""",
            [list(media_ids)] * 6,
        )
        return found[0] if found else {}

    def delete_clips(self, media_ids: Sequence[str]) -> None:
        """Forget clips with their runs, sightings, annotations and entries, in one transaction.

        Files are left; `lab.runs.remove` sees to them.
        """
        ids = list(media_ids)
        with self.catalog.transaction() as db:
            db.execute(
                "DELETE FROM entries WHERE run_id IN (SELECT run_id FROM runs "
                "WHERE media_id IN (SELECT unnest(?::VARCHAR[])))",
                [ids],
            )
            db.execute(  # the rule stays current: other clips of its protocol have its sightings
                "UPDATE current_rules SET run_id = NULL WHERE run_id IN (SELECT run_id FROM runs "
                "WHERE media_id IN (SELECT unnest(?::VARCHAR[])))",
                [ids],
            )
            db.execute(
                "DELETE FROM applied_rules WHERE run_id IN (SELECT run_id FROM runs "
                "WHERE media_id IN (SELECT unnest(?::VARCHAR[])))",
                [ids],
            )
            for table in _OF_CLIPS:
                db.execute(
                    f"DELETE FROM {table} WHERE media_id IN (SELECT unnest(?::VARCHAR[]))", [ids]
                )
            self.annotations_changed()


def clips_where(wanted: ClipFilter) -> Where:
    """The conditions on a clip."""
    check_conditions(wanted, ClipFilter)
    where = Where()
    where.equal("media_id", wanted.get("media_id"))
    where.equal("coalesce(site, '')", wanted.get("site"))
    where.equal("state", wanted.get("state"))
    where.text(["path", "coalesce(site, '')"], wanted.get("text"))
    where.equal("deployment_id", wanted.get("deployment_id"))
    has_issue = wanted.get("has_issue")
    if has_issue is not None:
        where.add(f"timestamp_issue IS {'NOT ' if has_issue else ''}NULL")
    folder = wanted.get("folder")
    if folder is not None:
        where.add("starts_with(path, ?)", folder.rstrip("/") + "/")
    until = wanted.get("to_date")
    where.between("start_local", wanted.get("from_date"), None)
    if until is not None:
        where.add("start_local < ?", until + timedelta(days=1))
    return where


def _with_facts(row: Row) -> Row:
    row.update({**json.loads(row.pop("facts")), "path": row["path"]})
    row["name"] = Path(row["path"]).name
    row["duration_s"] = (row["end_us"] - row["first_pts_us"]) / 1e6
    row["shown"] = clip_name(row)
    del row["before"], row["after"]
    return row
