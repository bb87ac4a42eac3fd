"""Detector `visual`: colours, light and sharpness of the whole picture, as series in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.settings import among, checked_floor
from lab.errors import SettingError
from lab.frame import Frame

PROCESSING_VERSION = 1
COLOURS = 3
_PARTS = ("red", "green", "blue", "share")
LABELS = (
    "brightness",
    "contrast",
    "saturation",
    "sharpness",
    *(f"colour {i} {part}" for i in range(1, COLOURS + 1) for part in _PARTS),
)
_COLOUR_SIDE_PX = 64
_HALF_SHARP = 100.0
_SEED = 7
_STOP = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.1)


class Visual(Detector):
    """Measures each picture; a label is one series, its confidence the value.

    brightness: mean luma / 255. contrast: standard deviation of the luma / 127.5 (RMS contrast).
    saturation: mean S of HSV / 255. sharpness: v / (v + 100), where v is the variance of the
    Laplacian of the luma. colour 1 to 3: the dominant colours, the most frequent first, each as
    red, green, blue (0 to 1) and its share of the picture.

    A value of 0 gives no detection, which is a score of 0. labels: some of the series; None for
    all.

    Raises SettingError for an unknown series, or a floor out of range.
    """

    default_score_floor = 1e-6
    default_threshold = 0.5
    labels: tuple[str, ...] = LABELS

    def __init__(
        self, *, labels: Sequence[str] | None = None, score_floor: float | None = None
    ) -> None:
        self._floor = checked_floor(score_floor, self.default_score_floor)
        self.labels = among(labels, LABELS, "the detector 'visual' has no label")
        self.batch_size = 8

    def recipe(self) -> dict[str, Any]:
        return {
            "detector": "visual",
            "labels": list(self.labels),
            "score_floor": self._floor,
            "processing_version": PROCESSING_VERSION,
            "whole_frame": True,
            "colours": COLOURS,
            "colour_side_px": _COLOUR_SIDE_PX,
            "seed": _SEED,
            "half_sharp": _HALF_SHARP,
        }

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `lab.detectors.detector.Detector`.

        Raises ValueError for a frame without a picture.
        """
        return [self._detections(frame) for frame in frames]

    def _detections(self, frame: Frame) -> Detections:
        image_bgr = frame.image_bgr
        if image_bgr is None:
            raise ValueError(f"frame {frame.index} has no picture: {frame.error}")
        values = light(image_bgr)
        if any(label.startswith("colour") for label in self.labels):
            values |= colours(image_bgr)
        rounded = {label: np.float32(min(1.0, values.get(label, 0.0))) for label in self.labels}
        kept = {label: value for label, value in rounded.items() if value >= self._floor}
        height, width = image_bgr.shape[:2]
        whole = np.array([0, 0, width, height], np.float32)
        return Detections(
            list(kept), np.array(list(kept.values()), np.float32), np.tile(whole, (len(kept), 1))
        )


def light(image_bgr: np.ndarray) -> dict[str, float]:
    """Brightness, contrast, saturation and sharpness of a uint8 (h, w, 3) BGR picture."""
    luma = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2GRAY)
    mean, deviation = cv2.meanStdDev(luma)
    saturation = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2HSV)[..., 1]
    edges = float(cv2.meanStdDev(cv2.Laplacian(luma, cv2.CV_64F))[1][0, 0] ** 2)
    return {
        "brightness": float(mean[0, 0]) / 255,
        "contrast": min(1.0, float(deviation[0, 0]) / 127.5),
        "saturation": float(saturation.mean()) / 255,
        "sharpness": edges / (edges + _HALF_SHARP),
    }


def colours(image_bgr: np.ndarray) -> dict[str, float]:
    """The series of the dominant colours, the most frequent first.

    k-means of the RGB values of the picture scaled down to 64 px; a picture with fewer than three
    colours gives fewer. The same picture gives the same numbers: the seed is fixed.
    """
    height, width = image_bgr.shape[:2]
    scale = min(1.0, _COLOUR_SIDE_PX / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image_bgr, size, interpolation=cv2.INTER_AREA)
    pixels = small.reshape(-1, 3)[:, ::-1]
    if len(pixels) == 1:
        pixels = pixels.repeat(2, axis=0)  # OpenCV would take a single row for three values
    count = min(COLOURS, len(np.unique(pixels, axis=0)))
    cv2.setRNGSeed(_SEED)
    _, member, centres = cv2.kmeans(
        pixels.astype(np.float32),
        count,
        None,
        _STOP,
        4,
        cv2.KMEANS_PP_CENTERS,  # type: ignore[call-overload]
    )
    shares = np.bincount(member.ravel(), minlength=count) / len(pixels)
    order = np.lexsort((*centres.T, -shares))
    values = {}
    for rank, row in enumerate(order, start=1):
        red, green, blue = (float(v) / 255 for v in centres[row])
        for part, value in zip(_PARTS, (red, green, blue, float(shares[row])), strict=True):
            values[f"colour {rank} {part}"] = min(1.0, max(0.0, value))
    return values


def hex_colour(scores: Mapping[str, float], rank: int = 1) -> str | None:
    """The dominant colour of that rank as `#rrggbb`; None where the picture has no such colour.

    scores: the frame's value of each series; one that is left out is 0. Raises SettingError for
    a rank out of range.
    """
    if rank not in range(1, COLOURS + 1):
        raise SettingError(f"rank must be from 1 to {COLOURS}, got {rank!r}")
    if not scores.get(f"colour {rank} share", 0.0) > 0:
        return None
    parts = (scores.get(f"colour {rank} {part}", 0.0) for part in _PARTS[:3])
    return "#" + "".join(f"{round(255 * value):02x}" for value in parts)
