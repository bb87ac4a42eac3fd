"""Detector `motion`: what moves against a learned background; and a gate that uses it.

The background is OpenCV's MOG2: each pixel is a mixture of Gaussians. Zivkovic, "Improved
adaptive Gaussian mixture model for background subtraction", ICPR 2004.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.settings import among, checked_floor, number, whole_number
from lab.frame import Frame

PROCESSING_VERSION = 1
LABEL = "motion"
_FOREGROUND = 255  # a shadow is 127
_NOISE_KERNEL_PX = 3


@dataclass(frozen=True, kw_only=True)
class MotionSettings:
    """How motion is measured.

    history_samples: how many samples the background remembers. What stays still becomes
        background after about a tenth of them.
    variance_threshold: squared distance from the background, in variances, from which a pixel
        is moving.
    warm_up_samples: samples that only teach the background.
    width_px: wider pictures are scaled down to it.
    least_region_fraction: smaller regions are ignored; 1 is the whole picture.

    Raises SettingError for a value out of range.
    """

    history_samples: int = 120
    variance_threshold: float = 16.0
    warm_up_samples: int = 8
    width_px: int = 320
    least_region_fraction: float = 0.0005

    def __post_init__(self) -> None:
        whole_number("history_samples", self.history_samples, 2, 100_000)
        number("variance_threshold", self.variance_threshold, 0, 10_000, above=True)
        whole_number("warm_up_samples", self.warm_up_samples, 1, 10_000)
        whole_number("width_px", self.width_px, 16, 4096)
        number("least_region_fraction", self.least_region_fraction, 0, 1)

    def to_dict(self) -> dict[str, Any]:
        return {
            "history_samples": self.history_samples,
            "variance_threshold": float(self.variance_threshold),
            "warm_up_samples": self.warm_up_samples,
            "width_px": self.width_px,
            "least_region_fraction": float(self.least_region_fraction),
        }


@dataclass(frozen=True, eq=False)
class Moving:
    """What moves in a frame.

    warming_up: the frame's number among those that only teach the background; None after them.
    share: of the picture's pixels, those in moving regions, in [0, 1]; 0 while warming up.
    box_xyxy_px: float32 (n, 4), around the regions, in pixels of the frame.
    """

    warming_up: int | None
    share: float
    box_xyxy_px: np.ndarray


class MotionMeter:
    """Learns the background from frames in order, and measures what differs from it.

    It starts again where the picture changes its shape or time goes back.
    """

    def __init__(self, settings: MotionSettings) -> None:
        self._settings = settings
        self._shape: tuple[int, ...] | None = None
        self._last_us = 0
        self._count = 0
        self._kernel = cv2.getStructuringElement(
            cv2.MORPH_ELLIPSE, (_NOISE_KERNEL_PX, _NOISE_KERNEL_PX)
        )

    def measure(self, image_bgr: np.ndarray, pts_us: int) -> Moving:
        """image_bgr: uint8 (height, width, 3), BGR. pts_us: its time in the media."""
        if image_bgr.shape != self._shape or pts_us < self._last_us:
            self._begin(image_bgr.shape)
        self._last_us = pts_us
        self._count += 1
        mask = self._background.apply(self._scaled(image_bgr)) == _FOREGROUND
        if self._count <= self._settings.warm_up_samples:
            return Moving(self._count, 0.0, np.zeros((0, 4), np.float32))
        return self._regions(mask.astype(np.uint8), image_bgr.shape)

    def _begin(self, shape: tuple[int, ...]) -> None:
        self._background = cv2.createBackgroundSubtractorMOG2(
            self._settings.history_samples, self._settings.variance_threshold, True
        )
        self._shape, self._count = shape, 0

    def _scaled(self, image_bgr: np.ndarray) -> np.ndarray:
        height, width = image_bgr.shape[:2]
        scale = self._settings.width_px / width
        if scale >= 1:
            return image_bgr
        size = (self._settings.width_px, max(1, round(height * scale)))
        return cv2.resize(image_bgr, size, interpolation=cv2.INTER_AREA)

    def _regions(self, mask: np.ndarray, shape: tuple[int, ...]) -> Moving:
        mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, self._kernel)
        _, _, found, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        regions = found[1:]
        areas = regions[:, cv2.CC_STAT_AREA]
        regions = regions[areas >= self._settings.least_region_fraction * mask.size]
        share = float(regions[:, cv2.CC_STAT_AREA].sum() / mask.size)
        left_top = regions[:, [cv2.CC_STAT_LEFT, cv2.CC_STAT_TOP]]
        size = regions[:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]]
        limit = np.array([shape[1], shape[0]] * 2, np.float32)
        scale = limit / np.array([mask.shape[1], mask.shape[0]] * 2, np.float32)
        boxes = np.hstack([left_top, left_top + size]).astype(np.float32) * scale
        return Moving(None, share, np.clip(boxes, 0, limit).astype(np.float32))


class Motion(Detector):
    """Boxes of what moves; each has the share of the whole picture that moves as confidence.

    So the score of a frame is the share that moves, whichever box it is taken from. When the
    camera cuts, or the light changes at once, nearly everything moves: the score is near 1 for
    about a tenth of `history_samples`.

    Frames must come in order, in batches of any size. Settings: see `MotionSettings`.
    labels: None or ["motion"].

    Raises SettingError for a setting out of range.
    """

    default_score_floor = 0.0005
    default_threshold = 0.005
    labels: tuple[str, ...] = (LABEL,)
    is_stateful = True

    def __init__(
        self,
        *,
        labels: Sequence[str] | None = None,
        score_floor: float | None = None,
        history_samples: int = MotionSettings.history_samples,
        variance_threshold: float = MotionSettings.variance_threshold,
        warm_up_samples: int = MotionSettings.warm_up_samples,
        width_px: int = MotionSettings.width_px,
        least_region_fraction: float = MotionSettings.least_region_fraction,
    ) -> None:
        self._floor = checked_floor(score_floor, self.default_score_floor)
        self.labels = among(labels, (LABEL,), "the detector 'motion' has no label")
        self.batch_size = 8
        self._settings = MotionSettings(
            history_samples=history_samples,
            variance_threshold=variance_threshold,
            warm_up_samples=warm_up_samples,
            width_px=width_px,
            least_region_fraction=least_region_fraction,
        )
        self._meter = MotionMeter(self._settings)

    def recipe(self) -> dict[str, Any]:
        return {
            "detector": "motion",
            "labels": list(self.labels),
            "score_floor": self._floor,
            "processing_version": PROCESSING_VERSION,
            **self._settings.to_dict(),
        }

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `lab.detectors.detector.Detector`.

        Raises ValueError for a frame without a picture.
        """
        return [self._detections(frame) for frame in frames]

    def reset(self) -> None:
        """See `lab.detectors.detector.Detector`."""
        self._meter = MotionMeter(self._settings)

    def close(self) -> None:
        self.reset()

    def _detections(self, frame: Frame) -> Detections:
        if frame.image_bgr is None:
            raise ValueError(f"frame {frame.index} has no picture: {frame.error}")
        moving = self._meter.measure(frame.image_bgr, frame.pts_us)
        if moving.warming_up is not None:
            of = self._settings.warm_up_samples
            return Detections.held_back(f"warming up: {moving.warming_up} of {of} samples")
        score = np.float32(moving.share)
        if score < self._floor:
            return Detections()
        n = len(moving.box_xyxy_px)
        return Detections([LABEL] * n, np.full(n, score, np.float32), moving.box_xyxy_px)


class MotionGate:
    """Gates the frames of an expensive detector while nothing moves.

    least_share: the smallest share of the picture that counts as motion.
    hold_s, hold_samples: after the last motion a frame still passes for this long in media
        time, and at least for this many samples, so that a rule can close a sighting.
    Other settings: see `MotionSettings`. Frames that warm it up pass, and so do frames without a
    picture.

    Raises SettingError for a setting out of range.
    """

    def __init__(
        self,
        *,
        least_share: float = 0.002,
        hold_s: float = 2.0,
        hold_samples: int = 8,
        history_samples: int = MotionSettings.history_samples,
        variance_threshold: float = MotionSettings.variance_threshold,
        warm_up_samples: int = MotionSettings.warm_up_samples,
        width_px: int = MotionSettings.width_px,
        least_region_fraction: float = MotionSettings.least_region_fraction,
    ) -> None:
        self._min_share = number("least_share", least_share, 0, 1, above=True)
        self._hold_s = number("hold_s", hold_s, 0, 86_400)
        self._hold_samples = whole_number("hold_samples", hold_samples, 0, 100_000)
        self._settings = MotionSettings(
            history_samples=history_samples,
            variance_threshold=variance_threshold,
            warm_up_samples=warm_up_samples,
            width_px=width_px,
            least_region_fraction=least_region_fraction,
        )
        self.reset()

    def reset(self) -> None:
        """See `lab.detectors.gate.Gate`."""
        self._meter = MotionMeter(self._settings)
        self._moved_us = 0
        self._since_motion = 0

    def check(self, frame: Frame) -> str | None:
        """See `lab.detectors.gate.Gate`."""
        if frame.image_bgr is None:
            return None
        moving = self._meter.measure(frame.image_bgr, frame.pts_us)
        if moving.warming_up is not None or moving.share >= self._min_share:
            self._moved_us, self._since_motion = frame.pts_us, 0
            return None
        self._since_motion += 1
        still_s = (frame.pts_us - self._moved_us) / 1e6
        if still_s <= self._hold_s or self._since_motion <= self._hold_samples:
            return None
        return f"nothing moved: {moving.share:.4f} of the picture, minimum {self._min_share:g}"

    def settings(self) -> dict[str, Any]:
        """Everything that its decisions depend on, as JSON values."""
        return {
            "kind": "motion",
            "processing_version": PROCESSING_VERSION,
            "least_share": self._min_share,
            "hold_s": self._hold_s,
            "hold_samples": self._hold_samples,
            **self._settings.to_dict(),
        }
