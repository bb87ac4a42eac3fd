"""What came of a control that was played into a feed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Literal, Self

from lab.counted import counted


@dataclass(frozen=True)
class Delivery:
    """not tried: the sink takes no alerts. after_s: from the moment at which the deciding sample
    came until the sink took the event.
    """

    state: Literal["delivered", "refused", "waiting", "gone", "not sent", "not tried"]
    after_s: float | None = None


NOT_TAKEN = {
    "refused": "refused the marked event",
    "waiting": "has not taken the marked event in time",
    "gone": "is not there any more",
    "not sent": "was sent nothing, for there was no alert",
}


@dataclass(frozen=True, kw_only=True)
class ControlReport:
    """How one play ended.

    began: Unix seconds. state: `ok`, `failed` or `cancelled`; reasons: why it failed.
    expected, found: annotations that count, and how many of them were found; recall with its
    interval (Clopper and Pearson, 95 %). false: sightings that match none. by_label: found and
    expected. delays_s: from the start of each annotation that was found until its sighting was
    confirmed, media time. deliveries: by sink. analysed, skipped, failed: samples. left_out: labels
    of the annotations that the feed does not look for.
    """

    feed: str
    clip: str
    began: float
    ended: float
    rule_hash: str
    state: Literal["ok", "failed", "cancelled"]
    reasons: tuple[str, ...] = ()
    expected: int = 0
    found: int = 0
    false: int = 0
    recall: float | None = None
    recall_low: float | None = None
    recall_high: float | None = None
    by_label: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    delays_s: tuple[float, ...] = ()
    deliveries: Mapping[str, Delivery] = field(default_factory=dict)
    analysed: int = 0
    skipped: int = 0
    failed: int = 0
    left_out: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """In one line, for people."""
        if self.state == "cancelled":
            return "the control was broken off before its end"
        if self.state == "failed":
            return f"the control failed: {'; '.join(self.reasons)}"
        words = [f"the control found {self.found} of {self.expected}"]
        if self.delays_s:
            words.append(f"{median(self.delays_s):.1f} s after they began")
        if self.false:
            words.append(f"and {counted(self.false, 'sighting')} that should not be")
        if self.left_out:
            words.append(f"{', '.join(self.left_out)} left out, the feed does not look for that")
        return f"{', '.join(words)}; {self._told}"

    @property
    def _told(self) -> str:
        took_s = [one.after_s for one in self.deliveries.values() if one.after_s is not None]
        if not took_s:
            return "the feed has no sink that takes alerts"
        return f"told {counted(len(took_s), 'sink')} within {max(took_s):.1f} s"

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "text": self.text}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        known = {name: values[name] for name in cls.__dataclass_fields__ if name in values}
        for name in ("reasons", "delays_s", "left_out"):
            known[name] = tuple(known.get(name, ()))
        known["by_label"] = {k: tuple(v) for k, v in known.get("by_label", {}).items()}
        known["deliveries"] = {k: Delivery(**v) for k, v in known.get("deliveries", {}).items()}
        return cls(**known)
