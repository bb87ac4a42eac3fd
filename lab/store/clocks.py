"""When clips were recorded: starts by their source, clocks of cameras and their anchors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lab.annotation import utc_now
from lab.clock import Anchor, check_anchors, correction_s, placed, zone_named
from lab.errors import NotFoundError
from lab.store.catalog import Catalog, rows
from lab.store.query import Wanted, Where, insert_columns, nearest, with_rows

if TYPE_CHECKING:
    import duckdb

# Who knows best first: a start is replaced only by one from the same source or a better one.
START_SOURCES = ("entered", "table", "name", "metadata")


@dataclass(frozen=True, kw_only=True)
class ClipStart:
    """When a clip began by its camera's clock: a local time without a zone, or a time in UTC.

    source: one of `START_SOURCES`. offset_s: of `utc`, of local time from UTC. issue: of `utc`, as
    of `lab.clock.Moment`. Times without tzinfo; utc may be given beside camera_local, and holds
    as long as the clip is in no deployment, whose zone counts then.
    """

    source: str
    camera_local: datetime | None = None
    utc: datetime | None = None
    offset_s: int | None = None
    issue: str | None = None


class ClockRows:
    """The part of a store that knows when clips were recorded."""

    catalog: Catalog

    def anchors(self, deployment_id: Wanted = None) -> dict[str, list[Anchor]]:
        """The anchors by deployment, of one, of several or of all, in the order of the clock."""
        where = Where()
        where.equal("deployment_id", deployment_id)
        found = self.catalog.rows(
            f"SELECT * FROM clock_anchors{where.sql} ORDER BY deployment_id, camera_local",
            where.values,
        )
        return _by_deployment(found)

    def set_anchors(self, deployment_id: str, anchors: Sequence[Anchor]) -> list[str]:
        """Replace the anchors of a deployment; none undoes their correction. Gives warnings.

        The corrections of its clips follow at once; a correction that was entered for a clip
        itself stays. Raises NotFoundError for an unknown deployment, SettingError for anchors that
        contradict each other.
        """
        with self.catalog.transaction() as db:
            found = rows(
                db, "SELECT zone FROM deployments WHERE deployment_id = ?", [deployment_id]
            )
            if not found:
                hint = nearest(db, "deployments", "deployment_id", deployment_id)
                raise NotFoundError(f"no deployment is called {deployment_id!r} here; {hint}")
            warnings = check_anchors(anchors, zone_named(found[0]["zone"]))
            db.execute("DELETE FROM clock_anchors WHERE deployment_id = ?", [deployment_id])
            insert_columns(
                db,
                "clock_anchors",
                {
                    "deployment_id": [deployment_id] * len(anchors),
                    "camera_local": [one.camera_local for one in anchors],
                    "true_utc": [one.true_utc for one in anchors],
                    "added_utc": [utc_now()] * len(anchors),
                },
            )
            refresh_deployments(db, [deployment_id])
        return warnings

    def set_starts(self, starts: Mapping[str, ClipStart]) -> None:
        """When clips began, by media_id; what was known before is replaced."""
        ids = list(starts)
        with self.catalog.transaction() as db:
            with_rows(
                db,
                {
                    "media_id": ids,
                    "camera_local": [starts[i].camera_local for i in ids],
                    "start_utc": [starts[i].utc for i in ids],
                    "utc_offset_s": [starts[i].offset_s for i in ids],
                    "issue": [starts[i].issue for i in ids],
                    "source": [starts[i].source for i in ids],
                },
                """UPDATE media SET camera_local = given.camera_local::TIMESTAMP,
                start_utc = given.start_utc::TIMESTAMP,
                utc_offset_s = given.utc_offset_s::INTEGER,
                timestamp_issue = given.issue::VARCHAR, start_source = given.source
                FROM given WHERE media.media_id = given.media_id""",
            )
            refresh_clips(db, ids)


def refresh_deployments(db: duckdb.DuckDBPyConnection, deployment_ids: Sequence[str]) -> None:
    """As `refresh_clips`, of all clips of deployments."""
    found = rows(
        db,
        "SELECT media_id FROM media WHERE deployment_id IN (SELECT unnest(?::VARCHAR[]))",
        [list(deployment_ids)],
    )
    refresh_clips(db, [row["media_id"] for row in found])


def refresh_clips(db: duckdb.DuckDBPyConnection, media_ids: Sequence[str]) -> None:
    """Derive again what follows from a clip's deployment: its start in UTC where the camera
    named no zone, and the correction of its clock where it has anchors.
    """
    clips = rows(
        db,
        """SELECT media_id, m.deployment_id, camera_local, m.start_utc, utc_offset_s,
        timestamp_issue, coalesce(clock_correction_s, 0) AS clock_correction_s, correction_source,
        d.zone FROM media m LEFT JOIN deployments d USING (deployment_id)
        WHERE media_id IN (SELECT unnest(?::VARCHAR[]))""",
        [list(media_ids)],
    )
    known = rows(db, "SELECT * FROM clock_anchors ORDER BY deployment_id, camera_local")
    anchors = _by_deployment(known)
    for clip in clips:
        _derive(clip, anchors.get(clip["deployment_id"], []))
    columns = ("media_id", "start_utc", "utc_offset_s", "timestamp_issue", "clock_correction_s",
               "correction_source")  # fmt: skip
    with_rows(
        db,
        {name: [clip[name] for clip in clips] for name in columns},
        """UPDATE media SET start_utc = given.start_utc::TIMESTAMP,
        utc_offset_s = given.utc_offset_s::INTEGER,
        timestamp_issue = given.timestamp_issue::VARCHAR,
        clock_correction_s = given.clock_correction_s,
        correction_source = given.correction_source::VARCHAR
        FROM given WHERE media.media_id = given.media_id""",
    )


def _derive(clip: dict[str, Any], anchors: Sequence[Anchor]) -> None:
    zone = zone_named(clip["zone"]) if clip["zone"] is not None else None
    if zone is not None and clip["camera_local"] is not None:
        moment = placed(clip["camera_local"], zone)
        clip["start_utc"], clip["utc_offset_s"] = moment.utc, moment.offset_s
        clip["timestamp_issue"] = moment.issue
    is_derived = clip["correction_source"] == "anchors"
    if zone is not None and anchors and clip["start_utc"] is not None:
        if is_derived or not clip["clock_correction_s"]:
            clip["clock_correction_s"] = correction_s(anchors, zone, clip["start_utc"])
            clip["correction_source"] = "anchors"
    elif is_derived:
        clip["clock_correction_s"], clip["correction_source"] = 0.0, None


def _by_deployment(found: Iterable[Mapping[str, Any]]) -> dict[str, list[Anchor]]:
    anchors: dict[str, list[Anchor]] = {}
    for row in found:
        one = Anchor(row["camera_local"], row["true_utc"])
        anchors.setdefault(row["deployment_id"], []).append(one)
    return anchors
