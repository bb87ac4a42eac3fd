"""Stored sightings in groups: by label, site, clip, day, or event."""

from __future__ import annotations

from typing import Unpack

from lab.errors import SettingError, closest
from lab.store.catalog import rows
from lab.store.local_time import CLOCKS, by_clock
from lab.store.query import order_of, page_of
from lab.store.sighting_filter import SIGHTINGS, SightingFilter, sightings_where
from lab.store.sightings import COLUMNS, ORDERS, Row, SightingRows

INTERVAL_S = 1800  # of independent events, as of `lab.events`
_KEYS = {
    "label": "label",
    "site": "site",
    "clip": "path",
    "day": "day",
    "event": "site, label, event",
}
GROUPS = tuple(_KEYS)
_BEFORE = """(PARTITION BY site, label ORDER BY onset_utc, end_utc, sighting_id
    ROWS BETWEEN UNBOUNDED PRECEDING AND {to})"""
# A sighting begins an event if it begins late enough after the latest end so far, but never at the
# moment at which the one before it begins.
_EVENTS = f"""SELECT *, sum(begins::INT) OVER {_BEFORE.format(to="CURRENT ROW")} AS event FROM (
    SELECT *, coalesce(
        onset_utc >= max(end_utc) OVER {_BEFORE.format(to="1 PRECEDING")} + to_seconds({INTERVAL_S})
        AND onset_utc > lag(onset_utc) OVER (PARTITION BY site, label
            ORDER BY onset_utc, end_utc, sighting_id), true) AS begins FROM chosen)"""


class SightingGroups(SightingRows):
    """The part of a store that gives sightings in groups."""

    def grouped_sightings(
        self,
        by: str,
        *,
        order: str = "time",
        limit: int | None = None,
        offset: int = 0,
        **wanted: Unpack[SightingFilter],
    ) -> list[Row]:
        """As `sightings`, by group, with what their groups are.

        by: any of `GROUPS`. An event is what `lab.events` counts as one at its usual interval, of
        those that fulfil the conditions, whatever their run and rule.

        More columns: group_value (label, site, path or day; None where it is not known, and for
        an event without site or start), group_n (its sightings), group_first and group_last (onset
        of the first and end of the last at the place, None where that is not known).
        """
        if by not in _KEYS:
            raise SettingError(f"sightings are not grouped by {by!r}; {closest(by, [*_KEYS])}")
        where = sightings_where(wanted)
        page = order_of(ORDERS, order) + page_of(limit, offset)
        sql = _sql(by, where.sql, page.partition(" ORDER BY ")[2])
        with self.catalog.reading() as db:
            placed = rows(db, sql, where.values)
            full = rows(
                db,
                f"SELECT {COLUMNS} FROM {SIGHTINGS} "
                "WHERE s.sighting_id IN (SELECT unnest(?::VARCHAR[]))",
                [[row["sighting_id"] for row in placed]],
            )
        by_id = {row["sighting_id"]: row for row in full}
        return [{**by_id[row["sighting_id"]], **row} for row in placed]


def _sql(by: str, where: str, page: str) -> str:
    """One page of ids with their groups. Only what is sorted and grouped by is read."""
    chosen = f"""SELECT *, onset_local::DATE AS day FROM (
        SELECT s.sighting_id, s.label, m.site, m.path, s.onset_us, s.offset_us,
        c.begin_utc + to_microseconds(s.onset_us) AS onset_utc,
        c.begin_utc + to_microseconds(s.offset_us) AS end_utc,
        {by_clock("c.begin_utc", "s.onset_us", "c")} AS onset_local,
        {by_clock("c.begin_utc", "s.offset_us", "c")} AS end_local
        FROM {SIGHTINGS} LEFT JOIN {CLOCKS} c USING (media_id){where})"""
    groups = _EVENTS if by == "event" else "SELECT * FROM chosen"
    keys, value = _KEYS[by], f"f.{_KEYS[by]}::VARCHAR"
    if by == "event":
        value = "CASE WHEN f.site IS NOT NULL AND f.first_utc IS NOT NULL "
        value += "THEN f.label || ' · ' || f.site END"
    lead = {
        "day": "f.day NULLS LAST",
        "event": "f.site IS NULL OR f.first_utc IS NULL, f.first_utc NULLS LAST, "
        "f.site, f.label, f.event",
    }.get(by, f"f.{keys} NULLS LAST")
    same = " AND ".join(f"f.{key} IS NOT DISTINCT FROM g.{key}" for key in keys.split(", "))
    return f"""WITH chosen AS ({chosen}), placed AS ({groups}), facts AS (
        SELECT {keys}, count(*) AS n, min(onset_utc) AS first_utc,
            min(onset_local) AS first_local, max(end_local) AS last_local
        FROM placed GROUP BY {keys})
        SELECT g.sighting_id, {value} AS group_value, f.n AS group_n,
            f.first_local AS group_first, f.last_local AS group_last
        FROM placed g JOIN facts f ON {same}
        JOIN sightings s USING (sighting_id) LEFT JOIN media m USING (media_id)
        ORDER BY {lead}, {page}"""
