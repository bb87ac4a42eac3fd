"""What people say of stored sightings: verdicts, and deletion.

A verdict is of a stretch of a clip with its label, not of a row, so that it is still there when the
rule is applied again. It says nothing of the rest of the clip: no coverage follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import pyarrow as pa

from lab.annotation import ANSWERS, utc_now
from lab.errors import SettingError, closest
from lab.store.changes import IN_PICKED, Change, Table, keys_of, put_rows, take_rows
from lab.store.query import count
from lab.store.sighting_filter import SightingFilter, last_verdicts
from lab.store.sighting_marks import MarkRows, check_text
from lab.store.sightings import Row

_NEW_ID = "substr(replace(uuid()::VARCHAR, '-', ''), 1, 16)"


class ReviewRows(MarkRows):
    """The part of a store that keeps what people say of sightings."""

    def judge_sightings(
        self,
        verdict: str,
        /,
        *,
        new_label: str | None = None,
        annotator: str = "me",
        **wanted: Unpack[SightingFilter],
    ) -> Change:
        """Give the same verdict on sightings, in place of the annotator's earlier one.

        verdict: `accepted`, `rejected` or `unsure`. new_label: of a rejected sighting, what was
        there instead. What was there becomes an annotation of origin `accepted` (its edges are
        copied, so they measure nothing), unless one of its label is there already. Raises
        SettingError.
        """
        if verdict not in ANSWERS:
            raise SettingError(f"no verdict {verdict!r}; {closest(verdict, list(ANSWERS))}")
        if new_label is not None:
            new_label = new_label.strip()
            check_text("a label", new_label, 255)
            if verdict != "rejected":
                raise SettingError("only a rejected sighting has a new label")
        with self.picked(wanted) as (db, n):
            verdicts = take_rows(db, "verdicts", _OWN_VERDICTS, [annotator])
            annotations = take_rows(db, "annotations", _OWN_COPIES, [annotator])
            made: dict[Table, pa.Table] = {}
            values = [new_label, verdict, annotator, new_label, utc_now()]
            made["verdicts"] = db.sql(_NEW_VERDICTS, params=values).to_arrow_table()
            if verdict == "accepted" or new_label is not None:
                values = [annotator, utc_now(), new_label]
                made["annotations"] = db.sql(_NEW_COPIES, params=values).to_arrow_table()
            for table, given in made.items():
                put_rows(db, table, given)
            self.annotations_changed()
        return Change(
            what=f"relabelled as {new_label}" if new_label else verdict,
            count=n,
            removed={"verdicts": verdicts, "annotations": annotations},
            added={table: keys_of(table, given) for table, given in made.items()},
        )

    def forget_verdicts(self, *, annotator: str = "me", **wanted: Unpack[SightingFilter]) -> Change:
        """Take an annotator's verdicts on sightings away, with what was annotated by them."""
        with self.picked(wanted) as (db, n):
            verdicts = take_rows(db, "verdicts", _OWN_VERDICTS, [annotator])
            annotations = take_rows(db, "annotations", _OWN_COPIES, [annotator])
            self.annotations_changed()
        removed: dict[Table, pa.Table] = {"verdicts": verdicts, "annotations": annotations}
        return Change(what="not reviewed", count=n, removed=removed, added={})

    def delete_sightings(self, **wanted: Unpack[SightingFilter]) -> Change:
        """Forget sightings with their tags and notes; see `what_goes_with_sightings`."""
        with self.picked(wanted) as (db, n):
            sightings = take_rows(
                db, "sightings", "sighting_id IN (SELECT sighting_id FROM picked)"
            )
            left = "NOT EXISTS (SELECT 1 FROM sightings s WHERE " + _is_of("s", "t") + ")"
            marks = take_rows(db, "sighting_marks", f"{IN_PICKED} AND {left}")
        removed: dict[Table, pa.Table] = {"sightings": sightings, "sighting_marks": marks}
        return Change(what="deleted", count=n, removed=removed, added={})

    def what_goes_with_sightings(self, **wanted: Unpack[SightingFilter]) -> dict[str, int]:
        """How many there are (`sightings`), with how many `tags_and_notes` that go with them, and
        how many `verdicts` and `annotations` of theirs stay.
        """
        stays = {"verdicts": IN_PICKED, "annotations": f"{IN_PICKED} AND origin = 'accepted'"}
        with self.picked(wanted) as (db, n):
            marks = count(db, f"SELECT count(*) FROM sighting_marks t WHERE {IN_PICKED}")
            found = {
                table: count(db, f"SELECT count(*) FROM {table} t WHERE {where}")
                for table, where in stays.items()
            }
        return {"sightings": n, "tags_and_notes": marks, **found}

    def reviews_of(self, sightings: Sequence[Mapping[str, Any]]) -> dict[str, Row]:
        """What was said of each of these, by its id: verdict (any of `VERDICTS`, or None),
        new_label, tags and note.

        sightings: rows with sighting_id.
        """
        ids = [row["sighting_id"] for row in sightings]
        found = self.catalog.rows(
            f"""SELECT s.sighting_id, v.verdict, v.new_label, coalesce(t.tags, []) AS tags,
            coalesce(t.note, '') AS note FROM sightings s
            LEFT JOIN {last_verdicts(_OF_MEDIA)} v ON {_is_of("s", "v")}
            LEFT JOIN sighting_marks t ON {_is_of("s", "t")}
            WHERE s.sighting_id IN (SELECT unnest(?::VARCHAR[]))""",
            [ids, ids],
        )
        return {row.pop("sighting_id"): row for row in found}


_OWN_VERDICTS = f"{IN_PICKED} AND t.annotator = ?"
_OF_MEDIA = """WHERE media_id IN (SELECT media_id FROM sightings
    WHERE sighting_id IN (SELECT unnest(?::VARCHAR[])))"""
# Also those of another label, by an earlier verdict.
_OWN_COPIES = """t.origin = 'accepted' AND t.annotator = ? AND
    (t.media_id, t.start_us, t.end_us, t.label) IN (
        SELECT (media_id, start_us, end_us, label) FROM picked UNION ALL
        SELECT (media_id, start_us, end_us, new_label) FROM taken_verdicts
        WHERE new_label IS NOT NULL)"""
_NEW_VERDICTS = f"""SELECT {_NEW_ID} AS verdict_id, media_id, label, start_us, end_us,
    CASE WHEN label = ? THEN 'accepted' ELSE ? END AS verdict, ? AS annotator,
    any_value(run_id) AS run_id, any_value(rule_hash) AS rule_hash,
    nullif(?::VARCHAR, label) AS new_label, ?::TIMESTAMP AS created_utc
    FROM picked GROUP BY media_id, label, start_us, end_us"""
_NEW_COPIES = f"""SELECT {_NEW_ID} AS annotation_id, media_id, label, start_us, end_us,
    ? AS annotator, 'accepted' AS origin, ?::TIMESTAMP AS created_utc
    FROM (SELECT DISTINCT media_id, coalesce(?, label) AS label, start_us, end_us FROM picked) p
    WHERE NOT EXISTS (SELECT 1 FROM annotations a WHERE a.media_id = p.media_id
        AND a.label = p.label AND a.start_us <= p.end_us AND a.end_us >= p.start_us)"""


def _is_of(sightings: str, stretches: str) -> str:
    return (
        f"{stretches}.media_id = {sightings}.media_id AND {stretches}.label = {sightings}.label "
        f"AND {stretches}.start_us = {sightings}.onset_us "
        f"AND {stretches}.end_us = {sightings}.offset_us"
    )
