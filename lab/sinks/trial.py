"""Trying a sink: events that are marked as a test, with a picture."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from lab.clock import utc_text
from lab.errors import LabError
from lab.registry import in_words
from lab.sinks.event import EventKind, SightingEvent
from lab.sinks.make import make_sink
from lab.sinks.secrets import redacted, secrets_of
from lab.sinks.sink import DeliverLater

_PATIENCE_S = 15.0
_SIZE_PX = (640, 360)
_BOX_PX = (220, 90, 420, 270)


def try_sink(name: str, settings: Mapping[str, Any]) -> str | None:
    """Deliver the beginning, the alert and the end of a sighting; what went wrong, None if nothing.

    settings: as a feeds file has them. Raises SettingError if they are wrong.
    """
    hidden = secrets_of(settings)
    sink = make_sink(name, settings)
    try:
        with sink:
            for event in events_of_test():
                _deliver(sink.deliver, event)
            sink.finish()
    except LabError as error:
        return redacted(str(error), hidden)
    except Exception as error:
        return redacted(in_words(error), hidden)
    return None


def events_of_test() -> list[SightingEvent]:
    """An `opened`, an `alerted` and a `closed` event of one sighting that nobody saw."""
    token = secrets.token_hex(8)
    now = time.time()
    jpegs = picture_of_test()
    kinds: tuple[EventKind, ...] = ("opened", "alerted", "closed")
    return [_event(kind, number, token, now, jpegs) for number, kind in enumerate(kinds, 1)]


def picture_of_test() -> tuple[bytes, bytes]:
    """A picture with a box and the words of a test, and the same without the box, as JPEG."""
    import cv2
    import numpy as np

    width, height = _SIZE_PX
    plain = np.full((height, width, 3), 60, np.uint8)
    plain[:, :, 1] += np.linspace(0, 90, width).astype(np.uint8)
    left, top, right, bottom = _BOX_PX
    cv2.circle(plain, ((left + right) // 2, (top + bottom) // 2), 80, (200, 190, 180), -1)
    cv2.putText(plain, "Sighting Lab: a test", (20, 40), 0, 0.9, (255, 255, 255), 2, cv2.LINE_AA)
    drawn = plain.copy()
    cv2.rectangle(drawn, (left, top), (right, bottom), (0, 200, 255), 3)
    drawn_jpeg, plain_jpeg = (cv2.imencode(".jpg", one)[1].tobytes() for one in (drawn, plain))
    return drawn_jpeg, plain_jpeg


def _event(
    kind: EventKind, number: int, token: str, now: float, jpegs: tuple[bytes, bytes]
) -> SightingEvent:
    width, height = _SIZE_PX
    left, top, right, bottom = _BOX_PX
    return SightingEvent(
        event_id=f"test-{token}-{kind}",
        kind=kind,
        sequence=number,
        sighting_id=f"test-{token}",
        feed="test",
        feed_name="Test feed",
        label="test",
        detector="none",
        run_id="test",
        media_id="test",
        rule_hash="0" * 16,
        created_utc=utc_text(now),
        onset_s=0.0,
        onset_earliest_s=0.0,
        offset_s=2.0,
        offset_latest_s=2.0,
        peak_s=1.0,
        peak_confidence=0.9,
        onset_utc=utc_text(now - 2),
        offset_utc=utc_text(now),
        peak_utc=utc_text(now - 1),
        close_reason="exit" if kind == "closed" else None,
        is_test=True,
        width_px=width,
        height_px=height,
        boxes=((left / width, top / height, right / width, bottom / height),),
        box_confidences=(0.9,),
        picture_jpeg=jpegs[0],
        plain_jpeg=jpegs[1],
    )


def _deliver(deliver: Any, event: SightingEvent) -> None:
    """Waits where the sink asks for it, for a moment."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return deliver(event)
        except DeliverLater as later:
            if time.monotonic() + later.wait_s > until:
                raise
            time.sleep(max(0.05, later.wait_s))
