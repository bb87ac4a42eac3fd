"""One continuous presence of a label, and the events that the tracker announces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

CloseReason = Literal["exit", "gap", "end", "cancelled", "error", "open"]
FinishReason = Literal["end", "cancelled", "error"]


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """A label was there from `onset_us` to `offset_us`, as far as the samples can tell.

    All times are presentation times in integer microseconds.

    confirmed_us: the sample at which there was enough evidence.
    closed_us: the sample that closed it (the last sample, if the media ended first; the last one
        before the gap that closed it).
    onset_earliest_us, offset_latest_us: the samples around it (or the media's ends): the truth
        lies between these and onset and offset. Where gaps close sightings, the samples on the
        other side of one do not count.
    peak_us, peak_confidence: the highest score from onset to offset, the earliest on a tie.
    close_reason: `exit`; `gap` where nothing was analysed for a while and the rule closes at gaps;
        or `end`, `cancelled` or `error` where the samples ended before it did; None while it is
        open (`open` in the store).
    censored_left: it was there at the first sample (of all, or after a gap at which the rule
        closes); it may have begun earlier.
    censored_right: it was still there at the last sample (of all, or before such a gap).
    alert_us: when it was announced to sinks; None if the cooldown silenced it.
    """

    label: str
    onset_us: int
    confirmed_us: int
    offset_us: int
    closed_us: int
    onset_earliest_us: int
    offset_latest_us: int
    peak_us: int
    peak_confidence: float
    close_reason: CloseReason | None
    censored_left: bool
    censored_right: bool
    alert_us: int | None

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Sighting:
        """row: of the store, with whatever else it has."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})

    @property
    def onset_s(self) -> float:
        return self.onset_us / 1e6

    @property
    def offset_s(self) -> float:
        return self.offset_us / 1e6

    @property
    def duration_s(self) -> float:
        """offset - onset; 0 for a single sample."""
        return (self.offset_us - self.onset_us) / 1e6

    @property
    def longest_s(self) -> float:
        """The longest presence that the samples allow."""
        return (self.offset_latest_us - self.onset_earliest_us) / 1e6

    def to_dict(self) -> dict[str, Any]:
        """Its fields with times in seconds (`onset_us` becomes `onset_s`), plus `duration_s`."""
        row: dict[str, Any] = {}
        for name, value in vars(self).items():
            if name.endswith("_us"):
                row[name[:-3] + "_s"] = None if value is None else value / 1e6
            else:
                row[name] = value
        row["duration_s"] = self.duration_s
        return row


@dataclass(frozen=True)
class Event:
    """What the tracker announces at a sample: `sighting` is a snapshot of that moment."""

    kind: Literal["closed", "opened", "alerted"]
    label: str
    pts_us: int
    sighting: Sighting
