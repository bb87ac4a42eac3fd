"""Stored sightings in the catalog."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, Unpack

from lab.annotation import utc_now
from lab.errors import SettingError, closest
from lab.rules.rule import Rule
from lab.sighting import Sighting
from lab.store.applied_rules import put_applied
from lab.store.current_rules import put_current_rule
from lab.store.local_time import CLOCKS, by_clock
from lab.store.query import Where, count, insert_columns, order_of, page_of
from lab.store.run_queries import RunQueries
from lab.store.sighting_filter import (
    IS_CURRENT,
    ONSET_UTC,
    SIGHTINGS,
    SightingFilter,
    sightings_where,
)

__all__ = [
    "IS_CURRENT",
    "ONSET_UTC",
    "SIGHTINGS",
    "SightingFilter",
    "SightingRows",
    "sightings_where",
]

Row = dict[str, Any]

COLUMNS = """s.*, m.path, m.relative_path, m.site, m.start_utc, m.utc_offset_s,
    m.clock_correction_s, m.timestamp_issue, r.recipe_hash, r.protocol_hash"""
ORDERS = {
    "time": "m.path, s.onset_us, s.label, s.sighting_id",
    "newest": "s.saved_utc DESC, m.path, s.onset_us, s.label, s.sighting_id",
    "label": "s.label, m.path, s.onset_us, s.sighting_id",
    "site": "m.site NULLS LAST, m.path, s.onset_us, s.label, s.sighting_id",
    "confidence": "s.peak_confidence DESC, s.sighting_id",
    "least_confidence": "s.peak_confidence, s.sighting_id",
    "duration": "s.offset_us - s.onset_us DESC, s.sighting_id",
    "shortest": "s.offset_us - s.onset_us, s.sighting_id",
    "onset": "s.onset_us, m.path, s.label, s.sighting_id",
    "last_onset": "s.onset_us DESC, m.path, s.label, s.sighting_id",
    "calendar": f"{ONSET_UTC} NULLS LAST, m.path, s.onset_us, s.label, s.sighting_id",
    "latest": f"{ONSET_UTC} DESC NULLS LAST, m.path, s.onset_us, s.label, s.sighting_id",
}


class SightingRows(RunQueries):
    """The part of a store that keeps the sightings of rules."""

    def save_sightings(
        self, run_id: str, rule: Rule, sightings: Iterable[Sighting], rule_name: str | None = None
    ) -> int:
        """Keep the sightings of a rule in a run, replacing earlier ones of the same rule."""
        found = list(sightings)
        self.save_sightings_of_runs({run_id: found}, rule, rule_name)
        return len(found)

    def save_sightings_of_runs(
        self,
        found: Mapping[str, Sequence[Sighting]],
        rule: Rule,
        rule_name: str | None = None,
        *,
        current_of: str | None = None,
        tuned_on: str | None = None,
    ) -> None:
        """Keep the sightings of a rule in many runs, in one transaction.

        found: of each run by its id; earlier ones of the same rule are replaced, and of what stays
        the same the largest number at one time stays, too. current_of:
        the hash of a protocol whose current rule this becomes in the same transaction. tuned_on:
        the id of the run on which it was tuned. Raises SettingError for an unknown run.
        """
        all_found = [one for of_run in found.values() for one in of_run]
        same = {
            "rule_hash": rule.rule_hash,
            "rule": json.dumps(rule.to_dict()),
            "rule_name": rule_name,
            "saved_utc": utc_now(),
        }
        columns: dict[str, Iterable[Any]] = {
            "sighting_id": [uuid.uuid4().hex[:16] for _ in all_found],
            **{name: [value] * len(all_found) for name, value in same.items()},
            **{f.name: [getattr(one, f.name) for one in all_found] for f in fields(Sighting)},
        }
        with self.catalog.transaction() as db:
            runs = self._named(db, list(found))
            for name in ("run_id", "media_id"):
                columns[name] = [
                    run[name]
                    for run, of_run in zip(runs, found.values(), strict=True)
                    for _ in of_run
                ]
            # The same stretch of the same log by the same rule: what was counted of it holds.
            counts = db.execute(
                "DELETE FROM sightings WHERE rule_hash = ? "
                "AND run_id IN (SELECT unnest(?::VARCHAR[])) "
                "RETURNING run_id, label, onset_us, offset_us, most_at_once",
                [rule.rule_hash, [run["run_id"] for run in runs]],
            ).fetchall()
            known = {tuple(stretch): most for *stretch, most in counts}
            columns["most_at_once"] = [
                known.get((run_id, one.label, one.onset_us, one.offset_us))
                for run_id, one in zip(columns["run_id"], all_found, strict=True)
            ]
            insert_columns(db, "sightings", columns)
            put_applied(db, [run["run_id"] for run in runs], rule.rule_hash)
            if current_of is not None:
                put_current_rule(db, current_of, rule, rule_name, tuned_on)

    def sightings(
        self,
        *,
        order: str = "time",
        limit: int | None = None,
        offset: int = 0,
        **wanted: Unpack[SightingFilter],
    ) -> list[Row]:
        """Stored sightings with their clip's path and site.

        order: `time` (by clip), `newest` (saved last), `label`, `site`, `confidence`,
        `least_confidence`, `duration`, `shortest`, `onset` (in media time), `last_onset`,
        `calendar` (of the onset) or `latest`.
        """
        where = sightings_where(wanted)
        page = order_of(ORDERS, order) + page_of(limit, offset)
        return self.catalog.rows(
            f"SELECT {COLUMNS} FROM {SIGHTINGS}{where.sql}{page}", where.values
        )

    def local_onsets(self, sightings: Sequence[Mapping[str, Any]]) -> dict[str, datetime]:
        """When each began by the clock of its site, by id.

        sightings: rows of `sightings`; those whose clip has no known start are left out.
        """
        rows = self.catalog.rows(
            f"""SELECT s.sighting_id, {by_clock("c.begin_utc", "s.onset_us", "c")} AS onset_local
            FROM sightings s JOIN (SELECT * FROM {CLOCKS}
                WHERE media_id IN (SELECT unnest(?::VARCHAR[]))) c USING (media_id)
            WHERE s.sighting_id IN (SELECT unnest(?::VARCHAR[])) AND c.begin_utc IS NOT NULL""",
            [
                list({row["media_id"] for row in sightings}),
                [row["sighting_id"] for row in sightings],
            ],
        )
        return {row["sighting_id"]: row["onset_local"] for row in rows}

    def sighting_keys(self, protocol_hash: str, rule_hash: str) -> list[Row]:
        """run_id, label, onset_us and offset_us of the sightings of a rule in a protocol."""
        return self.catalog.rows(
            """SELECT s.run_id, s.label, s.onset_us, s.offset_us
            FROM sightings s JOIN runs r USING (run_id)
            WHERE r.protocol_hash = ? AND s.rule_hash = ?""",
            [protocol_hash, rule_hash],
        )

    def count_sightings(self, **wanted: Unpack[SightingFilter]) -> int:
        where = sightings_where(wanted)
        with self.catalog.reading() as db:
            return count(db, f"SELECT count(*) FROM {SIGHTINGS}{where.sql}", where.values)

    def sighting_counts(
        self,
        by: str = "run_id",
        *,
        containing: str = "",
        limit: int | None = None,
        **wanted: Unpack[SightingFilter],
    ) -> dict[str, int]:
        """How many there are by `run_id`, `media_id`, `label`, `site`, `name` (of the clip's
        file), `rule_hash` or `rule_name`; also what there is to choose from in each. Those without
        a value are left out.

        containing: only values with these words; of media_id those in the clip's path, by which
        these are sorted. limit: how many values.
        """
        if by not in _COUNTED:
            raise SettingError(f"sightings are not counted by {by!r}; {closest(by, [*_COUNTED])}")
        column, where = _COUNTED[by], sightings_where(wanted)
        where.add(f"{column} IS NOT NULL")
        shown = "coalesce(m.path, '')" if by == "media_id" else column
        where.text([shown], containing)
        found = self.catalog.rows(
            f"SELECT {column} AS value, count(*) AS n FROM {SIGHTINGS}{where.sql} "
            f"GROUP BY value ORDER BY min({shown}), value{page_of(limit, 0)}",
            where.values,
        )
        return {row["value"]: row["n"] for row in found}

    def rules_of_sightings(self, containing: str = "", limit: int | None = None) -> list[Row]:
        """The rules that have stored sightings, the one that was saved last first.

        Rows: rule_hash, rule_name (None if it has none), n (sightings). containing: only those
        whose name or hash has these words.
        """
        where = Where()
        where.text(["coalesce(s.rule_name, '')", "s.rule_hash"], containing)
        return self.catalog.rows(
            f"""SELECT s.rule_hash, arg_max(s.rule_name, s.saved_utc) AS rule_name, count(*) AS n
            FROM sightings s{where.sql} GROUP BY s.rule_hash
            ORDER BY max(s.saved_utc) DESC, s.rule_hash{page_of(limit, 0)}""",
            where.values,
        )

    def sightings_extent(self, **wanted: Unpack[SightingFilter]) -> tuple[int, int]:
        """How many there are, and the latest end of all in media time, in µs; 0 of none."""
        where = sightings_where(wanted)
        found = self.catalog.rows(
            f"SELECT count(*) AS n, coalesce(max(s.offset_us), 0) AS last "
            f"FROM {SIGHTINGS}{where.sql}",
            where.values,
        )
        return (found[0]["n"], found[0]["last"]) if found else (0, 0)


_COUNTED = {
    **{name: f"s.{name}" for name in ("run_id", "media_id", "label", "rule_hash", "rule_name")},
    "site": "m.site",
    "name": "m.name",
}
