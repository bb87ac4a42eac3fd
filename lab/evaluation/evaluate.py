"""Runs and truth in, figures out: the entry point for pages, commands and Python."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.evaluation.batch import Clip, CountedClips
from lab.evaluation.counts import Counts, Pairing, count, total
from lab.evaluation.figures import Figures, macro
from lab.evaluation.fragmentation import EvaluationEvent, fragmentation_events
from lab.evaluation.matching import Matching, Presences
from lab.evaluation.pooling import check_poolable, media_names, shared_labels
from lab.evaluation.truth import LabelTruth, Truth
from lab.rules.replay import replay_rows
from lab.rules.rule import Debounce, Rule
from lab.rules.series import ScoreSeries
from lab.score_log import spans

if TYPE_CHECKING:
    import pandas as pd

    from lab.runs.run import Run


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures of a rule over one or more runs.

    overall: all labels together; its `covered_s` is footage watched for at least one of them.
    labels: figures by label.
    clips: figures by media_id, then by label.
    names: media_id to the name of the clip.
    notes: what a reader must know.
    """

    rule: Rule
    matching: Matching
    overall: Figures
    labels: Mapping[str, Figures]
    clips: Mapping[str, Mapping[str, Figures]]
    names: Mapping[str, str]
    notes: tuple[str, ...]
    run_ids: tuple[str, ...]
    _counted: tuple[tuple[str, CountedClips], ...] = ()

    @property
    def macro(self) -> dict[str, Any]:
        """Unweighted means over labels."""
        return macro(self.labels.values())

    @property
    def events(self) -> list[EvaluationEvent]:
        """The fragmentation report, by media and time."""
        return [event for media_id in self.clips for event in self.events_in(media_id)]

    def events_in(self, media_id: str) -> list[EvaluationEvent]:
        """The fragmentation report of one clip, by label and time."""
        i = self._position[media_id]
        return [
            event
            for label, counted in self._counted
            for event in fragmentation_events(
                counted.pairing(i), counted.clips[i].presences, self.matching, media_id, label
            )
        ]

    @cached_property
    def _position(self) -> dict[str, int]:
        return {media_id: i for i, media_id in enumerate(self.clips)}

    @property
    def moments(self) -> list[EvaluationEvent]:
        """The same as `events`, by the name that JSON has for them."""
        return self.events

    def to_dict(self, *, with_moments: bool = True) -> dict[str, Any]:
        """What `lab evaluate --json` prints."""
        row: dict[str, Any] = {
            "runs": list(self.run_ids),
            "rule_hash": self.rule.rule_hash,
            "matching": self.matching.to_dict(),
            "overall": self.overall.to_dict(),
            "macro": self.macro,
            "labels": {label: figures.to_dict() for label, figures in self.labels.items()},
            "clips": {
                self.names[media_id]: {label: f.summary() for label, f in by_label.items()}
                for media_id, by_label in self.clips.items()
            },
            "notes": list(self.notes),
        }
        if with_moments:
            row["moments"] = [{"media": self.names[e.media_id], **e.to_dict()} for e in self.events]
        return row

    def to_frame(self) -> pd.DataFrame:
        """One row a label and one for all: counts, rates and their limits."""
        import pandas as pd

        rows = []
        for label, figures in [*self.labels.items(), ("all", self.overall)]:
            row: dict[str, Any] = {"label": label, **figures.summary()}
            row["refused"] = "; ".join(dict.fromkeys(row["refused"].values()))
            for name in ("precision", "recall", "f1", "false_per_hour"):
                limits = getattr(figures, f"{name}_interval") or (None, None)
                row[f"{name}_low"], row[f"{name}_high"] = limits
            rows.append(row)
        return pd.DataFrame(rows)


def evaluate(
    runs: Run | Iterable[Run],
    truth: Any = None,
    rule: Rule | Debounce | Mapping[str, Any] | None = None,
    *,
    coverage: Any = None,
    labels: Sequence[str] | None = None,
    tiou: float = 0.5,
    matching: Matching | None = None,
    annotator: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Measure a rule against what is true, inside what was watched.

    runs: of one protocol, each of a different media.
    truth: a Truth, the path of a CSV file, a data frame, or None for the annotations in the store.
    rule: the runs' default rule unless given.
    labels: those to measure; all that truth and runs share unless given.
    tiou: temporal IoU at which a sighting matches an annotation; `matching` for other criteria.
    progress: called now and then with how many scores were replayed, and of how many.

    Raises SettingError for runs that may not be pooled, truth that is not valid, labels that the
    rule does not look for, or a threshold below the runs' score floor.
    """
    runs = check_poolable(runs)
    truth = Truth.coerce(truth, runs, coverage, annotator=annotator)
    rule = runs[0].default_rule if rule is None else Rule.coerce(rule)
    matching = matching or Matching(tiou=tiou)
    wanted, notes = shared_labels(runs, truth, rule, labels)
    counted: dict[str, CountedClips] = {}
    for n, label in enumerate(wanted):
        given = []
        for i, run in enumerate(runs):
            given.append(_clip(run, label, rule, truth))
            if progress is not None and i % 100 == 0:
                progress(n * len(runs) + i, len(wanted) * len(runs))
        counted[label] = CountedClips(given, matching)
    clips: dict[str, dict[str, Figures]] = {}
    origins: dict[str, set[str]] = {label: set() for label in wanted}
    clip_totals: list[Counts] = []
    for i, run in enumerate(runs):
        media_id = run.media["media_id"]
        known = {label: truth.of(media_id, label) for label in wanted}
        for label, of_label in known.items():
            origins[label] |= of_label.origins
        clips[media_id] = {
            label: Figures(counted[label].counts[i], of_label.origins)
            for label, of_label in known.items()
        }
        watched = [spans.NONE, *(of_label.covered for of_label in known.values())]
        footage = spans.union(np.concatenate(watched))
        covered_us = spans.total_us(spans.intersection(footage, run.analysed))
        here = total([counted[label].counts[i] for label in wanted])
        clip_totals.append(replace(here, covered_us=covered_us))
    notes += truth.joined_note(clips, wanted)
    gated = sum(int(run.scores_log.gated.sum()) for run in runs)
    if gated:
        notes.append(
            f"{gated} samples were held back by a gate: a presence that lies wholly within them "
            "does not count here; `lab gate` shows what the gate cost"
        )
    return Evaluation(
        rule=rule,
        matching=matching,
        overall=Figures(total(clip_totals), frozenset().union(*origins.values())),
        labels={
            label: Figures(total(counted[label].counts), frozenset(origins[label]))
            for label in wanted
        },
        clips=clips,
        names=media_names(runs),
        notes=(*truth.notes, *notes),
        run_ids=tuple(run.run_id for run in runs),
        _counted=tuple((label, counted[label]) for label in wanted),
    )


def _clip(run: Run, label: str, rule: Rule, truth: Truth) -> Clip:
    """What is counted of a label in a run; boxes that only its filter needed are dropped again."""
    had_boxes = run.has_boxes
    series = run.series(label, rule)
    if not had_boxes:
        run.drop_boxes()
    return Clip(
        presences=presences_of(run, label, rule),
        truth=truth.of(run.media["media_id"], label),
        pts_us=series.pts_us,
        interval_us=series.interval_us,
        analysed=series.analysed,
        start_us=series.start_us,
    )


def count_run(
    run: Run,
    label: str,
    rule: Rule,
    truth: LabelTruth,
    matching: Matching,
    *,
    presences: Presences | None = None,
    sampled: np.ndarray | None = None,
    interval_s: float | None = None,
) -> tuple[Counts, Pairing, Presences]:
    """What a rule finds of a label in a run, counted against what is true of it.

    truth: of the label, or of another one that stands for it.
    presences: what was found; what the rule finds in the run unless given.
    sampled: bool, one per sample of the log: which samples count as analysed; those on which the
        label has a score unless given.
    interval_s: shorter annotations do not count; the run's own sampling interval unless given.

    Raises SettingError for a label that the run does not have, or a threshold below its score
    floor.
    """
    if presences is None:
        presences = presences_of(run, label, rule)
    series = run.series(label, rule)
    counts, pairing = count(
        presences,
        truth,
        matching,
        pts_us=series.pts_us if sampled is None else series.sample_pts_us[sampled],
        interval_us=round((interval_s or series.interval_s) * 1e6),
        analysed=series.analysed if sampled is None else series.spans_of(sampled),
        start_us=series.start_us,
    )
    return counts, pairing, presences


def presences_of(run: Run, label: str, rule: Rule) -> Presences:
    """What a rule finds of a label in a run, as columns.

    Raises SettingError for a label that the run does not have, or a threshold below its score
    floor.
    """
    series = run.series(label, rule)
    rule.check_floor(series.score_floor)
    return presences_in(series, rule.of(label).debounce)


def presences_in(series: ScoreSeries, debounce: Debounce) -> Presences:
    """What a debounce finds in the scores of a label, as columns."""
    if not len(series.pts_us):
        return Presences.of_sightings([])
    rows, n = replay_rows(
        series.pts_us, series.scores, series.resolve(debounce), series.gaps_for(debounce)
    )
    return Presences.from_rows(rows[:n], series.pts_us, series.start_us, series.end_us)
