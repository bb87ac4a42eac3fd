"""Pictures of events: made of what was recorded, and made smaller."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lab.errors import SourceError
from lab.sinks.event import SightingEvent
from lab.video.live.cutting import picture_at


def recorded_peak(event: SightingEvent) -> np.ndarray | None:
    """The peak as it was analysed, uint8 BGR of shape (height, width, 3).

    None where the feed's packets are not kept (any more).
    """
    if event.recording is None:
        return None
    try:
        return picture_at(Path(event.recording), round(event.peak_s * 1e6))
    except SourceError:
        return None


def jpeg_of(image_bgr: np.ndarray, quality: int) -> bytes:
    """image_bgr: uint8 of shape (height, width, 3). quality: from 1 to 100."""
    import cv2

    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    return bytes(cv2.imencode(".jpg", image_bgr, options)[1].tobytes())


def smaller(jpeg: bytes, width_px: int, quality: int) -> bytes | None:
    """A JPEG at most so wide, coded anew with this quality (1 to 100); None if it is no picture."""
    import cv2

    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        return None
    height, width = image.shape[:2]
    if width > width_px:
        size = (width_px, max(1, round(height * width_px / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return jpeg_of(image, quality)
