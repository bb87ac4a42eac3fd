"""Two runs or two rules over the same media: detector, prompt or weights, A against B.

They are compared, never pooled: the protocols may differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lab.counted import counted
from lab.errors import SettingError, closest
from lab.evaluation.evaluate import count_run, presences_of
from lab.evaluation.matching import Matching, Presences
from lab.evaluation.pooling import check_poolable, media_names
from lab.evaluation.rates import NOTHING_COUNTED, ratio
from lab.evaluation.resampling import paired_gain
from lab.evaluation.seconds import NO_KAPPA, kappa, seconds_table
from lab.evaluation.truth import Truth
from lab.rules.rule import Debounce, Rule
from lab.score_log import spans

if TYPE_CHECKING:
    import pandas as pd

    from lab.runs.run import Run

Kind = Literal["gained", "lost", "split", "merged", "shifted"]
_SHIFT_US = 500_000
NO_SECOND = "the two sides have no analysed second in common, so there is nothing to compare"
ONE_CLIP = "only one clip was compared: without others to resample, the gain in F1 has no interval"
NO_PRESENCE = "neither side has a sighting in the footage that both analysed"


@dataclass(frozen=True)
class Difference:
    """A difference between the sightings of A and of B in one media; times in microseconds.

    kind is one of:
        `gained`: only B has the sighting.
        `lost`: only A has it.
        `split`: one sighting of A corresponds to several of B.
        `merged`: several sightings of A correspond to one of B.
        `shifted`: an edge differs by more than 0.5 s plus both sampling intervals.
    """

    kind: Kind
    media_id: str
    start_us: int
    end_us: int
    text: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """A against B over the same media.

    scores: float64 (n, 2); for each sample of A its score and that of B's nearest sample.
    media_of: (n,), the position in `names` of the media that each pair is from.
    pts_us: int64 (n,), the time of each pair, in microseconds.
    agreement: counted in seconds.
    f1: that of each side and the gain of B; None without truth.
    notes: what a reader must know.
    """

    label_a: str
    label_b: str
    names: Mapping[str, str]
    scores: np.ndarray
    media_of: np.ndarray
    pts_us: np.ndarray
    agreement: dict[str, Any]
    differences: tuple[Difference, ...]
    sightings: dict[str, int]
    f1: dict[str, Any] | None
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """What `lab compare --json` prints."""
        return {
            "label_a": self.label_a,
            "label_b": self.label_b,
            "media": list(self.names.values()),
            "sightings": self.sightings,
            "agreement": self.agreement,
            "f1": self.f1,
            "differences": [
                {
                    "kind": d.kind,
                    "media": self.names[d.media_id],
                    "start_s": d.start_us / 1e6,
                    "end_s": d.end_us / 1e6,
                    "text": d.text,
                }
                for d in self.differences
            ],
            "notes": list(self.notes),
        }

    def to_frame(self) -> pd.DataFrame:
        """The differences, one row each."""
        import pandas as pd

        return pd.DataFrame(
            self.to_dict()["differences"], columns=["kind", "media", "start_s", "end_s", "text"]
        )


def compare(
    a: Run | Sequence[Run],
    b: Run | Sequence[Run],
    *,
    rule_a: Rule | Debounce | Mapping[str, Any] | None = None,
    rule_b: Rule | Debounce | Mapping[str, Any] | None = None,
    label: str | None = None,
    label_b: str | None = None,
    truth: Any = None,
    coverage: Any = None,
    tiou: float = 0.5,
    matching: Matching | None = None,
    annotator: str | None = None,
    seed: int = 0,
) -> Comparison:
    """Compare runs, or two rules over the same runs.

    label: the label in A; may be left out if A has only one.
    label_b: the label in B; the same as in A unless given.
    rule_b: the same as rule_a unless given.
    truth, coverage: as for `lab.evaluate`; `False` measures nothing against annotations.

    The gain in F1 is that of B over A, with a paired bootstrap over clips.

    Raises SettingError if no media is common to both, for an unknown label, or for a rule with a
    threshold below a run's score floor.
    """
    runs_a, runs_b = check_poolable(a), check_poolable(b)
    by_media = {run.media["media_id"]: run for run in runs_b}
    pairs = [(run, by_media[m]) for run in runs_a if (m := run.media["media_id"]) in by_media]
    if not pairs:
        raise SettingError(
            f"runs {runs_a[0].run_id} and {runs_b[0].run_id} have no clip in common; "
            "compare runs of the same clip"
        )
    first = Rule.coerce(rule_a) if rule_a is not None else runs_a[0].default_rule
    second = (
        Rule.coerce(rule_b)
        if rule_b is not None
        else (first if rule_a is not None else runs_b[0].default_rule)
    )
    label = _label(runs_a[0], label)
    label_b = _label(runs_b[0], label_b or (label if label in runs_b[0].labels else None))
    notes = []
    left_out = len(runs_a) + len(runs_b) - 2 * len(pairs)
    if left_out:
        notes.append(f"{counted(left_out, 'run')} left out: the other side has no run of the clip")
    if any(one.protocol_hash != two.protocol_hash for one, two in pairs):
        notes.append(
            "the protocols differ, and that is what is compared; their figures are never pooled"
        )
    scatter, found, differences, table = [], {"a": 0, "b": 0}, [], np.zeros((2, 2), np.int64)
    for one, two in pairs:
        in_a, in_b = presences_of(one, label, first), presences_of(two, label_b, second)
        found["a"] += len(in_a.edges)
        found["b"] += len(in_b.edges)
        differences += _differences(one, two, in_a, in_b)
        both = spans.intersection(one.series(label).analysed, two.series(label_b).analysed)
        table += seconds_table(in_a.edges[:, 1:3], in_b.edges[:, 1:3], both)
        scatter.append(_paired_scores(one, two, (label, first), (label_b, second)))
    media_of = np.concatenate([np.full(len(t), i) for i, (_, t) in enumerate(scatter)])
    return Comparison(
        label_a=label,
        label_b=label_b,
        names=media_names([one for one, _ in pairs]),
        scores=np.concatenate([s for s, _ in scatter]),
        media_of=media_of,
        pts_us=np.concatenate([t for _, t in scatter]),
        agreement=_agreement(table),
        differences=tuple(differences),
        sightings=found,
        f1=None
        if truth is False
        else _gain(
            pairs,
            (label, first),
            (label_b, second),
            truth,
            coverage,
            matching or Matching(tiou=tiou),
            annotator,
            seed,
            notes,
        ),
        notes=tuple(notes),
    )


def _label(run: Run, label: str | None) -> str:
    if label is None:
        if len(run.labels) > 1:
            raise SettingError(
                f"run {run.run_id} has {len(run.labels)} labels; name one with label="
            )
        return run.labels[0]
    if label not in run.labels:
        raise SettingError(
            f"run {run.run_id} has no label {label!r}; {closest(label, list(run.labels))}"
        )
    return label


def _paired_scores(
    one: Run, two: Run, a: tuple[str, Rule], b: tuple[str, Rule]
) -> tuple[np.ndarray, np.ndarray]:
    """Samples of A with the nearest of B, if it lies within half of the longer interval."""
    pts_a, pts_b = one.series(a[0]).pts_us, two.series(b[0]).pts_us
    scores_a, scores_b = one.series(*a).scores, two.series(*b).scores
    if not len(pts_a) or not len(pts_b):
        return np.zeros((0, 2)), np.zeros(0, np.int64)
    right = np.clip(np.searchsorted(pts_b, pts_a), 0, len(pts_b) - 1)
    left = np.maximum(right - 1, 0)
    near = np.where(np.abs(pts_b[left] - pts_a) <= np.abs(pts_b[right] - pts_a), left, right)
    reach = 0.5e6 * max(one.sample_interval_s, two.sample_interval_s) + 1
    keep = np.abs(pts_b[near] - pts_a) <= reach
    return np.stack([scores_a[keep], scores_b[near[keep]]], axis=1).astype(np.float64), pts_a[keep]


def _agreement(table: np.ndarray) -> dict[str, Any]:
    """Of seconds as of `seconds_table`; `refused` says why a figure is None."""
    n, either = int(table.sum()), int(table.sum() - table[0, 0])
    beyond_chance = kappa(table)
    row: dict[str, Any] = {
        "seconds": n,
        "same": ratio(int(np.trace(table)), n),
        "kappa": None if beyond_chance is None else beyond_chance[0],
        "presence_iou": ratio(int(table[1, 1]), either),
    }
    why = {"same": NO_SECOND, "kappa": NO_KAPPA, "presence_iou": NO_PRESENCE}
    refused = {name: why[name] if n else NO_SECOND for name in why if row[name] is None}
    return row | {"refused": refused}


def _differences(one: Run, two: Run, a: Presences, b: Presences) -> list[Difference]:
    from lab.evaluation import kernels

    media_id, out = one.media["media_id"], []
    slack = _SHIFT_US + round(1e6 * (one.sample_interval_s + two.sample_interval_s))

    def add(kind: Kind, start: int, end: int, text: str) -> None:
        out.append(Difference(kind, media_id, int(start), int(end), text))

    # A sighting of B may be anywhere within its brackets.
    pairs = kernels.touching_pairs(a.edges, np.ascontiguousarray(b.edges[:, [0, 3]]))
    of_a = np.bincount(pairs[:, 0], minlength=len(a.edges))
    of_b = np.bincount(pairs[:, 1], minlength=len(b.edges))
    for i, (_, onset, offset, _) in enumerate(a.edges.tolist()):
        if of_a[i] == 0:
            add("lost", onset, offset, "only A has a sighting")
        elif of_a[i] > 1:
            add("split", onset, offset, f"one sighting of A corresponds to {of_a[i]} of B")
    for j, (_, onset, offset, _) in enumerate(b.edges.tolist()):
        if of_b[j] == 0:
            add("gained", onset, offset, "only B has a sighting")
        elif of_b[j] > 1:
            add("merged", onset, offset, f"{of_b[j]} sightings of A correspond to one of B")
    for i, j in pairs[(of_a[pairs[:, 0]] == 1) & (of_b[pairs[:, 1]] == 1)].tolist():
        first, last = (b.edges[j, 1:3] - a.edges[i, 1:3]).tolist()
        if max(abs(first), abs(last)) > slack:
            text = f"onset {first / 1e6:+.2f} s, offset {last / 1e6:+.2f} s in B"
            add("shifted", a.edges[i, 1], a.edges[i, 2], text)
    return sorted(out, key=lambda d: d.start_us)


def _gain(
    pairs: Sequence[tuple[Run, Run]],
    a: tuple[str, Rule],
    b: tuple[str, Rule],
    truth: Any,
    coverage: Any,
    matching: Matching,
    annotator: str | None,
    seed: int,
    notes: list[str],
) -> dict[str, Any] | None:
    """F1 of both and the gain of B, over clips that were watched for A's label."""
    known_truth = Truth.coerce(truth, [one for one, _ in pairs], coverage, annotator=annotator)
    notes += known_truth.notes
    rows = []
    for pair in pairs:
        of_label = known_truth.of(pair[0].media["media_id"], a[0])
        if not len(of_label.covered):
            continue
        sides = []
        interval_s = max(run.sample_interval_s for run in pair)
        for run, (label, rule) in zip(pair, (a, b), strict=True):
            made, _, _ = count_run(run, label, rule, of_label, matching, interval_s=interval_s)
            sides.append((made.tp, made.fp, made.fn))
        rows.append(sides)
    if not rows:
        if truth is not None:
            notes.append(f"no clip was watched for {a[0]!r}, so F1 is not compared")
        return None
    counts = np.array(rows, np.int64)
    one, two = counts[:, 0], counts[:, 1]
    sums = counts.sum(axis=0)
    f1 = [ratio(2 * int(s[0]), int(2 * s[0] + s[1] + s[2])) for s in sums]
    gain, interval = paired_gain(two, one, seed)
    refused = {}
    if len(rows) == 1:
        refused["gain_interval"] = ONE_CLIP
        notes.append(ONE_CLIP)
    refused |= {
        name: NOTHING_COUNTED for name, value in zip("ab", f1, strict=True) if value is None
    }
    return {
        "a": f1[0],
        "b": f1[1],
        "gain": gain,
        "clips": len(rows),
        "gain_interval": list(interval) if len(rows) > 1 else None,
        "counts_a": sums[0].tolist(),
        "counts_b": sums[1].tolist(),
        "refused": refused,
    }
