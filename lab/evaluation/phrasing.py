"""Phrases for the same thing ("otter", "sea otter"), compared over the samples of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.errors import SettingError, closest
from lab.evaluation.counts import Counts
from lab.evaluation.evaluate import count_run
from lab.evaluation.figures import Figures
from lab.evaluation.matching import Matching
from lab.evaluation.truth import LabelTruth, Truth
from lab.rules.rule import Debounce, Rule
from lab.score_log import spans

if TYPE_CHECKING:
    import pandas as pd

    from lab.runs.run import Run

MAX_DISAGREEMENTS = 5
_APART_US = 2_000_000
_RATES = ("precision", "recall", "f1")
_MORE_IS_BETTER = ("peak_score", "mean_inside", "auc", *_RATES)
_LESS_IS_BETTER = ("mean_outside",)
NO_TRUTH = "nothing was given to measure against; give truth, and the label whose annotations count"
NO_SAMPLE = "no sample was analysed for the phrase"
NO_SCORE = "its score is 0 on every sample"
NO_SHARED_SAMPLE = "no sample was analysed for all of the phrases"
NO_SAMPLE_INSIDE = "no shared sample lies in an annotated presence"
NO_SAMPLE_OUTSIDE = "no shared sample lies in watched footage outside the annotations"


@dataclass(frozen=True)
class Disagreement:
    """A sample on which the phrases' scores lie far apart; spread: largest minus smallest."""

    pts_s: float
    spread: float
    scores: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        return {"pts_s": self.pts_s, "spread": self.spread, "scores": dict(self.scores)}


@dataclass(frozen=True, eq=False)
class Phrasing:
    """Phrases side by side.

    rows: one per phrase, in the given order.
        Over all its samples: `samples`, `threshold`, `peak_score`, `peak_s`, `sightings`,
        `presence_s`.
        Over the samples that all phrases share: `share_over`, and against the truth
        `mean_inside`, `mean_outside`, `auc`.
        Of its sightings against the truth: `tp`, `fp`, `fn`, and `precision`, `recall`, `f1`,
        each with `..._interval` (95 %).
        `refused`: figure to reason, for those that are None.
    disagreements: the samples whose scores differ most, largest spread first, at least 2 s apart.
    truth: the label, how many annotations it has here, how long was watched; None without truth.
    sightings: phrase to its sightings under `rule`.
    notes: what a reader must know.
    """

    run_id: str
    rule: Rule
    rows: tuple[dict[str, Any], ...]
    disagreements: tuple[Disagreement, ...]
    truth: dict[str, Any] | None
    sightings: Mapping[str, tuple[Any, ...]]
    notes: tuple[str, ...]

    @property
    def best(self) -> dict[str, list[str]]:
        """Column to the phrases that are best in it; a column of equal values is left out."""
        out = {}
        for name in (*_MORE_IS_BETTER, *_LESS_IS_BETTER):
            values = {r["phrase"]: r[name] for r in self.rows if r[name] is not None}
            if len(set(values.values())) > 1:
                top = (min if name in _LESS_IS_BETTER else max)(values.values())
                out[name] = [phrase for phrase, value in values.items() if value == top]
        return out

    def to_dict(self) -> dict[str, Any]:
        """What `lab phrases --json` prints."""
        return {
            "run": self.run_id,
            "rule_hash": self.rule.rule_hash,
            "truth": self.truth,
            "phrases": [dict(row) for row in self.rows],
            "best": self.best,
            "disagreements": [d.to_dict() for d in self.disagreements],
            "notes": list(self.notes),
        }

    def flat_rows(self) -> list[dict[str, Any]]:
        """One row per phrase, as for a CSV; intervals as `..._low` and `..._high`."""
        flat = []
        for row in self.rows:
            out = {k: v for k, v in row.items() if k != "refused" and not k.endswith("_interval")}
            for name in _RATES:
                out[f"{name}_low"], out[f"{name}_high"] = row[f"{name}_interval"] or (None, None)
            flat.append(out)
        return flat

    def to_frame(self) -> pd.DataFrame:
        """`flat_rows` as a data frame."""
        import pandas as pd

        return pd.DataFrame(self.flat_rows())


def compare_phrases(
    run: Run,
    phrases: Sequence[str],
    rule: Rule | Debounce | Mapping[str, Any] | None = None,
    truth: Any = None,
    truth_label: str | None = None,
    *,
    coverage: Any = None,
    annotator: str | None = None,
    matching: Matching | None = None,
) -> Phrasing:
    """Compare labels of one run as phrasings of one thing.

    phrases: two or more labels of the run. rule: the run's default, unless given; its `only` does
    not count, and neither do settings of labels that are not compared.
    truth, coverage: as of `lab.evaluate`. truth_label: whose annotations count for every phrase;
    may be left out if `truth` is of one label on this clip. Without both, nothing is measured.

    Raises SettingError for unknown labels, a rule below the run's floor, or truth without the
    label.
    """
    phrases = _checked(run, phrases)
    rule = run.default_rule if rule is None else Rule.coerce(rule)
    own = {phrase: rule.labels[phrase] for phrase in phrases if phrase in rule.labels}
    used = Rule(default=rule.default, labels=own, only=tuple(phrases))
    found = run.find(used)
    sightings = {phrase: tuple(s for s in found if s.label == phrase) for phrase in phrases}
    notes = _notes(run, phrases, rule)
    of_label, about = None, None
    if truth is not None or truth_label is not None:
        of_label, about, truth_notes = _truth(run, truth, truth_label, coverage, annotator)
        notes += truth_notes
    shared = np.logical_and.reduce([run.series(phrase).scored for phrase in phrases])
    curves = {phrase: _curve(run, phrase, used) for phrase in phrases}
    sides = _sides(run.log.pts_us, shared, of_label)
    matching = matching or Matching()
    rows = []
    for phrase in phrases:
        row = _of_scores(run, phrase, curves[phrase], used.of(phrase).debounce.enter_threshold)
        row |= {
            "sightings": len(sightings[phrase]),
            "presence_s": sum(s.duration_s for s in sightings[phrase]),
        }
        row |= _of_samples(curves[phrase], shared, sides, row["threshold"])
        row |= _of_truth(run, phrase, used, of_label, matching)
        row["refused"] = _reasons(row, of_label) | row["refused"]
        rows.append(row)
    apart = _disagreements(run.log.pts_us, shared, curves)
    return Phrasing(run.run_id, used, tuple(rows), apart, about, sightings, tuple(notes))


def auc(inside: np.ndarray, outside: np.ndarray) -> float | None:
    """Probability that a score of `inside` is higher than one of `outside`; ties count half.

    None if either is empty. It is U / (n m) of Mann and Whitney, Annals of Mathematical
    Statistics 18 (1947) 50, and the area under the ROC curve (Hanley and McNeil, Radiology 143
    (1982) 29).
    """
    if not len(inside) or not len(outside):
        return None
    ordered = np.sort(outside)
    lower = np.searchsorted(ordered, inside, "left").sum(dtype=np.int64)
    not_higher = np.searchsorted(ordered, inside, "right").sum(dtype=np.int64)
    return float((lower + not_higher) / (2 * len(inside) * len(outside)))


def _checked(run: Run, phrases: Sequence[str]) -> list[str]:
    if isinstance(phrases, str):
        raise SettingError(f"phrases must be a list of labels, got the text {phrases!r}")
    labels = list(run.labels)
    for phrase in phrases:
        if phrase not in labels:
            raise SettingError(
                f"run {run.run_id} has no label {phrase!r}; {closest(phrase, labels)}"
            )
    chosen = list(dict.fromkeys(phrases))
    if len(chosen) < 2:
        raise SettingError(
            f"two or more phrases are needed to compare, got {chosen}; "
            f"this run has {', '.join(labels[:8])}"
        )
    return chosen


def _notes(run: Run, phrases: list[str], rule: Rule) -> list[str]:
    notes = [f"a damaged part of the run is left out: {part}" for part in run.log.damaged]
    unknown = sorted(set(rule.labels) - set(run.labels))
    if unknown:
        notes.append(
            f"the rule has settings for {', '.join(map(repr, unknown[:3]))}, "
            "which this run did not look for"
        )
    unfinished = [phrase for phrase in phrases if phrase in run.log.adding]
    if unfinished:
        notes.append(f"not looked for everywhere yet: {', '.join(unfinished)}")
    if len({run.series(phrase).scored.tobytes() for phrase in phrases}) > 1:
        notes.append(
            "the phrases were not looked for on the same samples: shares, means and AUC are over "
            "the samples that all of them share, peaks and sightings over each phrase's own"
        )
    return notes


def _truth(
    run: Run, truth: Any, label: str | None, coverage: Any, annotator: str | None
) -> tuple[LabelTruth, dict[str, Any], list[str]]:
    """The truth of one label on this clip, a summary of it for a reader, and notes."""
    media_id = run.media["media_id"]
    everywhere = Truth.coerce(truth, [run], coverage, annotator=annotator)
    here = sorted(everywhere.by_media.get(media_id, {}))
    if label is None:
        if len(here) != 1:
            annotated = f"it has {', '.join(here[:8])}" if here else "it has no rows for this clip"
            raise SettingError(f"name the label whose annotations count; {annotated}")
        label = here[0]
    if label not in here:
        way = closest(label, here) if here else "annotate it in Review first"
        raise SettingError(f"nobody annotated {label!r} on {run.media['name']}; {way}")
    of_label = everywhere.of(media_id, label)
    about = {
        "label": label,
        "annotations": len(of_label.present),
        "present_s": spans.total_us(of_label.present) / 1e6,
        "watched_s": spans.total_us(of_label.covered) / 1e6,
    }
    notes = [*everywhere.notes, *everywhere.joined_note([media_id], [label])]
    if not len(of_label.covered):
        notes.append(f"{label}: {Figures(Counts(), of_label.origins).refused['f1']}")
    return of_label, about, notes


def _curve(run: Run, phrase: str, rule: Rule) -> np.ndarray:
    """float64, one per sample of the log; NaN where the phrase was not analysed."""
    out = np.full(len(run.log.pts_us), np.nan)
    out[run.series(phrase).scored] = run.series(phrase, rule).scores
    return out


def _sides(
    pts_us: np.ndarray, shared: np.ndarray, of_label: LabelTruth | None
) -> tuple[np.ndarray, np.ndarray]:
    """bool (n,) twice: shared samples inside an annotated presence, and watched ones outside.

    Where something was watched, only that counts on both sides.
    """
    if of_label is None:
        return np.zeros_like(shared), np.zeros_like(shared)
    present = spans.contains(of_label.present, pts_us)
    watched = spans.contains(of_label.covered, pts_us)
    inside = shared & present & (watched if len(of_label.covered) else True)
    return inside, shared & watched & ~present


def _of_scores(run: Run, phrase: str, curve: np.ndarray, threshold: float) -> dict[str, Any]:
    analysed = ~np.isnan(curve)
    at = int(np.argmax(np.where(analysed, curve, -1))) if analysed.any() else None
    return {
        "phrase": phrase,
        "samples": int(analysed.sum()),
        "threshold": float(threshold),
        "peak_score": None if at is None else float(curve[at]),
        "peak_s": None if at is None or curve[at] == 0 else run.log.pts_us[at].item() / 1e6,
    }


def _of_samples(
    curve: np.ndarray, shared: np.ndarray, sides: tuple[np.ndarray, np.ndarray], threshold: float
) -> dict[str, Any]:
    inside, outside = curve[sides[0]], curve[sides[1]]
    return {
        "share_over": float((curve[shared] >= threshold).mean()) if shared.any() else None,
        "mean_inside": float(inside.mean()) if len(inside) else None,
        "mean_outside": float(outside.mean()) if len(outside) else None,
        "auc": auc(inside, outside),
    }


def _of_truth(
    run: Run, phrase: str, rule: Rule, of_label: LabelTruth | None, matching: Matching
) -> dict[str, Any]:
    """Rates of one phrase against the annotations of another label; None without truth."""
    names = ("tp", "fp", "fn", *_RATES, *(f"{name}_interval" for name in _RATES))
    if of_label is None:
        return dict.fromkeys(names) | {"refused": dict.fromkeys(_RATES, NO_TRUTH)}
    made, _, _ = count_run(run, phrase, rule, of_label, matching)
    figures = Figures(made, of_label.origins).to_dict()
    refused = {name: why for name, why in figures["refused"].items() if name in _RATES}
    return {name: figures[name] for name in names} | {"refused": refused}


def _reasons(row: Mapping[str, Any], of_label: LabelTruth | None) -> dict[str, str]:
    """Why figures of scores are None; those against the truth have their own reasons."""
    inside = NO_TRUTH if of_label is None else NO_SAMPLE_INSIDE
    outside = NO_TRUTH if of_label is None else NO_SAMPLE_OUTSIDE
    why = {
        "peak_score": NO_SAMPLE,
        "peak_s": NO_SAMPLE if row["peak_score"] is None else NO_SCORE,
        "share_over": NO_SHARED_SAMPLE,
        "mean_inside": inside,
        "mean_outside": outside,
        "auc": inside if row["mean_inside"] is None else outside,
    }
    return {name: reason for name, reason in why.items() if row[name] is None}


def _disagreements(
    pts_us: np.ndarray, shared: np.ndarray, curves: Mapping[str, np.ndarray]
) -> tuple[Disagreement, ...]:
    """The samples with the widest spread, the first of equals, each 2 s or more from the others."""
    where = np.flatnonzero(shared)
    table = np.stack([curve[where] for curve in curves.values()])
    spread = np.ptp(table, axis=0) if len(where) else np.zeros(0)
    open_, out = spread > 0, list[Disagreement]()
    while open_.any() and len(out) < MAX_DISAGREEMENTS:
        at = int(np.argmax(np.where(open_, spread, -1)))
        scores = {phrase: float(score) for phrase, score in zip(curves, table[:, at], strict=True)}
        out.append(Disagreement(pts_us[where[at]].item() / 1e6, float(spread[at]), scores))
        open_ &= np.abs(pts_us[where] - pts_us[where[at]]) >= _APART_US
    return tuple(out)
