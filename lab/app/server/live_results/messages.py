"""The messages of `/ws/live`, JSON objects with a `type`; docs/guide/live-results.md lists them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal, NamedTuple

from lab.app.server.body import check_id, name, object_of
from lab.clock import utc_text
from lab.errors import SettingError, closest
from lab.feeds.newest_samples import Sample

Kind = Literal["feed_id", "run_id", "upload_id"]
Event = Mapping[str, Any]
KINDS: tuple[Kind, ...] = ("feed_id", "run_id", "upload_id")
_TYPES = ("subscribe", "unsubscribe", "ping")
_MOST_SAMPLES = 100  # of a message
_MOST_BOXES = 500
_MOST_ECHO = 200


class Key(NamedTuple):
    """What is followed: `feed_id`, `run_id` or `upload_id`, and the id."""

    kind: Kind
    id: str


@dataclass(frozen=True)
class Asked:
    """What a client wants. key: of what. ref: sent back as it came, if it came."""

    type: str
    key: Key | None
    ref: dict[str, Any] = field(default_factory=dict)


class Text(NamedTuple):
    """A message that is sent. told: samples and events in it, which may be skipped; else 0."""

    text: str
    told: int = 0


class Piece(NamedTuple):
    """A message, and what of it is told again to those who subscribe later."""

    text: Text
    samples: Sequence[Sample] = ()
    events: Sequence[Event] = ()
    state: Mapping[str, Any] | None = None


class MessageError(SettingError):
    """A message of a client that is not understood. about: what can be told of it."""

    def __init__(self, error: SettingError, about: Mapping[str, Any]) -> None:
        super().__init__(str(error))
        self.about = dict(about)


def parse(text: str | None) -> Asked:
    """What a client said. text: None for a binary message. Raises MessageError."""
    about: dict[str, Any] = {}
    try:
        if text is None:
            raise SettingError("messages are text, got bytes; send JSON as text")
        said = object_of(text, "the message")
        if (ref := said.get("ref")) is not None:
            about["ref"] = _ref(ref)
        wanted = said.get("type")
        if not isinstance(wanted, str) or wanted not in _TYPES:
            hint = closest(str(wanted), list(_TYPES))
            raise SettingError(f"unknown type {str(wanted)!r:.80}; {hint}")
        key = None if wanted == "ping" else _key(said)
    except SettingError as error:
        raise MessageError(error, about) from None
    return Asked(wanted, key, about)


def _ref(given: Any) -> str | int | float:
    if not isinstance(given, str | int | float) or len(str(given)) > _MOST_ECHO:
        raise SettingError(
            f"ref must be a text or number of at most {_MOST_ECHO} characters, got "
            + (f"{len(given)} characters" if isinstance(given, str) else f"{given!r:.80}")
        )
    return given


def _key(said: Mapping[str, Any]) -> Key:
    given: list[Kind] = [kind for kind in KINDS if kind in said]
    if len(given) != 1:
        got = " and ".join(given) or "none"
        raise SettingError(f"name {', '.join(KINDS[:-1])} or {KINDS[-1]}, got {got}")
    known = name(said, given[0])
    check_id(known, given[0])
    return Key(given[0], known)


def message(type_: str, key: Key | None = None, **more: Any) -> str:
    """The text of one message."""
    about = {} if key is None else {key.kind: key.id}
    return json.dumps({"type": type_, **about, **more}, separators=(",", ":"))


def update_pieces(
    key: Key, run_id: str | None, samples: Sequence[Sample], events: Sequence[Event]
) -> Iterator[Piece]:
    """`analysis_update` messages: of a feed that says each sample at once, one for each; where many
    come together, as in a part of a log, each holds many. run_id: that of the samples; an event
    that names its own is told under that.
    """
    of_run = _of_run(key, run_id)
    for some in _some(samples):
        text = message("analysis_update", key, **of_run, samples=some, events=[])
        yield Piece(Text(text, len(some)), samples=some)
    for its_run_id, found in groupby(events, lambda event: event.get("run_id", run_id)):
        of_its_run, some_events = _of_run(key, its_run_id), list(found)
        text = message("analysis_update", key, **of_its_run, samples=[], events=some_events)
        yield Piece(Text(text, len(some_events)), events=some_events)


def recent_text(
    key: Key, run_id: str | None, samples: Sequence[Sample], events: Sequence[Event]
) -> str:
    """The latest that is known when somebody subscribes. run_id: that of the samples."""
    more = {"samples": list(samples), "events": list(events)}
    return message("recent_analysis", key, **_of_run(key, run_id), **more)


def _of_run(key: Key, run_id: str | None) -> dict[str, Any]:
    return {} if key.kind == "run_id" else {"run_id": run_id}


def _some(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    some: list[Sample] = []
    boxes = 0
    for one in samples:
        boxes += len(one["detections"])
        if some and (len(some) >= _MOST_SAMPLES or boxes > _MOST_BOXES):
            yield some
            some, boxes = [], len(one["detections"])
        some.append(one)
    if some:
        yield some


def told_sample(
    sample: Sample, size_px: tuple[int, int] | None, wall_time: float | None
) -> dict[str, Any]:
    """A sample, as `lab.feeds.newest_samples.sample_of` makes it, as clients are told of it.

    size_px: width and height of the picture in whose pixels its boxes are. wall_time: Unix seconds
    of its frame, None where that is not known.
    """
    texts = sample.get("texts") or [None] * len(sample["boxes"])
    width_px, height_px = size_px or (None, None)
    return {
        "pts_s": sample["pts_us"] / 1e6,
        "frame_index": sample["frame_index"],
        "wall_utc": utc_text(wall_time) if wall_time is not None else None,
        "status": sample["state"],
        "reason": sample.get("why"),
        "width_px": width_px,
        "height_px": height_px,
        "detections": [
            {
                "label": label,
                "confidence": confidence,
                "box_xyxy_px": box,
                **({} if text is None else {"text": text}),
            }
            for (label, confidence, *box), text in zip(sample["boxes"], texts, strict=True)
        ],
    }
