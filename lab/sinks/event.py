"""What a sink is told while a feed runs: plain values, so that they survive in a file."""

from __future__ import annotations

import base64
import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

EventKind = Literal["opened", "updated", "closed", "alerted"]
Box = tuple[float, float, float, float]
PictureName = Literal["picture_jpeg", "plain_jpeg"]
PICTURES: tuple[PictureName, ...] = get_args(PictureName)
CONTROL = "control-"  # how the id of a run begins that is a control


@dataclass(frozen=True, kw_only=True)
class SightingEvent:
    """A moment of a sighting.

    event_id: unique, and the same each time this event is delivered or derived again. kind:
    `opened` (there is enough evidence), `updated` (a higher peak), `alerted` (it is to be told:
    no cooldown silences it), `closed` (it is over, or was cut off: `close_reason`).
    sequence: rises from event to event of a feed, also over restarts and kills; it may jump, and no
    other event of the feed has the same. An event that is derived again may have another one than
    before. It says nothing where is_test: somebody tries the sink, and nothing was seen.

    Times in `_s` are media time of the recording; in `_utc` ISO 8601 with microseconds and `Z`:
    when the recording began by this computer's clock, plus the media time, as in the store. Those
    of the offset are the last sample with the label so far, and the final ones in `closed`.

    boxes: at the peak, each (left, top, right, bottom) as fractions of the picture, with their
    confidence in `box_confidences`. picture_jpeg: the peak with boxes and label drawn on it;
    plain_jpeg: the same without; None where no picture is at hand. Either may be given as a
    function without arguments, which makes it when it is first asked for.
    recording: the folder of the feed's packets, None if they are not kept.
    """

    event_id: str
    kind: EventKind
    sequence: int
    sighting_id: str
    feed: str
    feed_name: str
    label: str
    detector: str
    run_id: str
    media_id: str
    rule_hash: str
    rule_name: str | None = None
    created_utc: str
    onset_s: float
    onset_earliest_s: float
    offset_s: float
    offset_latest_s: float
    peak_s: float
    peak_confidence: float
    onset_utc: str
    offset_utc: str
    peak_utc: str
    close_reason: str | None = None
    is_test: bool = False
    width_px: int | None = None
    height_px: int | None = None
    boxes: tuple[Box, ...] = ()
    box_confidences: tuple[float, ...] = ()
    recording: str | None = None
    picture_jpeg: bytes | None = field(default=None, repr=False)
    plain_jpeg: bytes | None = field(default=None, repr=False)

    @property
    def is_control(self) -> bool:
        """Whether it is of a clip with known answers that was played into a feed."""
        return self.is_test and self.run_id.startswith(CONTROL)

    @property
    def is_over(self) -> bool:
        return self.kind == "closed"

    @property
    def duration_s(self) -> float:
        return self.offset_s - self.onset_s

    def to_dict(self, *, pictures: bool = False) -> dict[str, Any]:
        """As JSON takes it. pictures: with the JPEGs as base64."""
        names = [one.name for one in fields(self) if one.name not in PICTURES]
        values: dict[str, Any] = {name: getattr(self, name) for name in names}
        for name in PICTURES if pictures else ():
            raw = getattr(self, name)
            values[name] = None if raw is None else base64.b64encode(raw).decode()
        values["boxes"] = [list(box) for box in self.boxes]
        values["box_confidences"] = list(self.box_confidences)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SightingEvent:
        """The inverse of `to_dict`, with or without pictures."""
        known = dict(values)
        for name in PICTURES:
            if known.get(name) is not None:
                known[name] = base64.b64decode(known[name])
        known["boxes"] = tuple(tuple(box) for box in known.get("boxes", ()))
        known["box_confidences"] = tuple(known.get("box_confidences", ()))
        return cls(**known)

    def with_pictures(self, names: Collection[str]) -> SightingEvent:
        """The same with no pictures but these; none is made for it."""
        other = copy.copy(self)
        for name in PICTURES:
            if name not in names:
                object.__setattr__(other, name, None)
        return other

    def make_pictures(self) -> None:
        """Have them made now: what makes them may hold much memory."""
        for name in PICTURES:
            getattr(self, name)


class _Jpeg:
    """A field of an event: a JPEG, or what makes it when it is first asked for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, event: object, owner: type | None = None) -> Any:
        if event is None:
            return self
        held = vars(event).get(self._name)
        if callable(held):
            held = vars(event)[self._name] = held()
        return held

    def __set__(self, event: object, value: Any) -> None:
        vars(event)[self._name] = value


for _name in PICTURES:
    setattr(SightingEvent, _name, _Jpeg(_name))
