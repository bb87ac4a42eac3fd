"""What a policy of retention needs to know of runs and clips, and its marks in the catalog.

Why a thing is kept is one word, and the first that holds; `lab.retention.reasons` has the
sentences. What is marked is looked at again in the same transaction, since somebody may have
annotated, or begun a run, after the preview.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lab.store.catalog import Catalog, rows

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]

_FACTS = """WITH reviewed AS (SELECT media_id FROM annotations UNION SELECT media_id FROM coverage
        UNION SELECT media_id FROM verdicts
        UNION SELECT media_id FROM sighting_marks),
    audited AS (SELECT DISTINCT unnest(audit->>'$.strata[*].drawn[*]') AS media_id FROM audits),
    noted AS (SELECT run_id FROM entries UNION SELECT substr(parent, 5) FROM (
        SELECT unnest(from_json(parents, '["VARCHAR"]')) AS parent FROM entries)
        WHERE starts_with(parent, 'run-')),
    standing AS (SELECT * FROM current_rules WHERE undone_utc IS NULL
        QUALIFY row_number() OVER (PARTITION BY protocol_hash ORDER BY number DESC) = 1),
    tuned AS (SELECT run_id FROM standing WHERE run_id IS NOT NULL
        UNION SELECT run_id FROM rules WHERE run_id IS NOT NULL),
    found AS (SELECT run_id, count(*) AS sightings FROM sightings GROUP BY run_id),
    lacking AS (SELECT r.run_id FROM runs r JOIN standing s USING (protocol_hash)
        WHERE NOT EXISTS (SELECT 1 FROM applied_rules a
            WHERE a.run_id = r.run_id AND a.rule_hash = s.rule_hash)),
    facts AS (SELECT r.run_id, r.media_id, r.state, r.log_removed_utc, r.recipe_hash,
        coalesce(r.finished_utc, r.created_utc) AS since_utc, coalesce(f.sightings, 0) AS sightings,
        CASE WHEN r.state = 'running' THEN 'running' WHEN r.state <> 'done' THEN 'unfinished'
        WHEN r.media_id IN (SELECT media_id FROM reviewed) THEN 'reviewed'
        WHEN r.media_id IN (SELECT media_id FROM audited) THEN 'audited'
        WHEN r.run_id IN (SELECT run_id FROM noted) THEN 'noted'
        WHEN r.run_id IN (SELECT run_id FROM tuned) THEN 'tuned'
        WHEN r.run_id IN (SELECT run_id FROM lacking) THEN 'lacking'
        WHEN r.run_id NOT IN (SELECT run_id FROM applied_rules) THEN 'unapplied' END AS kept
        FROM runs r LEFT JOIN found f USING (run_id)) """
_CLIPS = """, done AS (SELECT DISTINCT media_id FROM runs WHERE state = 'done'),
    begun AS (SELECT media_id FROM runs WHERE state = 'running'),
    unfinished AS (SELECT media_id FROM runs WHERE state <> 'done' AND recipe_hash NOT IN
        (SELECT recipe_hash FROM runs WHERE state = 'done')),
    seen AS (SELECT media_id, sum(sightings) AS sightings FROM facts GROUP BY media_id),
    noted_clips AS (SELECT media_id FROM facts WHERE run_id IN (SELECT run_id FROM noted)),
    clips AS (SELECT m.media_id, m.path, m.name, m.size_bytes, m.added_utc, m.file_removed_utc,
        coalesce(s.sightings, 0) AS sightings,
        m.media_id IN (SELECT media_id FROM reviewed) AS is_reviewed,
        CASE WHEN m.media_id IN (SELECT media_id FROM begun) THEN 'running'
        WHEN m.media_id IN (SELECT media_id FROM reviewed) THEN 'reviewed'
        WHEN m.media_id IN (SELECT media_id FROM audited) THEN 'audited'
        WHEN m.media_id IN (SELECT media_id FROM noted_clips) THEN 'noted'
        WHEN m.media_id IN (SELECT media_id FROM unfinished) THEN 'unfinished'
        WHEN m.media_id NOT IN (SELECT media_id FROM done) THEN 'new' END AS kept
        FROM media m LEFT JOIN seen s USING (media_id)) """


class RetentionRows:
    """The part of a store that knows what may go, and marks what went."""

    catalog: Catalog

    def retention_runs(self) -> list[Row]:
        """Every run, the oldest first: run_id, media_id, name (of its clip), state, since_utc,
        sightings (saved of all rules), log_removed_utc, and kept: why its log is, or None.
        """
        return self.catalog.rows(
            f"{_FACTS}SELECT facts.*, m.name FROM facts LEFT JOIN media m USING (media_id) "
            "ORDER BY since_utc, run_id"
        )

    def retention_clips(self) -> list[Row]:
        """Every clip, the oldest first: media_id, path, name, size_bytes, added_utc, sightings,
        is_reviewed, file_removed_utc, and kept: why its file is, or None.
        """
        return self.catalog.rows(
            f"{_FACTS}{_CLIPS}SELECT * FROM clips ORDER BY added_utc, path, media_id"
        )

    def mark_logs_removed(
        self, run_ids: Sequence[str], removed_utc: datetime, *, unapplied: bool = False
    ) -> dict[str, str | None]:
        """Note of runs that their logs are removed, but for those that are kept by now.

        Returns why each of those given is kept, None for those that are marked, also before, in
        one transaction. unapplied: also runs to which no rule was applied. Whoever calls it holds
        the logs' locks.
        """
        facts = f"{_FACTS}SELECT run_id AS id, kept, log_removed_utc AS gone_utc FROM facts"
        mark = "runs SET log_removed_utc = ? WHERE log_removed_utc IS NULL AND run_id"
        allowed = {"unapplied"} if unapplied else set()
        return self._mark_removed(facts, mark, run_ids, removed_utc, allowed)

    def mark_files_removed(
        self, media_ids: Sequence[str], removed_utc: datetime
    ) -> dict[str, str | None]:
        """The same of clips whose files were copied into the store."""
        facts = (
            f"{_FACTS}{_CLIPS}SELECT media_id AS id, kept, file_removed_utc AS gone_utc FROM clips"
        )
        mark = "media SET file_removed_utc = ? WHERE file_removed_utc IS NULL AND media_id"
        return self._mark_removed(facts, mark, media_ids, removed_utc)

    def _mark_removed(
        self,
        facts: str,
        mark: str,
        ids: Sequence[str],
        removed_utc: datetime,
        allowed: Collection[str] = (),
    ) -> dict[str, str | None]:
        """facts: a query of id, kept and gone_utc. mark: what is updated, up to the id's column.
        allowed: reasons that keep nothing.
        """
        among = "IN (SELECT unnest(?::VARCHAR[]))"
        with self.catalog.transaction() as db:
            found = rows(db, f"SELECT * FROM ({facts}) WHERE id {among}", [list(ids)])
            kept: dict[str, str | None] = {
                row["id"]: None
                if row["gone_utc"] is not None or row["kept"] in allowed
                else row["kept"]
                for row in found
            }
            go = [one for one, why in kept.items() if why is None]
            db.execute(f"UPDATE {mark} {among}", [removed_utc, go])
        return {one: kept.get(one, "gone") for one in ids}

    def unmark_logs_removed(self, run_ids: Sequence[str]) -> None:
        """Take back the marks of runs whose logs could not be removed. Under their locks."""
        with self.catalog.transaction() as db:
            db.execute(
                "UPDATE runs SET log_removed_utc = NULL "
                "WHERE run_id IN (SELECT unnest(?::VARCHAR[]))",
                [list(run_ids)],
            )

    def uncounted_rules(self, run_ids: Sequence[str]) -> dict[str, list[str]]:
        """Of runs, by id: the hashes of rules with sightings whose MaxN was never counted."""
        found = self.catalog.rows(
            "SELECT run_id, list(DISTINCT rule_hash) AS rules FROM sightings "
            "WHERE most_at_once IS NULL AND run_id IN (SELECT unnest(?::VARCHAR[])) "
            "GROUP BY run_id",
            [list(run_ids)],
        )
        return {row["run_id"]: row["rules"] for row in found}

    def was_applied(self, run_id: str, rule_hash: str) -> bool:
        """Whether the sightings of a rule were saved in a run, also if there were none."""
        return bool(
            self.catalog.rows(
                "SELECT 1 FROM applied_rules WHERE run_id = ? AND rule_hash = ? LIMIT 1",
                [run_id, rule_hash],
            )
        )

    def count_removed_logs(self, protocol_hash: str | None = None) -> int:
        """How many runs have no log any more, of one protocol or of all."""
        found = self.catalog.rows(
            "SELECT count(*) AS n FROM runs WHERE log_removed_utc IS NOT NULL "
            "AND (?::VARCHAR IS NULL OR protocol_hash = ?)",
            [protocol_hash, protocol_hash],
        )
        return int(found[0]["n"]) if found else 0


def put_log_removed(
    db: duckdb.DuckDBPyConnection, run_id: str, removed_utc: str | datetime | None
) -> None:
    """Take over, inside a transaction, what a log's folder says of its removal."""
    db.execute("UPDATE runs SET log_removed_utc = ? WHERE run_id = ?", [removed_utc, run_id])
