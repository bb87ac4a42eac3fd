"""Deleting runs that have ended, with what rules found in them."""

from __future__ import annotations

from collections.abc import Sequence

from lab.errors import SettingError
from lab.store.catalog import rows
from lab.store.run_queries import RunQueries
from lab.video.identity import ARRIVING

_AMONG = "run_id IN (SELECT unnest(?::VARCHAR[]))"
_ARRIVING_CLIPS = f"""SELECT DISTINCT media_id FROM runs WHERE {_AMONG}
    AND starts_with(media_id, ?)"""
_DELETE_CLIPS = "DELETE FROM media WHERE media_id IN (SELECT unnest(?::VARCHAR[]))" + "".join(
    f" AND media_id NOT IN (SELECT media_id FROM {table})"
    for table in ("runs", "annotations", "coverage", "verdicts", "sighting_marks")
)


class EndedRunRows(RunQueries):
    """The part of a store that deletes runs; `lab.runs.remove` sees to their files."""

    def delete_ended_runs(self, run_ids: Sequence[str]) -> None:
        """Forget runs with their stored sightings, in one transaction.

        A rule that was tuned on one stays current. With the last run of a clip that has not arrived
        as a whole goes the clip, unless somebody has marked something in it. Raises SettingError
        where somebody wrote of one of the runs in the notebook.
        """
        given = [list(run_ids)]
        with self.catalog.transaction() as db:
            written = rows(db, f"SELECT run_id, entry_id FROM entries WHERE {_AMONG}", given)
            if written:
                raise SettingError(
                    f"run {written[0]['run_id']} is in the notebook, entry "
                    f"{written[0]['entry_id']}; delete that entry first"
                )
            clips = [one["media_id"] for one in rows(db, _ARRIVING_CLIPS, [*given, ARRIVING])]
            db.execute(f"UPDATE current_rules SET run_id = NULL WHERE {_AMONG}", given)
            for table in ("applied_rules", "sightings", "runs"):
                db.execute(f"DELETE FROM {table} WHERE {_AMONG}", given)
            if clips:
                db.execute(_DELETE_CLIPS, [clips])
