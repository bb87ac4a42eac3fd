"""Which runs may be measured together, which labels of them, and what their clips are called."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from lab.errors import SettingError, closest
from lab.evaluation.truth import Truth
from lab.rules.rule import Rule
from lab.runs.run import Run


def check_poolable(runs: Run | Iterable[Run]) -> list[Run]:
    """The runs as a list. Raises SettingError if their figures may not be added up."""
    pooled = [runs] if isinstance(runs, Run) else list(runs)
    if not pooled:
        raise SettingError("there is no run to measure; analyse a clip first")
    protocols = {run.protocol_hash: run for run in pooled}
    if len(protocols) > 1:
        one, other = list(protocols.values())[:2]
        raise SettingError(
            f"runs {one.run_id} and {other.run_id} have different protocols "
            f"({protocol_difference(one, other)}) and cannot be pooled; compare them instead"
        )
    by_media: dict[str, Run] = {}
    for run in pooled:
        earlier = by_media.get(run.media["media_id"])
        by_media[run.media["media_id"]] = run
        if earlier is not None:
            raise SettingError(
                f"runs {earlier.run_id} and {run.run_id} are of the same clip and protocol, so it "
                "would count twice; give one of them"
            )
    return pooled


def protocol_difference(one: Run, other: Run) -> str:
    """The settings in which two recipes differ, in words."""
    left, right = one.recipe, other.recipe
    names = [n for n in sorted({*left, *right} - {"media_id"}) if left.get(n) != right.get(n)]
    return (
        "; ".join(f"{n}: {_brief(left.get(n))} and {_brief(right.get(n))}" for n in names[:3])
        or "none"
    )


def _brief(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:37] + "…"


def shared_labels(
    runs: Sequence[Run], truth: Truth, rule: Rule, labels: Sequence[str] | None
) -> tuple[list[str], list[str]]:
    """Labels that the rule looks for and that are annotated or watched, and notes on the others.

    labels: those to measure; all that are shared, unless given.

    Raises SettingError for a label that the rule does not look for, or if no annotated label is
    one that it looks for.
    """
    looked_for = rule.wanted(runs[0].labels)
    media = {run.media["media_id"] for run in runs}
    annotated = {
        label for m, by_label in truth.by_media.items() if m in media for label in by_label
    }
    if labels is not None:
        for label in labels:
            if label not in looked_for:
                raise SettingError(
                    f"the rule looks for no label {label!r}; {closest(label, looked_for)}"
                )
        return sorted(set(labels)), []
    unknown = sorted(annotated - set(looked_for))
    notes = [
        f"label {label!r} is annotated but not looked for, so it is not measured; "
        f"{closest(label, looked_for)}"
        for label in unknown[:5]
    ]
    wanted = sorted(annotated & set(looked_for))
    if not wanted and unknown:
        raise SettingError(
            f"no annotated label is one that the rule looks for: got {unknown[0]!r}; "
            f"{closest(unknown[0], looked_for)}"
        )
    return wanted or looked_for, notes


def media_names(runs: Iterable[Run]) -> dict[str, str]:
    """media_id to a unique name: that of the file, or as much of its path as it takes."""
    parts = {run.media["media_id"]: run.media_path.parts for run in runs}
    names: dict[str, str] = {}
    left, n = list(parts), 0
    while left:
        n += 1
        alike = Counter(parts[media_id][-n:] for media_id in left)
        for media_id in left:
            ending = parts[media_id][-n:]
            if alike[ending] == 1 or n >= len(parts[media_id]):
                names[media_id] = "/".join(ending)
        left = [media_id for media_id in left if media_id not in names]
    return {media_id: names[media_id] for media_id in parts}
