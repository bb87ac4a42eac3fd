"""Annotations and live figures for the player."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from lab.annotation import Annotation, Coverage, Verdict
from lab.errors import LabError, SettingError
from lab.evaluation.evaluate import Evaluation, evaluate
from lab.evaluation.matching import Matching
from lab.evaluation.truth import Truth
from lab.rules.rule import Rule
from lab.runs.run import Run
from lab.store.annotations import as_json, of_json

if TYPE_CHECKING:
    from lab.store.store import Store

_MAX_MOMENTS = 200
_MAX_RECORDS = 2000


class AnnotationCache:
    """What is annotated, kept in memory until the catalog's file changes."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._guard = threading.Lock()
        self._kept: tuple[Any, list[Annotation], list[Coverage], list[Verdict]] | None = None
        self._truths: dict[tuple[Any, str | None], Truth] = {}

    def records(self) -> tuple[list[Annotation], list[Coverage], list[Verdict]]:
        """All of the store."""
        mark = self._mark()
        with self._guard:
            if self._kept is not None and self._kept[0] == mark:
                return self._kept[1:]
        found = self.store.annotations(), self.store.coverage(), self.store.verdicts()
        with self._guard:
            # Reading touches the file, too: the mark is of after it.
            self._kept = (self._mark(), *found)
            self._truths.clear()
        return found

    def truth(self, annotator: str | None = None) -> Truth:
        """What is annotated, ready to be measured against."""
        records = self.records()
        with self._guard:
            key = (self._kept[0] if self._kept else None, annotator)
            if key not in self._truths:
                self._truths[key] = Truth.from_records(*records, annotator=annotator)
            return self._truths[key]

    def of_media(self, media_id: str) -> dict[str, Any]:
        """What the player draws of one clip."""
        records = [r for rows in self.records() for r in rows if r.media_id == media_id]
        return {"records": [as_json(r) for r in records], "annotators": self.annotators()}

    def annotators(self) -> list[str]:
        return sorted({r.annotator for rows in self.records() for r in rows})

    def change(self, media_id: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Add and delete records of one clip; gives what the clip has then.

        asked: `add`, a list of records, and `delete`, a list of ids. Raises SettingError.
        """
        given, gone = asked.get("add", []), asked.get("delete", [])
        if (
            not isinstance(given, list)
            or not isinstance(gone, list)
            or len(given) + len(gone) > _MAX_RECORDS
        ):
            raise SettingError(f"add and delete must be lists of at most {_MAX_RECORDS} records")
        records = [of_json({**row, "media_id": media_id}) for row in given]
        self.store.check_records(records)
        mine = {r["id"] for r in self.of_media(media_id)["records"]}
        if gone:
            self.store.delete_records([i for i in map(str, gone) if i in mine])
        self.store.add_records(records)
        with self._guard:
            self._kept = None
        return self.of_media(media_id)

    def figures(
        self, run: Run, rule: Rule, *, tiou: float, annotator: str | None
    ) -> dict[str, Any] | None:
        """Figures of a rule on one run; None if nothing is annotated for its labels.

        From the same function as in Python: `lab.evaluate`.
        """
        known = self.truth(annotator)
        here = known.by_media.get(run.media["media_id"], {})
        labels = [label for label in rule.wanted(run.labels) if label in here]
        others = sorted(set(here) - set(run.labels))
        notes = (
            [f"{', '.join(others[:5])}: annotated, but this run did not look for it"]
            if others
            else []
        )
        if not labels:
            return {"problem": notes[0]} if notes else None
        try:
            found = evaluate(run, known, rule, labels=labels, matching=Matching(tiou=tiou))
        except LabError as error:
            return {"problem": str(error)}
        row = shown(found)
        row["notes"] += notes
        return row

    def _mark(self) -> Any:
        try:
            facts = self.store.catalog.path.stat()
        except OSError:
            return None
        return facts.st_mtime_ns, facts.st_size


def shown(found: Evaluation) -> dict[str, Any]:
    """An evaluation as the player shows it."""
    moments = found.moments
    return {
        "overall": found.overall.to_dict(),
        "macro": found.macro,
        "labels": {label: figures.to_dict() for label, figures in found.labels.items()},
        "moments": [m.to_dict() for m in moments[:_MAX_MOMENTS]],
        "moments_left_out": max(0, len(moments) - _MAX_MOMENTS),
        "notes": list(found.notes),
    }
