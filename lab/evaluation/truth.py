"""What is true of several media: annotations, and what was watched for which label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.annotation import Annotation, Coverage, Verdict
from lab.counted import counted
from lab.errors import SettingError
from lab.formats.annotations.table import read_table
from lab.formats.placing import place, whole
from lab.score_log import spans

if TYPE_CHECKING:
    from lab.runs.run import Run
    from lab.store.store import Store


@dataclass(frozen=True, eq=False)
class LabelTruth:
    """What is known of one label in one media. Times in integer microseconds.

    present: int64 (m, 2), sorted, disjoint: where it was there.
    copied: bool (m,), the edges are those of a sighting, so edge errors mean nothing.
    covered: int64 (k, 2), what was watched for it.
    rejected: int64 (r, 2), stretches in which somebody rejected a sighting as false.
    origins: how the coverage came about.
    joined: how many annotations overlapped another one of the label; together they are one
        presence.
    """

    present: np.ndarray
    copied: np.ndarray
    covered: np.ndarray
    rejected: np.ndarray
    origins: frozenset[str] = frozenset()
    joined: int = 0


_NONE_COPIED = np.zeros(0, bool)
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
            f"{counted(n, 'overlapping annotation')} joined: a label is present or absent, "
            "however many objects have it"
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

        A label's presence is one at a time: overlapping annotations of it become one.
        include_queue: also count stretches that were watched as answers to the queue; they were
        chosen because they are hard, so figures over them are no estimate.
        annotator: only this one's; all, unless given.
        """
        notes = list(notes)
        chosen = [a for a in annotations if annotator in (None, a.annotator)]
        watched = [c for c in coverage if annotator in (None, c.annotator)]
        judged = [v for v in verdicts if annotator in (None, v.annotator)]
        records: list[Annotation | Coverage | Verdict] = [*chosen, *watched, *judged]
        keys = {(r.media_id, r.label) for r in records}
        marks: dict[tuple[str, str], list[Annotation]] = {key: [] for key in keys}
        cover: dict[tuple[str, str], list[Coverage]] = {key: [] for key in keys}
        rejected: dict[tuple[str, str], list[Verdict]] = {key: [] for key in keys}
        for a in chosen:
            marks[a.media_id, a.label].append(a)
        for c in watched:
            cover[c.media_id, c.label].append(c)
        for v in judged:
            if v.verdict == "rejected":
                rejected[v.media_id, v.label].append(v)
        by_media: dict[str, dict[str, LabelTruth]] = {}
        for media_id, label in sorted(keys):
            key = media_id, label
            present, copied, joined = _presence(marks[key])
            counted = [c for c in cover[key] if include_queue or c.origin != "queue"]
            by_media.setdefault(media_id, {})[label] = LabelTruth(
                present=present,
                copied=copied,
                covered=_union(counted),
                rejected=_union(rejected[key]),
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
            taken as wholly watched for the labels that it names, unless all their rows were
            accepted from sightings or answer the queue.

        Raises SettingError for rows that are not valid, each with its line.
        """
        runs = list(runs)
        if isinstance(truth, Truth):
            return truth
        if truth is None:
            if not runs:
                raise SettingError("there is no run whose annotations to read; give a truth file")
            return cls.from_store(runs[0].store, **options)
        return cls._from_table(truth, [run.media for run in runs], coverage, **options)

    @classmethod
    def _from_table(
        cls, truth: Any, media: list[Mapping[str, Any]], coverage: Any, **options: Any
    ) -> Truth:
        table = read_table(truth)
        if not table:
            raise SettingError(
                "the truth has no rows; a row without times means “watched, nothing there”"
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
        if coverage is None:
            watched, more = _assumed_coverage(rows, options.get("annotator"))
        else:
            placed, more = place(read_table(coverage), media)
            watched = [_stated_coverage(m, row) for m, row in placed]
        return cls.from_records(annotations, watched, notes=[*notes, *more], **options)


def _stated_coverage(media: Mapping[str, Any], row: Mapping[str, Any]) -> Coverage:
    """The coverage that a row of a coverage file states; without times it is the whole media."""
    if row["start_us"] is None:
        return whole(media, row["label"], row["annotator"], row["origin"])
    return Coverage(
        media_id=media["media_id"],
        label=row["label"],
        start_us=row["start_us"],
        end_us=row["end_us"],
        annotator=row["annotator"],
        origin=row["origin"],
    )


def _assumed_coverage(
    rows: list[tuple[Mapping[str, Any], dict[str, Any]]], annotator: str | None
) -> tuple[list[Coverage], list[str]]:
    """What a truth file without coverage means: the media that it names were watched, wholly.

    Rows that were accepted from sightings, or answer the queue, do not mean that: whoever made
    them looked at single moments. A row without times does, whatever its origin.
    """
    named: dict[str, Mapping[str, Any]] = {}
    origins: dict[tuple[str, str | None], set[str]] = {}
    for m, row in rows:
        named[m["media_id"]] = m
        origin = "independent" if row["start_us"] is None else row["origin"]
        if row["start_us"] is None and row["origin"] == "queue":
            origin = "queue"
        for label in (row["label"], None):  # None: of the media, whatever the label
            origins.setdefault((m["media_id"], label), set()).add(origin)
    labels = sorted({row["label"] for _, row in rows})
    watched: list[Coverage] = []
    unwatched: set[str] = set()
    for media_id, m in named.items():
        for label in labels:
            made_by = origins.get((media_id, label)) or origins[media_id, None]
            if made_by - {"accepted", "queue"}:
                watched.append(whole(m, label, annotator or "me"))
            elif "queue" in made_by:
                watched.append(whole(m, label, annotator or "me", "queue"))
            else:
                unwatched.add(media_id)
    notes = []
    taken = len({c.media_id for c in watched})
    if taken:
        notes.append(
            f"no coverage was given: {counted(taken, 'media', 'media')} named by the truth "
            f"taken as wholly watched for {', '.join(sorted({c.label for c in watched}))}"
        )
    if unwatched:
        notes.append(
            f"{counted(len(unwatched), 'media', 'media')} not taken as watched: all rows are "
            "accepted sightings, which do not say what was missed; give --coverage (in Python "
            "coverage=), or a row without times for what was watched"
        )
    return watched, notes


def _union(records: Sequence[Coverage | Verdict]) -> np.ndarray:
    return spans.union([(r.start_us, r.end_us) for r in records]) if records else spans.NONE


def _presence(marks: list[Annotation]) -> tuple[np.ndarray, np.ndarray, int]:
    """Disjoint presences, whether all of each was copied, and how many were joined."""
    if not marks:
        return spans.NONE, _NONE_COPIED, 0
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
