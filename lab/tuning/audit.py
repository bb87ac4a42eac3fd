"""Figures to publish: a frozen rule, measured on a drawn sample of clips not yet annotated.

Clips are drawn at random within strata of their highest score, the low one included: what a rule
never finds can only be found there. Counts are weighted by one over the probability of inclusion
(Horvitz and Thompson, JASA 47 (1952) 663); intervals of the ratios are by linearisation within
strata with finite population correction (Saerndal, Swensson and Wretman 1992, 5.6 and 7.3), on the
logit scale, never narrower than the exact interval of the effective number of counts.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import special

from lab.errors import SettingError
from lab.evaluation.evaluate import evaluate
from lab.evaluation.rates import (
    LEVEL,
    NO_ANNOTATION,
    NO_SIGHTING,
    NO_TIME,
    Interval,
    proportion_interval,
)
from lab.rules.rule import Rule

if TYPE_CHECKING:
    from lab.evaluation.truth import Truth
    from lab.runs.run import Run

UNWATCHED_STRATUM = (
    "a stratum has no watched clip yet; watch at least two drawn clips of each stratum"
)
ONE_CLIP_OF_A_STRATUM = "a stratum has only one watched clip; watch another of its drawn clips"


@dataclass(frozen=True)
class Stratum:
    """Clips whose highest scores are similar.

    low, high: the range of their highest scores. size: how many clips it has.
    drawn: media_ids, in the order of the draw.
    """

    name: str
    low: float
    high: float
    size: int
    drawn: tuple[str, ...]

    @property
    def probability(self) -> float:
        """The probability of each of its clips to be drawn."""
        return len(self.drawn) / self.size


@dataclass(frozen=True)
class Audit:
    """A frozen rule, and the sample on which it is measured.

    The rule's settings are recorded when the sample is drawn; another rule needs another audit.
    """

    audit_id: str
    label: str
    rule: Mapping[str, Any]
    rule_hash: str
    protocol_hash: str
    seed: int
    strata: tuple[Stratum, ...]
    created_utc: str

    @property
    def drawn(self) -> tuple[str, ...]:
        return tuple(m for s in self.strata for m in s.drawn)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Audit:
        strata = tuple(Stratum(**{**s, "drawn": tuple(s["drawn"])}) for s in row["strata"])
        return cls(**{**row, "strata": strata})


def unwatched(runs: Sequence[Run], truth: Truth, label: str) -> list[Run]:
    """Runs whose clip nobody annotated or watched for the label."""
    annotated = {
        r.media_id for rows in (truth.annotations, truth.coverage) for r in rows if r.label == label
    }
    return [run for run in runs if run.media["media_id"] not in annotated]


def new_audit(
    runs: Sequence[Run], truth: Truth, rule: Rule, label: str, clips: int, seed: int
) -> Audit:
    """Freeze a rule and draw clips that nobody annotated; see `draw`.

    Raises SettingError if fewer than 2 clips are left to draw from, or asked for.
    """
    one = rule.of(label)
    highest = {
        run.media["media_id"]: float(max(run.series(label, rule).scores, default=0.0))
        for run in unwatched(runs, truth, label)
    }
    strata = draw(highest, one.debounce.enter_threshold, clips, seed)
    return Audit(
        audit_id=uuid.uuid4().hex[:12],
        label=label,
        rule=rule.to_dict(),
        rule_hash=rule.rule_hash,
        protocol_hash=runs[0].protocol_hash,
        seed=seed,
        strata=strata,
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def audit_figures(truth: Truth, audit: Audit, runs: Sequence[Run]) -> dict[str, Any]:
    """The population's figures, from the drawn clips among `runs` that were watched for it."""
    watched = {c.media_id for c in truth.coverage if c.label == audit.label and c.origin == "audit"}
    drawn = [r for r in runs if r.media["media_id"] in watched & set(audit.drawn)]
    counts, hours = {}, {}
    if drawn:
        found = evaluate(drawn, truth, Rule.from_dict(dict(audit.rule)), labels=[audit.label])
        for media_id, by_label in found.clips.items():
            c = by_label[audit.label].counts
            counts[media_id], hours[media_id] = (c.tp, c.fp, c.fn), c.covered_us / 3.6e9
    return estimate(audit.strata, counts, hours)


def draw(
    highest: Mapping[str, float], enter_threshold: float, clips: int, seed: int
) -> tuple[Stratum, ...]:
    """A stratified sample of about `clips` clips.

    highest: media_id to the highest score in the clip.

    The low stratum lies below the threshold, where the rule finds nothing; the clips above it are
    divided at the median of their scores. Of each stratum at least two clips are drawn, if it has
    two.

    Raises SettingError if fewer than 2 clips are given, or asked for.
    """
    if len(highest) < 2:
        raise SettingError(
            f"an audit needs at least 2 clips that nobody annotated, got {len(highest)}; "
            "analyse more clips with this protocol"
        )
    if clips < 2:
        raise SettingError(f"an audit draws at least 2 clips, got {clips}")
    above = [s for s in highest.values() if s >= enter_threshold]
    middle = float(np.median(above)) if above else 1.0
    parts = [
        ("low", 0.0, enter_threshold),
        ("middle", enter_threshold, middle),
        ("high", middle, 1.0 + 1e-9),
    ]
    rng = np.random.default_rng(seed)
    groups = []
    for name, low, high in parts:
        inside = sorted(m for m, s in highest.items() if low <= s < high)
        if inside:
            groups.append(
                (name, low, min(1.0, high), [inside[i] for i in rng.permutation(len(inside))])
            )
    sizes = _allot([len(g[3]) for g in groups], min(clips, len(highest)))
    return tuple(
        Stratum(name, low, high, len(inside), tuple(inside[:n]))
        for (name, low, high, inside), n in zip(groups, sizes, strict=True)
    )


def _allot(sizes: Sequence[int], clips: int) -> list[int]:
    """In proportion to size, but at least two where there are two."""
    minima = [min(2, n) for n in sizes]
    wanted = [max(low, round(clips * n / sum(sizes))) for low, n in zip(minima, sizes, strict=True)]
    wanted = [min(n, w) for n, w in zip(sizes, wanted, strict=True)]
    while sum(wanted) > max(clips, sum(minima)):
        i = int(np.argmax([w - low for w, low in zip(wanted, minima, strict=True)]))
        wanted[i] -= 1
    while sum(wanted) < clips:
        i = int(np.argmax([n - w for n, w in zip(sizes, wanted, strict=True)]))
        wanted[i] += 1
    return wanted


def estimate(
    strata: Sequence[Stratum], counts: Mapping[str, Sequence[int]], hours: Mapping[str, float]
) -> dict[str, Any]:
    """Precision, recall, false sightings an hour and totals of the population, with intervals.

    counts: media_id to tp, fp, fn of the drawn clips that were watched. hours: media_id to the
    hours of covered footage in the same clips.

    Clips that are not watched yet are left out; `missing` says how many. A stratum with fewer than
    two watched clips gives no interval. `refused` gives the reason for each figure that is None.
    """
    done = [
        (
            s,
            np.array([[*counts[m], hours[m]] for m in s.drawn if m in counts], float).reshape(
                -1, 4
            ),
        )
        for s in strata
    ]
    missing = sum(len(s.drawn) for s in strata) - sum(len(values) for _, values in done)
    usable = all(len(values) for _, values in done)
    row: dict[str, Any] = {
        "drawn": sum(len(s.drawn) for s in strata),
        "watched": sum(len(values) for _, values in done),
        "population": sum(s.size for s in strata),
        "missing": missing,
    }
    totals = sum((s.size / len(v) * v.sum(axis=0) for s, v in done if len(v)), np.zeros(4))
    for name, column in (("tp", 0), ("fp", 1), ("fn", 2)):
        row[f"{name}_total"] = float(totals[column]) if usable else None
    ratios = {"precision": ([0], [0, 1]), "recall": ([0], [0, 2]), "false_per_hour": ([1], [3])}
    for name, (top, bottom) in ratios.items():
        value, interval = (
            _ratio(done, top, bottom, bounded=name != "false_per_hour") if usable else (None, None)
        )
        row[name], row[f"{name}_interval"] = value, None if interval is None else list(interval)
    return row | {"refused": _refused(row, usable)}


def _refused(row: Mapping[str, Any], usable: bool) -> dict[str, str]:
    """Which figures are None, and why."""
    why = {
        "precision": NO_SIGHTING,
        "recall": NO_ANNOTATION,
        "false_per_hour": NO_TIME,
        **dict.fromkeys(("precision_interval", "recall_interval"), ONE_CLIP_OF_A_STRATUM),
        "false_per_hour_interval": ONE_CLIP_OF_A_STRATUM,
    }
    return {
        name: why[name] if usable else UNWATCHED_STRATUM
        for name, value in row.items()
        if value is None and not (name.endswith("_interval") and row[name[:-9]] is None)
    }


def _ratio(
    done: Sequence[tuple[Stratum, np.ndarray]], top: list[int], bottom: list[int], *, bounded: bool
) -> tuple[float | None, Interval | None]:
    """A ratio of weighted totals, and its interval."""
    above = sum(s.size / len(v) * v[:, top].sum() for s, v in done)
    below = sum(s.size / len(v) * v[:, bottom].sum() for s, v in done)
    if below == 0:
        return None, None
    ratio = float(above / below)
    variance, freedom = 0.0, 0
    for s, v in done:
        n = len(v)
        if n < 2:
            if s.size > n:
                return ratio, None
            continue
        residual = (v[:, top].sum(axis=1) - ratio * v[:, bottom].sum(axis=1)) / below
        variance += s.size**2 * (1 - n / s.size) * residual.var(ddof=1) / n
        freedom += n - 1
    reach = float(special.stdtrit(max(1, freedom), (1 + LEVEL) / 2)) * float(np.sqrt(variance))
    if not bounded:
        return ratio, (max(0.0, ratio - reach), ratio + reach)
    counted = int(sum(v[:, bottom].sum() for _, v in done))
    exact = proportion_interval(round(ratio * counted), counted) if counted else None
    census = all(len(v) == s.size for s, v in done)
    if 0 < ratio < 1 and variance > 0:
        centre, spread = np.log(ratio / (1 - ratio)), reach / (ratio * (1 - ratio))
        low, high = (float(1 / (1 + np.exp(-(centre + sign * spread)))) for sign in (-1, 1))
    else:
        low = high = ratio
    if exact is not None and not census:
        low, high = min(low, exact[0]), max(high, exact[1])
    return ratio, (low, high)
