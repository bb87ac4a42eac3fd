"""What charts are made of: sightings and the stretches that runs analysed, as Arrow tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Unpack

import numpy as np
import pyarrow as pa

from lab.rules.rule import Rule
from lab.score_log.effort_now import effort_now
from lab.store.catalog import rows
from lab.store.current_rules import CURRENT_RULES
from lab.store.query import Where
from lab.store.sighting_filter import JUDGED_SIGHTINGS
from lab.store.sightings import SIGHTINGS, SightingFilter, SightingRows, sightings_where

# Of a clip that was analysed twice in the same way the finished run that is newest.
_RANK = """row_number() OVER (PARTITION BY media_id, protocol_hash
    ORDER BY (state = 'done') DESC, created_utc DESC, run_id DESC)"""
_SIGHTINGS = """SELECT s.sighting_id, r.rowid AS run, hash(s.rule_hash) AS rule,
    {label} AS label, s.label AS logged, s.onset_us, s.offset_us,
    s.peak_confidence, s.censored_left OR s.censored_right AS censored"""
_SHARE = "(r.effort->>'{}')::DOUBLE"
_EFFORT = ("analysed_s", "failed_s", "gated_s", "gap_s")
_RUNS = f"""SELECT r.run, r.run_id, r.media_id, r.protocol_hash,
    coalesce(r.labels, '[]') AS labels,
    coalesce((r.recipe->>'start_s')::DOUBLE, 0) AS start_s,
    coalesce((r.recipe->>'every_s')::DOUBLE, 0) AS every_s,
    {", ".join(f"coalesce({_SHARE.format(name)}, 0) AS {name}" for name in _EFFORT)},
    m.site, coalesce(m.first_pts_us, 0) AS first_pts_us,
    epoch_us(m.start_utc) + round(1e6 * coalesce(m.clock_correction_s, 0))::BIGINT AS start_us,
    m.utc_offset_s, d.zone, d.latitude, d.longitude, r.rank = 1 AS is_newest,
    {{decided}} AS is_decided, r.log_removed_utc IS NULL AS has_log,
    r.state = 'running' AS is_running
    FROM (SELECT *, rowid AS run, {_RANK} AS rank FROM runs) r JOIN media m USING (media_id)
    LEFT JOIN deployments d ON d.deployment_id = m.deployment_id
    LEFT JOIN ({CURRENT_RULES}) c ON c.protocol_hash = r.protocol_hash"""
# A rule says of a run what was there, and what was not: it was applied to all clips after the run
# ended, while there was a log to apply it to, or sightings of it are saved.
_DECIDED = """((EXISTS (SELECT 1 FROM current_rules a WHERE a.protocol_hash = r.protocol_hash
    AND a.undone_utc IS NULL AND a.set_utc >= r.finished_utc AND {of_applied})
    AND (r.log_removed_utc IS NULL OR EXISTS (SELECT 1 FROM applied_rules a
        WHERE a.run_id = r.run_id AND {of_applied})))
    OR r.run_id IN (SELECT s.run_id FROM sightings s WHERE {of_saved}))"""


class ChartRows(SightingRows):
    """The part of a store that charts read."""

    def chart_rows(self, **wanted: Unpack[SightingFilter]) -> tuple[pa.Table, pa.Table]:
        """Sightings, and the runs among which they were chosen, of one moment, without order.

        Sightings: sighting_id, run (a number that the runs have too), rule (a number), label,
        logged (the label in the log, another one where it was relabelled), onset_us and offset_us
        in media time, peak_confidence, censored (one of its ends is not
        known). Conditions on sightings alone are ignored for runs, whose columns are: run, run_id,
        media_id, protocol_hash, labels (JSON), start_s, every_s, analysed_s, failed_s, gated_s and
        gap_s; of the clip site, first_pts_us, start_us (of media time 0: microseconds since 1970
        in UTC, corrected, or null), utc_offset_s; of its deployment zone, latitude, longitude;
        is_newest (of its clip and protocol), is_decided (whether it is known what the rule finds),
        has_log (whether its score log is there, so that another rule can be applied), is_running
        (it goes on, or nobody closed it: what was analysed is as its log says by now).
        """
        chosen = sightings_where(wanted)
        decided, values = _decided(wanted)
        where = Where(*values)
        for name, column in _OF_RUNS.items():
            where.equal(column, wanted.get(name))  # type: ignore[arg-type]
        where.text(_TEXTS, wanted.get("text"))
        with self.catalog.reading() as db:
            if db is None:
                return _NO_SIGHTINGS.empty_table(), _NO_RUNS.empty_table()
            is_judged = wanted.get("as_judged")
            label = "coalesce(v.new_label, s.label)" if is_judged else "s.label"
            tables = JUDGED_SIGHTINGS if is_judged else SIGHTINGS
            columns = _SIGHTINGS.format(label=label)
            found = db.sql(f"{columns} FROM {tables}{chosen.sql}", params=chosen.values)
            sightings = found.to_arrow_table()
            query = _RUNS.format(decided=decided) + where.sql
            runs = db.sql(query, params=where.values).to_arrow_table()
        return sightings, self._with_effort_now(runs)

    def _with_effort_now(self, runs: pa.Table) -> pa.Table:
        """With the hours of runs that go on, whose sightings are there already."""
        counts = runs["is_running"].to_numpy() & runs["is_decided"].to_numpy()
        going_on = np.flatnonzero(counts).tolist()
        if not going_on:
            return runs
        columns = {name: runs[name].to_numpy().copy() for name in _EFFORT}
        for i in going_on:
            folder = self.log_folder(runs["run_id"][i].as_py())
            effort = effort_now(folder, runs["every_s"][i].as_py())
            if effort is not None:
                for name, values in columns.items():
                    values[i] = getattr(effort, name)
        for name, values in columns.items():
            at = runs.column_names.index(name)
            runs = runs.set_column(at, name, pa.array(values, pa.float64()))
        return runs

    def rules_of(self, sighting_ids: Sequence[str]) -> list[Rule]:
        """The rule of each of these sightings."""
        with self.catalog.reading() as db:
            found = (
                []
                if db is None
                else rows(
                    db,
                    """SELECT sighting_id, rule_hash, rule FROM sightings
                WHERE sighting_id IN (SELECT unnest(?::VARCHAR[]))""",
                    [list(sighting_ids)],
                )
            )
        made = {row["rule_hash"]: row["rule"] for row in found}
        rules = {name: Rule.from_dict(json.loads(text)) for name, text in made.items()}
        by_id = {row["sighting_id"]: rules[row["rule_hash"]] for row in found}
        return [by_id[name] for name in sighting_ids]

    def labels_in_order(self, few: int) -> list[str]:
        """All labels that were searched for, seen, or given by hand, for colours that stay.

        Up to `few` of them stand in the order of the logs, that of most runs first; more than that
        by their number of stored sightings.
        """
        with self.catalog.reading() as db:
            if db is None:
                return []
            searched = rows(
                db,
                """SELECT labels, min(created_utc) AS first FROM runs WHERE labels IS NOT NULL
                GROUP BY labels ORDER BY count(*) DESC, first, labels""",
            )
            seen = rows(
                db, "SELECT label FROM sightings GROUP BY label ORDER BY count(*) DESC, label"
            )
            given = rows(
                db, "SELECT DISTINCT new_label FROM verdicts WHERE new_label IS NOT NULL ORDER BY 1"
            )
        frequent = [row["label"] for row in seen]
        by_hand = [row["new_label"] for row in given]
        logged = [label for row in searched for label in json.loads(row["labels"])]
        found = list(dict.fromkeys([*logged, *sorted(frequent), *by_hand]))
        return found if len(found) <= few else list(dict.fromkeys([*frequent, *found]))


_TEXTS = ("coalesce(m.path, '')", "coalesce(m.site, '')", "coalesce(r.labels, '')",
          """coalesce((SELECT string_agg(DISTINCT s.rule_name, ' ') FROM sightings s
          WHERE s.run_id = r.run_id), '')""")  # fmt: skip
_OF_RUNS = {"run_id": "r.run_id", "media_id": "r.media_id", "site": "m.site", "name": "m.name"}


def _decided(wanted: SightingFilter) -> tuple[str, list[str]]:
    """Whether it is known what the chosen rules find in a run, as SQL with its parameters."""
    chosen = wanted.get("rule_hash")
    if chosen is not None:
        hashes = [chosen] if isinstance(chosen, str) else list(chosen)
        marks = ", ".join("?" * len(hashes)) or "NULL"
        of = [f"{table}.rule_hash IN ({marks})" for table in "as"]
        return _DECIDED.format(of_applied=of[0], of_saved=of[1]), hashes * 3
    if wanted.get("current"):
        is_current = "s.rule_hash = coalesce(c.rule_hash, s.rule_hash)"
        return _DECIDED.format(of_applied="a.rule_hash = c.rule_hash", of_saved=is_current), []
    return _DECIDED.format(of_applied="true", of_saved="true"), []


_NO_SIGHTINGS = pa.schema(
    [
        ("sighting_id", pa.string()),
        ("run", pa.int64()),
        ("rule", pa.uint64()),
        ("label", pa.string()),
        ("logged", pa.string()),
        ("onset_us", pa.int64()),
        ("offset_us", pa.int64()),
        ("peak_confidence", pa.float64()),
        ("censored", pa.bool_()),
    ]
)
_NO_RUNS = pa.schema(
    [
        ("run", pa.int64()),
        *((name, pa.string()) for name in ("run_id", "media_id", "protocol_hash", "labels")),
        *((name, pa.float64()) for name in ("start_s", "every_s", *_EFFORT)),
        ("site", pa.string()),
        ("first_pts_us", pa.int64()),
        ("start_us", pa.int64()),
        ("utc_offset_s", pa.int32()),
        ("zone", pa.string()),
        ("latitude", pa.float64()),
        ("longitude", pa.float64()),
        ("is_newest", pa.bool_()),
        ("is_decided", pa.bool_()),
        ("has_log", pa.bool_()),
        ("is_running", pa.bool_()),
    ]
)
