"""Sightings of all clips on the calendar: what events are made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Unpack

import pyarrow as pa

from lab.rules.rule import Rule
from lab.sighting import Sighting
from lab.store.current_rules import CURRENT_RULES
from lab.store.query import with_rows
from lab.store.sighting_filter import JUDGED_SIGHTINGS
from lab.store.sightings import SIGHTINGS, SightingFilter, SightingRows, sightings_where

# Of a clip that was analysed twice in the same way the finished run that is newest.
_NEWEST = """s.run_id IN (SELECT run_id FROM runs QUALIFY row_number() OVER (
    PARTITION BY media_id, protocol_hash
    ORDER BY (state = 'done') DESC, created_utc DESC, run_id DESC) = 1)"""
_START_US = """epoch_us(m.start_utc) + round(1e6 * coalesce(m.clock_correction_s, 0))::BIGINT"""
_COLUMNS = f"""s.sighting_id, s.run_id, s.media_id, s.rule_hash, s.label, s.most_at_once,
    r.protocol_hash, m.site, m.utc_offset_s, m.timestamp_issue,
    v.verdict, v.new_label, v.annotator AS judged_by, v.created_utc AS judged_utc,
    {_START_US} + s.onset_us AS onset_us, {_START_US} + s.offset_us AS end_us"""
# What an export says of sightings besides, in media time.
_DETAILS = """s.sighting_id, s.run_id, s.media_id, s.label, s.rule_hash, s.most_at_once, s.onset_us,
    s.offset_us, s.onset_earliest_us, s.offset_latest_us, s.peak_us, s.peak_confidence,
    s.censored_left, s.censored_right, s.saved_utc, r.recipe_hash, r.detector,
    r.recipe->>'weights' AS weights, (r.effort->>'analysed_s')::DOUBLE AS analysed_s"""
# Of each clip its finished runs: whether all of it was analysed, and whether a rule has decided.
_LOOKS = f"""SELECT r.media_id, r.detector, r.recipe->>'weights' AS weights,
    r.recipe->>'labels' AS labels, r.finished_utc,
    coalesce((r.effort->>'failed')::INT + (r.effort->>'gated')::INT
        + (r.effort->>'gaps')::INT = 0, false) AS is_whole,
    c.rule_hash IS NOT NULL AS has_rule
    FROM runs r LEFT JOIN ({CURRENT_RULES}) c USING (protocol_hash)
    WHERE r.state = 'done' AND r.media_id IN (SELECT unnest(?::VARCHAR[]))
    ORDER BY r.media_id, is_whole AND has_rule DESC, r.created_utc DESC, r.run_id"""
_ORDER = "m.site, s.label, onset_us, end_us, s.sighting_id"


class EventSightings(SightingRows):
    """The part of a store that gives sightings of many clips in the order of true time."""

    def sightings_on_calendar(self, **wanted: Unpack[SightingFilter]) -> pa.Table:
        """Sightings by site, label and onset; of each clip and protocol those of one run.

        Columns: sighting_id, run_id, media_id, rule_hash, protocol_hash, label, most_at_once and
        utc_offset_s (or null), timestamp_issue (of the clip's start, or null), site (null if
        unknown), verdict (the last one: any of `VERDICTS`, or null), new_label (of a relabelled
        one), judged_by, judged_utc, onset_us and end_us: microseconds since 1970 in UTC, corrected;
        null where the clip's start is not known.
        """
        where = sightings_where(wanted)
        where.add(_NEWEST)
        query = f"SELECT {_COLUMNS} FROM {JUDGED_SIGHTINGS}{where.sql} ORDER BY {_ORDER}"
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

    def sighting_details(self, sighting_ids: Sequence[str]) -> list[dict[str, Any]]:
        """Sightings by run and onset, with their recipe, detector, weights and analysed seconds."""
        return self.catalog.rows(
            f"SELECT {_DETAILS} FROM {SIGHTINGS} WHERE s.sighting_id IN "
            "(SELECT unnest(?::VARCHAR[])) ORDER BY s.run_id, s.onset_us, s.sighting_id",
            [list(sighting_ids)],
        )

    def looks_at(self, media_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Of clips that have a finished run, the one that says most: media_id, detector, weights,
        labels (JSON), finished_utc, is_whole (no failed, gated or missing sample), has_rule (its
        protocol has a current rule).
        """
        found = self.catalog.rows(_LOOKS, [list(media_ids)])
        return {row["media_id"]: row for row in reversed(found)}

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
    **dict.fromkeys(("protocol_hash", "site", "timestamp_issue"), pa.string()),
    **dict.fromkeys(("verdict", "new_label", "judged_by"), pa.string()),
    "judged_utc": pa.timestamp("us"),
    **dict.fromkeys(("most_at_once", "utc_offset_s"), pa.int32()),
    **dict.fromkeys(("onset_us", "end_us"), pa.int64()),
}
