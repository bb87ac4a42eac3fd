"""How much a store has: clips, hours, sightings, and what was watched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.score_log.effort_now import effort_now
from lab.store.annotations import AnnotationRows
from lab.store.sightings import IS_CURRENT, SIGHTINGS

_WATCHED = """SELECT coalesce(sum(greatest(0, least(end_us, last_us) -
    greatest(start_us, first_us, coalesce(before_us, first_us)))), 0) FROM (
    SELECT c.start_us, c.end_us, m.first_pts_us AS first_us, m.end_us AS last_us,
    max(c.end_us) OVER (PARTITION BY c.media_id ORDER BY c.start_us, c.end_us
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before_us
    FROM coverage c JOIN media m USING (media_id))"""
_TOTALS = f"""SELECT (SELECT count(*) FROM media) AS clips,
    (SELECT coalesce(sum(end_us - first_pts_us), 0) / 1e6 FROM media) AS video_s,
    (SELECT coalesce(sum(seconds), 0) FROM (SELECT max((effort->>'analysed_s')::DOUBLE) AS seconds
        FROM runs GROUP BY media_id)) AS analysed_s,
    (SELECT count(*) FROM {SIGHTINGS} WHERE {IS_CURRENT}) AS sightings,
    ({_WATCHED}) / 1e6 AS watched_s"""
# What goes on, and how much of its clip was analysed by runs that ended.
_GOING_ON = """SELECT run_id, media_id, coalesce((recipe->>'every_s')::DOUBLE, 0) AS every_s,
    coalesce((SELECT max((o.effort->>'analysed_s')::DOUBLE) FROM runs o
        WHERE o.media_id = r.media_id), 0) AS known_s
    FROM runs r WHERE state = 'running'"""


class TotalRows(AnnotationRows):
    """The part of a store that counts what it has."""

    def log_folder(self, run_id: str) -> Path:
        raise NotImplementedError

    def library_totals(self) -> dict[str, Any]:
        """clips, video_s, analysed_s (each clip counts once; of runs that go on, as far as they
        have come), watched_s (whatever the label), and sightings: those of
        `count_sightings(current=True)`.
        """
        found = self.catalog.rows(_TOTALS)
        none = {"clips": 0, "video_s": 0.0, "analysed_s": 0.0, "sightings": 0, "watched_s": 0.0}
        if not found:
            return none
        return {**found[0], "analysed_s": found[0]["analysed_s"] + self._analysed_meanwhile_s()}

    def _analysed_meanwhile_s(self) -> float:
        """By runs that go on, beyond what others have analysed of their clips."""
        more_s: dict[str, float] = {}
        for row in self.catalog.rows(_GOING_ON):
            effort = effort_now(self.log_folder(row["run_id"]), row["every_s"])
            if effort is not None:
                beyond_s = max(0.0, effort.analysed_s - row["known_s"])
                more_s[row["media_id"]] = max(more_s.get(row["media_id"], 0.0), beyond_s)
        return sum(more_s.values())
