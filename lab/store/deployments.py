"""Deployments in the catalog, and the clips in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lab.annotation import utc_now
from lab.deployment import Deployment, Failure
from lab.errors import NotFoundError
from lab.store.catalog import rows
from lab.store.clocks import ClockRows, refresh_clips, refresh_deployments
from lab.store.query import Wanted, Where, insert_columns, nearest, with_rows

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]
_COLUMNS = ("deployment_id", "location_id", "location_name", "site", "latitude", "longitude",
            "camera_id", "start_utc", "end_utc", "zone")  # fmt: skip
_IDS = "deployment_id IN (SELECT unnest(?::VARCHAR[]))"
_AT_UTC = "m.start_utc + to_microseconds(round(1e6 * coalesce(m.clock_correction_s, 0))::BIGINT)"
_FACTS = f"""SELECT d.deployment_id, count(m.media_id) AS clips,
    count(*) FILTER (m.media_id IS NOT NULL AND m.start_utc IS NULL) AS without_start,
    count(m.timestamp_issue) AS timestamp_issues,
    count(*) FILTER ({_AT_UTC} NOT BETWEEN d.start_utc AND d.end_utc) AS outside,
    count(*) FILTER (m.correction_source = 'anchors') AS corrected
    FROM deployments d LEFT JOIN media m USING (deployment_id) GROUP BY d.deployment_id"""
# Of each clip the run that analysed most of it, as in the library's totals.
_EFFORT = """SELECT m.deployment_id, count(DISTINCT media_id) AS clips_analysed,
    coalesce(sum(seconds), 0.0) AS analysed_s FROM media m JOIN (
        SELECT media_id, max((effort->>'analysed_s')::DOUBLE) AS seconds FROM runs
        WHERE state = 'done' GROUP BY media_id) USING (media_id)
    WHERE m.deployment_id IS NOT NULL GROUP BY m.deployment_id"""


class DeploymentRows(ClockRows):
    """The part of a store that keeps deployments."""

    def deployments(self, deployment_id: Wanted = None) -> list[Deployment]:
        """Deployments by site and start: one, several or all."""
        where = Where()
        where.equal("deployment_id", deployment_id)
        with self.catalog.reading() as db:
            found = rows(
                db,
                f"SELECT * FROM deployments{where.sql} ORDER BY site, start_utc, deployment_id",
                where.values,
            )
            failures = rows(db, "SELECT * FROM deployment_failures ORDER BY start_utc")
        by_id: dict[str, list[Failure]] = {}
        for row in failures:
            one = Failure(row["start_utc"], row["end_utc"], row["reason"])
            by_id.setdefault(row["deployment_id"], []).append(one)
        return [_deployment(row, by_id.get(row["deployment_id"], [])) for row in found]

    def deployment(self, deployment_id: str) -> Deployment:
        """Raises NotFoundError if there is none with this id."""
        found = self.deployments(deployment_id)
        if not found:
            with self.catalog.reading() as db:
                hint = nearest(db, "deployments", "deployment_id", deployment_id)
            raise NotFoundError(f"no deployment is called {deployment_id!r} here; {hint}")
        return found[0]

    def deployment_facts(self) -> dict[str, Row]:
        """By id: clips, and how many of these have no start (without_start), a start at a change
        of the clock (timestamp_issues), begin outside of the period (outside), or have their clock
        corrected by anchors (corrected).
        """
        return {row["deployment_id"]: row for row in self.catalog.rows(_FACTS)}

    def deployment_effort(self) -> dict[str, Row]:
        """By id: clips_analysed and analysed_s, each clip once; those without any are left out."""
        return {row["deployment_id"]: row for row in self.catalog.rows(_EFFORT)}

    def put_deployments(self, given: Sequence[Deployment]) -> None:
        """Keep deployments, in one transaction; those that are known are replaced.

        Site, start and clock of their clips follow. Anchors stay.
        """
        if not given:
            return
        ids = [one.deployment_id for one in given]
        columns: dict[str, list[Any]] = {n: [getattr(d, n) for d in given] for n in _COLUMNS}
        columns["details"] = [json.dumps(dict(one.details)) for one in given]
        columns["added_utc"] = [utc_now()] * len(given)
        failures = [(d.deployment_id, f) for d in given for f in d.failures]
        with self.catalog.transaction() as db:
            for table in ("deployments", "deployment_failures"):
                db.execute(f"DELETE FROM {table} WHERE {_IDS}", [ids])
            insert_columns(db, "deployments", columns)
            insert_columns(
                db,
                "deployment_failures",
                {
                    "deployment_id": [name for name, _ in failures],
                    "start_utc": [one.start_utc for _, one in failures],
                    "end_utc": [one.end_utc for _, one in failures],
                    "reason": [one.reason for _, one in failures],
                },
            )
            _take_sites(db, ids)
            refresh_deployments(db, ids)

    def delete_deployments(self, deployment_ids: Sequence[str]) -> None:
        """Forget deployments with their failures and anchors; their clips are in none then, and
        keep their sites and starts.
        """
        ids = list(deployment_ids)
        with self.catalog.transaction() as db:
            found = rows(db, f"SELECT media_id FROM media WHERE {_IDS}", [ids])
            clips = [row["media_id"] for row in found]
            db.execute(f"UPDATE media SET deployment_id = NULL WHERE {_IDS}", [ids])
            for table in ("deployments", "deployment_failures", "clock_anchors"):
                db.execute(f"DELETE FROM {table} WHERE {_IDS}", [ids])
            refresh_clips(db, clips)

    def join_clips(self, joins: Mapping[str, str | None]) -> None:
        """Put clips into deployments, or with None into none, in one transaction.

        joins: deployment_id by media_id. A clip takes the site of its deployment, and its start is
        read in the deployment's zone. Raises NotFoundError for an unknown deployment.
        """
        wanted = {name for name in joins.values() if name is not None}
        known = self.catalog.rows(
            f"SELECT deployment_id FROM deployments WHERE {_IDS}", [list(wanted)]
        )
        for name in sorted(wanted - {row["deployment_id"] for row in known}):
            self.deployment(name)
        with self.catalog.transaction() as db:
            with_rows(
                db,
                {"media_id": list(joins), "deployment_id": list(joins.values())},
                "UPDATE media SET deployment_id = given.deployment_id::VARCHAR FROM given "
                "WHERE media.media_id = given.media_id",
            )
            _take_sites(db, [name for name in set(joins.values()) if name is not None])
            refresh_clips(db, list(joins))


def _take_sites(db: duckdb.DuckDBPyConnection, deployment_ids: Sequence[str]) -> None:
    db.execute(
        "UPDATE media SET site = d.site FROM deployments d "
        f"WHERE media.deployment_id = d.deployment_id AND d.{_IDS}",
        [list(deployment_ids)],
    )


def _deployment(row: Row, failures: Sequence[Failure]) -> Deployment:
    values = {name: row[name] for name in _COLUMNS if name != "site"}
    return Deployment(**values, details=json.loads(row["details"]), failures=tuple(failures))
