"""Sightings of all clips on the calendar: what events are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Unpack

import pyarrow as pa

from lab.rules.rule import Rule
from lab.sighting import Sighting
from lab.store.query import with_rows
from lab.store.sightings import SIGHTINGS, SightingFilter, SightingRows, sightings_where

# Of a clip that was analysed twice in the same way the finished run that is newest.
_NEWEST = """s.run_id IN (SELECT run_id FROM runs QUALIFY row_number() OVER (
    PARTITION BY media_id, protocol_hash
    ORDER BY (state = 'done') DESC, created_utc DESC, run_id DESC) = 1)"""
_START_US = """epoch_us(m.start_utc) + round(1e6 * coalesce(m.clock_correction_s, 0))::BIGINT"""
_COLUMNS = f"""s.sighting_id, s.run_id, s.media_id, s.rule_hash, s.label, s.most_at_once,
    r.protocol_hash, m.site, m.utc_offset_s,
    {_START_US} + s.onset_us AS onset_us, {_START_US} + s.offset_us AS end_us"""
_ORDER = "m.site, s.label, onset_us, end_us, s.sighting_id"


class EventSightings(SightingRows):
    """The part of a store that gives sightings of many clips in the order of true time."""

    def sightings_on_calendar(self, **wanted: Unpack[SightingFilter]) -> pa.Table:
        """Sightings by site, label and onset; of each clip and protocol those of one run.

        Columns: sighting_id, run_id, media_id, rule_hash, protocol_hash, label, most_at_once and
        utc_offset_s (or null), site (null if unknown), onset_us and end_us: microseconds since
        1970 in UTC, corrected; null where the clip's start is not known.
        """
        where = sightings_where(wanted)
        where.add(_NEWEST)
        query = f"SELECT {_COLUMNS} FROM {SIGHTINGS}{where.sql} ORDER BY {_ORDER}"
        with self.catalog.reading() as db:
            if db is None:
                return pa.table({name: pa.array([], kind) for name, kind in _EMPTY.items()})
            return db.sql(query, params=where.values).to_arrow_table()

    def sightings_of_rule(self, run_id: str, rule_hash: str) -> tuple[Rule, dict[str, Sighting]]:
        """A rule with its stored sightings of a run, by their ids."""
        found = self.sightings(run_id=run_id, rule_hash=rule_hash)
        names = Sighting.__dataclass_fields__
        rule = Rule.from_dict(json.loads(found[0]["rule"]))
        return rule, {
            row["sighting_id"]: Sighting(**{name: row[name] for name in names}) for row in found
        }

    def set_most_at_once(self, counts: Mapping[str, int]) -> None:
        """The largest number of boxes at once of sightings, by their ids."""
        given: dict[str, Iterable[Any]] = {"sighting_id": list(counts), "n": list(counts.values())}
        with self.catalog.transaction() as db:
            with_rows(
                db,
                given,
                "UPDATE sightings SET most_at_once = given.n FROM given "
                "WHERE sightings.sighting_id = given.sighting_id",
            )


_EMPTY = {
    **dict.fromkeys(("sighting_id", "run_id", "media_id", "rule_hash", "label"), pa.string()),
    **dict.fromkeys(("protocol_hash", "site"), pa.string()),
    **dict.fromkeys(("most_at_once", "utc_offset_s"), pa.int32()),
    **dict.fromkeys(("onset_us", "end_us"), pa.int64()),
}
