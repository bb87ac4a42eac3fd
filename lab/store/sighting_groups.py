"""Stored sightings in groups: by label, site, clip, day, or event."""

from __future__ import annotations

from typing import Unpack

from lab.errors import SettingError, closest
from lab.store.catalog import rows
from lab.store.query import order_of, page_of
from lab.store.sighting_filter import (
    ONSET_LOCAL,
    ONSET_UTC,
    SIGHTINGS,
    SightingFilter,
    sightings_where,
)
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
_END_UTC = f"({ONSET_UTC} + to_microseconds(s.offset_us - s.onset_us))"
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
    chosen = f"""SELECT s.sighting_id, s.label, m.site, m.path, s.onset_us, s.offset_us,
        {ONSET_UTC} AS onset_utc, {_END_UTC} AS end_utc, {ONSET_LOCAL} AS onset_local,
        to_seconds(coalesce(m.utc_offset_s, 0)) AS ahead, {ONSET_LOCAL}::DATE AS day
        FROM {SIGHTINGS}{where}"""
    groups = _EVENTS if by == "event" else "SELECT * FROM chosen"
    keys, value = _KEYS[by], f"{_KEYS[by]}::VARCHAR"
    first, is_known = f"min(onset_utc) OVER (PARTITION BY {keys})", f"{keys} IS NOT NULL"
    if by == "event":
        is_known = "site IS NOT NULL AND onset_utc IS NOT NULL"
        value = f"CASE WHEN {is_known} THEN label || ' · ' || site END"
    lead = {
        "day": "g.day NULLS LAST",
        "event": "g.site IS NULL OR g.onset_utc IS NULL, g.first_utc NULLS LAST, "
        "g.site, g.label, g.event",
    }.get(by, f"g.{_KEYS[by]} NULLS LAST")
    return f"""WITH chosen AS ({chosen}), grouped AS (SELECT *, {first} AS first_utc,
        {value} AS group_value, count(*) OVER (PARTITION BY {keys}) AS group_n,
        min(onset_local) OVER (PARTITION BY {keys}) AS group_first,
        max(end_utc + ahead) OVER (PARTITION BY {keys}) AS group_last FROM ({groups}))
        SELECT g.sighting_id, g.group_value, g.group_n, g.group_first, g.group_last
        FROM grouped g JOIN sightings s USING (sighting_id) LEFT JOIN media m USING (media_id)
        ORDER BY {lead}, {page}"""
