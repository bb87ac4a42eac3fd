"""The topics of Frigate with what this program sees, for what is built to listen to Frigate."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lab.sinks.broker import Broker, BrokerConnection, Payload
from lab.sinks.event import Box, SightingEvent
from lab.sinks.home_assistant import level

_TYPES = {"opened": "new", "updated": "update", "alerted": "update", "closed": "end"}


class FrigateTopics:
    """Publishes `available`, `events`, `reviews`, and for each camera (a feed) the number of each
    label, its last picture, and `status/detect`.

    It has a connection of its own, for a client has but one last will. prefix: `frigate`.
    """

    def __init__(self, broker: Broker, prefix: str) -> None:
        self._prefix = prefix
        self._connection = BrokerConnection(broker, f"{prefix}/available")
        self._before: dict[str, dict[str, Any]] = {}
        self._alerted: set[str] = set()
        self._open: dict[str, dict[str, str]] = {}
        self._said: dict[str, str] = {}

    def tell(self, event: SightingEvent) -> None:
        """Raises LabError if the broker does not take it."""
        camera = f"{self._prefix}/{event.feed}"
        after = tracked_object(event)
        known = self._before.get(event.sighting_id, after)
        if event.kind == "alerted":
            self._alerted.add(event.sighting_id)
        review = _review(event, after["id"], event.sighting_id in self._alerted)
        change = {"type": _TYPES[event.kind], "before": known, "after": after}
        messages: list[tuple[str, Payload, bool]] = [
            (f"{self._prefix}/events", change, False),
            (
                f"{self._prefix}/reviews",
                {"type": _TYPES[event.kind], "before": review, "after": review},
                False,
            ),
        ]
        if event.picture_jpeg is not None:
            picture = f"{camera}/{level(event.label)}/snapshot"
            messages.append((picture, event.picture_jpeg, True))
        there = dict(self._open.get(event.feed, {}))
        if event.kind == "opened":
            there[event.sighting_id] = event.label
        elif event.is_over:
            there.pop(event.sighting_id, None)
        count = sum(label == event.label for label in there.values())
        messages.append((f"{camera}/{level(event.label)}", str(count), True))
        messages.append((f"{camera}/all", str(len(there)), True))
        self._connection.publish(*messages)
        self._open[event.feed] = there
        self._before[event.sighting_id] = after
        if event.is_over:
            self._before.pop(event.sighting_id, None)
            self._alerted.discard(event.sighting_id)

    def watched(self, feeds: Mapping[str, Mapping[str, Any]]) -> None:
        """Raises LabError if the broker does not take it."""
        states = {
            f"{self._prefix}/{feed}/status/detect": "online"
            if is_["state"] == "live"
            else "offline"
            for feed, is_ in feeds.items()
        }
        new = {topic: said for topic, said in states.items() if self._said.get(topic) != said}
        self._connection.publish(*((topic, said, True) for topic, said in new.items()))
        for topic in set(self._said) - set(states):
            self._connection.forget(topic)
        self._said = states

    def close(self) -> None:
        self._connection.close("stopped")


def tracked_object(event: SightingEvent) -> dict[str, Any]:
    """An event as Frigate's `before` and `after`: boxes in pixels, times in Unix seconds."""
    box = _pixels(event)
    start_s = _unix(event.onset_utc)
    left, top, right, bottom = box or [0, 0, 0, 0]
    area = (right - left) * (bottom - top)
    return {
        "id": f"{start_s:.6f}-{event.sighting_id[:6]}",
        "camera": event.feed,
        "frame_time": _unix(event.peak_utc),
        "snapshot": {
            "frame_time": _unix(event.peak_utc),
            "box": box,
            "area": area,
            "region": [0, 0, event.width_px or 0, event.height_px or 0],
            "score": event.peak_confidence,
            "attributes": [],
        },
        "label": event.label,
        "sub_label": None,
        "top_score": event.peak_confidence,
        "score": event.peak_confidence,
        "false_positive": False,
        "start_time": start_s,
        "end_time": _unix(event.offset_utc) if event.is_over else None,
        "box": box,
        "area": area,
        "ratio": round((right - left) / (bottom - top), 2) if bottom > top else 0.0,
        "region": [0, 0, event.width_px or 0, event.height_px or 0],
        "active": not event.is_over,
        "stationary": False,
        "motionless_count": 0,
        "position_changes": 0,
        "current_zones": [],
        "entered_zones": [],
        "has_clip": False,
        "has_snapshot": event.picture_jpeg is not None,
        "attributes": {},
        "current_attributes": [],
    }


def _review(event: SightingEvent, object_id: str, is_alerted: bool) -> dict[str, Any]:
    return {
        "id": f"{_unix(event.onset_utc):.6f}-{event.sighting_id[-6:]}",
        "camera": event.feed,
        "start_time": _unix(event.onset_utc),
        "end_time": _unix(event.offset_utc) if event.is_over else None,
        "severity": "alert" if is_alerted else "detection",
        "thumb_path": "",
        "data": {
            "detections": [object_id],
            "objects": [event.label],
            "sub_labels": [],
            "zones": [],
            "audio": [],
        },
    }


def _pixels(event: SightingEvent) -> list[int] | None:
    if not event.boxes or not event.width_px or not event.height_px:
        return None
    confidences = event.box_confidences or (0.0,) * len(event.boxes)
    best: Box = max(zip(confidences, event.boxes))[1]
    sides = (event.width_px, event.height_px) * 2
    return [round(fraction * side) for fraction, side in zip(best, sides)]


def _unix(utc: str) -> float:
    return datetime.fromisoformat(utc).timestamp()
