"""What is true of several media: annotations, and what was watched for which label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.annotation import Annotation, Coverage, Verdict
from lab.errors import SettingError
from lab.rules import spans

if TYPE_CHECKING:
    from lab.runs.run import Run
    from lab.store.store import Store
from lab.formats.placing import count_of, place, whole


@dataclass(frozen=True, eq=False)
class LabelTruth:
    """What is known of one label in one media. Times in integer microseconds.

    present: int64 (m, 2), sorted, disjoint: where it was there.
    copied: bool (m,), the edges are those of a sighting, so edge errors mean nothing.
    covered: int64 (k, 2), what was watched for it. rejected: stretches that somebody looked at
        because a rule saw it there, and it was not. origins: how the coverage came about. joined: how
    many annotations overlapped another one of the label; together they are one presence.
    """

    present: np.ndarray
    copied: np.ndarray
    covered: np.ndarray
    rejected: np.ndarray
    origins: frozenset[str] = frozenset()
    joined: int = 0


NOTHING = LabelTruth(spans.NONE, np.zeros(0, bool), spans.NONE, spans.NONE)


@dataclass(frozen=True, eq=False)
class Truth:
    """Annotations and coverage by media and label, ready to be measured against.

    notes: what a reader of the figures must know (assumed coverage, rows left out).
    """

    by_media: Mapping[str, Mapping[str, LabelTruth]]
    notes: tuple[str, ...] = ()
    annotations: tuple[Annotation, ...] = field(default=(), repr=False)
    coverage: tuple[Coverage, ...] = field(default=(), repr=False)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(sorted({label for labels in self.by_media.values() for label in labels}))

    def of(self, media_id: str, label: str) -> LabelTruth:
        """What is known of a label in a media; nothing, if nothing is."""
        return self.by_media.get(media_id, {}).get(label, NOTHING)

    def joined_note(self, media_ids: Iterable[str], labels: Iterable[str]) -> list[str]:
        """A note if annotations of these overlapped, and were joined."""
        wanted = set(labels)
        n = sum(
            t.joined
            for m in set(media_ids)
            for x, t in self.by_media.get(m, {}).items()
            if x in wanted
        )
        if not n:
            return []
        return [
            f"{count_of(n, 'overlapping annotation')} joined: a label is there or not, however many wear it"
        ]

    @classmethod
    def from_records(
        cls,
        annotations: Iterable[Annotation],
        coverage: Iterable[Coverage],
        verdicts: Iterable[Verdict] = (),
        *,
        notes: Iterable[str] = (),
        include_queue: bool = False,
        annotator: str | None = None,
    ) -> Truth:
        """Truth from records.

        A label's presence is one at a time: overlapping annotations of it become one. include_queue: also count stretches that were watched as answers to the queue;
        they were chosen because they are hard, so figures over them are no estimate.
        annotator: only this one's; all, unless given.
        """
        notes = list(notes)
        chosen = [a for a in annotations if annotator in (None, a.annotator)]
        watched = [c for c in coverage if annotator in (None, c.annotator)]
        looked = [v for v in verdicts if annotator in (None, v.annotator)]
        records: list[Annotation | Coverage | Verdict] = [*chosen, *watched, *looked]
        keys = {(r.media_id, r.label) for r in records}
        marks: dict[tuple[str, str], list[Annotation]] = {key: [] for key in keys}
        cover: dict[tuple[str, str], list[Coverage]] = {key: [] for key in keys}
        wrong: dict[tuple[str, str], list[Verdict]] = {key: [] for key in keys}
        for a in chosen:
            marks[a.media_id, a.label].append(a)
        for c in watched:
            cover[c.media_id, c.label].append(c)
        for v in looked:
            if v.verdict == "rejected":
                wrong[v.media_id, v.label].append(v)
        by_media: dict[str, dict[str, LabelTruth]] = {}
        for media_id, label in sorted(keys):
            key = media_id, label
            present, copied, joined = _presence(marks[key])
            counted = [c for c in cover[key] if include_queue or c.origin != "queue"]
            by_media.setdefault(media_id, {})[label] = LabelTruth(
                present=present,
                copied=copied,
                covered=spans.union((c.start_us, c.end_us) for c in counted),
                rejected=spans.union((v.start_us, v.end_us) for v in wrong[key]),
                origins=frozenset(c.origin for c in cover[key]),
                joined=joined,
            )
        return cls(by_media, tuple(notes), tuple(chosen), tuple(watched))

    @classmethod
    def from_store(
        cls, store: Store, *, include_queue: bool = False, annotator: str | None = None
    ) -> Truth:
        """What was annotated in a store."""
        return cls.from_records(
            store.annotations(),
            store.coverage(),
            store.verdicts(),
            include_queue=include_queue,
            annotator=annotator,
        )

    @classmethod
    def coerce(cls, truth: Any, runs: Iterable[Run], coverage: Any = None, **options: Any) -> Truth:
        """Truth from what a caller may hand in.

        truth: a Truth; a path of a CSV, or a data frame, with columns `media`, `label`,
            `start_s`, `end_s`; None for the annotations in the runs' store.
        coverage: likewise a CSV or data frame; without it the media that the truth names are
            taken as wholly watched for the labels that it names.

        Raises SettingError for rows that cannot be meant, each with its line.
        """
        runs = list(runs)
        if isinstance(truth, Truth):
            return truth
        if truth is None:
            if not runs:
                raise SettingError("there is no run to take annotations for; give a truth file")
            return cls.from_store(runs[0].store, **options)
        from lab.formats.annotations.table import read_table

        media = [run.media for run in runs]
        table = read_table(truth)
        if not table:
            raise SettingError(
                "the truth has no rows; a row without times says “watched, nothing there”"
            )
        rows, notes = place(table, media)
        annotations = [
            Annotation(
                media_id=m["media_id"],
                label=row["label"],
                start_us=row["start_us"],
                end_us=row["end_us"],
                annotator=row["annotator"],
                origin=row["origin"],
            )
            for m, row in rows
            if row["start_us"] is not None
        ]
        labels = sorted({row["label"] for _, row in rows})
        if coverage is None:
            named = {m["media_id"]: m for m, _ in rows}
            notes.append(
                f"no coverage was given: {count_of(len(named), 'media', 'media')} named by the truth "
                f"taken as wholly watched for {', '.join(labels)}"
            )
            origins: dict[tuple[str, str], set[str]] = {}
            for m, row in rows:
                origins.setdefault((m["media_id"], row["label"]), set()).add(row["origin"])
            watched = [
                # Answers to the queue alone do not mean that all of it was watched for its own sake.
                whole(
                    m,
                    label,
                    origin="queue"
                    if origins.get((m["media_id"], label)) == {"queue"}
                    else "independent",
                )
                for m in named.values()
                for label in labels
            ]
        else:
            covered, more = place(read_table(coverage), media)
            notes += more
            watched = [
                whole(m, row["label"], row["annotator"], row["origin"])
                if row["start_us"] is None
                else Coverage(
                    media_id=m["media_id"],
                    label=row["label"],
                    start_us=row["start_us"],
                    end_us=row["end_us"],
                    annotator=row["annotator"],
                    origin=row["origin"],
                )
                for m, row in covered
            ]
        return cls.from_records(annotations, watched, notes=notes, **options)


def _presence(marks: list[Annotation]) -> tuple[np.ndarray, np.ndarray, int]:
    """Disjoint presences, whether all of each was copied, and how many were joined."""
    if not marks:
        return spans.NONE, np.zeros(0, bool), 0
    marks = sorted(marks, key=lambda a: (a.start_us, a.end_us))
    out: list[list[Any]] = []
    for a in marks:
        if out and a.start_us <= out[-1][1] and (a.start_us < out[-1][1] or a.start_us == a.end_us):
            out[-1][1] = max(out[-1][1], a.end_us)
            out[-1][2] = out[-1][2] and a.origin == "accepted"
        else:
            out.append([a.start_us, a.end_us, a.origin == "accepted"])
    present = np.array([row[:2] for row in out], np.int64).reshape(-1, 2)
    return present, np.array([row[2] for row in out], bool), len(marks) - len(out)
