"""Annotations and live figures for the player."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lab.annotation import Annotation, Coverage, Verdict
from lab.errors import LabError, SettingError
from lab.evaluation.evaluate import Evaluation, evaluate
from lab.evaluation.matching import Matching
from lab.evaluation.truth import Truth
from lab.rules.rule import Rule
from lab.runs.run import Run
from lab.store.annotations import MediaRecords, as_json, from_json

if TYPE_CHECKING:
    from lab.store.store import Store

Records = tuple[list[Annotation], list[Coverage], list[Verdict]]
_MAX_MOMENTS = 200
_MAX_RECORDS = 2000
_MAX_CLIPS = 20  # clips whose records are cached


class _Clip:
    """The records of one clip, and what is true of it alone."""

    def __init__(self, records: MediaRecords) -> None:
        self.records = records
        self._truths: dict[str | None, Truth] = {}

    def truth(self, annotator: str | None) -> Truth:
        if annotator not in self._truths:
            r = self.records
            self._truths[annotator] = Truth.from_records(
                r.annotations, r.coverage, r.verdicts, annotator=annotator
            )
        return self._truths[annotator]


class AnnotationCache:
    """The store's annotations, cached in memory until they change."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._guard = threading.Lock()
        self._kept: tuple[str | None, Records] | None = None
        self._truths: dict[tuple[str | None, str | None], Truth] = {}
        self._clips: OrderedDict[str, _Clip] = OrderedDict()
        self._several: tuple[object, Truth] | None = None

    def records(self) -> Records:
        """All annotations, coverage and verdicts of the store."""
        return self._read()[1]

    def truth(self, annotator: str | None = None) -> Truth:
        """The annotations as a Truth, cached by annotator."""
        version, records = self._read()
        key = (version, annotator)
        with self._guard:
            if key in self._truths:
                return self._truths[key]
        made = Truth.from_records(*records, annotator=annotator)
        with self._guard:
            if self._kept is not None and self._kept[0] == version:
                self._truths[key] = made
        return made

    def truth_of(self, media_id: str, annotator: str | None = None) -> Truth:
        """The annotations of one clip alone; those of the others are not read for it."""
        return self._clip(media_id).truth(annotator)

    def truth_of_clips(self, media_ids: Sequence[str]) -> Truth:
        """The annotations of these clips alone, with one read of the catalog; the last are kept."""
        key = (self.store.annotations_version, tuple(media_ids))
        with self._guard:
            if self._several is not None and self._several[0] == key:
                return self._several[1]
        made = Truth.from_records(*self.store.all_records(media_ids))
        with self._guard:
            self._several = (key, made)
        return made

    def _read(self) -> tuple[str | None, Records]:
        """The records with their version, which is read before them: they may only be newer."""
        version = self.store.annotations_version
        with self._guard:
            if self._kept is not None and self._kept[0] == version:
                return self._kept
        records = self.store.all_records()
        with self._guard:
            self._kept = (version, records)
            self._truths.clear()
        return version, records

    def of_media(self, media_id: str) -> dict[str, Any]:
        """The records of one clip and all annotators, for the player."""
        return _for_player(self._clip(media_id).records)

    def annotators(self) -> list[str]:
        """Everybody who made a record, sorted."""
        return sorted({r.annotator for rows in self.records() for r in rows})

    def change(self, media_id: str, changes: dict[str, Any]) -> dict[str, Any]:
        """Add and delete records of one clip, all or nothing; return the clip's records after it.

        changes: `add`, a list of records, and `delete`, a list of ids. Raises SettingError.
        """
        added, deleted = changes.get("add", []), changes.get("delete", [])
        if (
            not isinstance(added, list)
            or not isinstance(deleted, list)
            or len(added) + len(deleted) > _MAX_RECORDS
        ):
            raise SettingError(f"add and delete must be lists of at most {_MAX_RECORDS} records")
        if not all(isinstance(row, dict) for row in added):
            raise SettingError("add must be a list of objects, one for each record")
        if not all(isinstance(record_id, str) for record_id in deleted):
            raise SettingError("delete must be a list of ids")
        records = [from_json({**row, "media_id": media_id}) for row in added]
        made = self.store.change_media_records(media_id, add=records, delete=deleted)
        self._keep_clip(media_id, made)
        return _for_player(made)

    def _clip(self, media_id: str) -> _Clip:
        """One clip's records, read alone: a store may hold those of ten thousand clips."""
        version = self.store.annotations_version
        with self._guard:
            kept = self._clips.get(media_id)
        if kept is not None and kept.records.version == version:
            return kept
        return self._keep_clip(media_id, self.store.media_records(media_id))

    def _keep_clip(self, media_id: str, records: MediaRecords) -> _Clip:
        with self._guard:
            kept = self._clips[media_id] = _Clip(records)
            self._clips.move_to_end(media_id)
            while len(self._clips) > _MAX_CLIPS:
                self._clips.popitem(last=False)
        return kept

    def figures(
        self, run: Run, rule: Rule, *, tiou: float, annotator: str | None
    ) -> dict[str, Any] | None:
        """Figures of a rule on one run; None if nothing is annotated for its labels.

        Uses `lab.evaluate`, the same function as in Python.
        """
        truth = self.truth_of(run.media["media_id"], annotator)
        annotated = truth.by_media.get(run.media["media_id"], {})
        labels = [label for label in rule.wanted(run.labels) if label in annotated]
        others = sorted(set(annotated) - set(run.labels))
        notes = (
            [f"{', '.join(others[:5])}: annotated, but this run did not look for it"]
            if others
            else []
        )
        if not labels:
            return {"problem": notes[0]} if notes else None
        try:
            found = evaluate(run, truth, rule, labels=labels, matching=Matching(tiou=tiou))
        except LabError as error:
            return {"problem": str(error)}
        row = evaluation_json(found)
        row["notes"] += notes
        return row


def _for_player(made: MediaRecords) -> dict[str, Any]:
    records = [
        *map(as_json, made.annotations),
        *map(as_json, made.coverage),
        *map(as_json, made.verdicts),
    ]
    return {"records": records, "annotators": made.annotators}


def evaluation_json(found: Evaluation) -> dict[str, Any]:
    """An evaluation as JSON for the player, with at most `_MAX_MOMENTS` moments."""
    moments = found.moments
    return {
        "overall": found.overall.to_dict(),
        "macro": found.macro,
        "labels": {label: figures.to_dict() for label, figures in found.labels.items()},
        "moments": [m.to_dict() for m in moments[:_MAX_MOMENTS]],
        "moments_left_out": max(0, len(moments) - _MAX_MOMENTS),
        "notes": list(found.notes),
    }
