"""Checking the response of a service, and making detections of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab.detection import Detections


class InvalidResponse(Exception):
    """A response that cannot be used. Its text says which part, and why."""


@dataclass
class Found:
    """The detections of one picture while a response is read.

    width_px, height_px: of the picture. score_floor: weaker detections are left out.
    """

    width_px: int
    height_px: int
    score_floor: float
    labels: list[str] = field(default_factory=list)
    confidence: list[float] = field(default_factory=list)
    boxes: list[tuple[float, ...]] = field(default_factory=list)
    text: list[str | None] = field(default_factory=list)

    def add(
        self,
        label: str,
        confidence: float,
        box_xyxy_px: Sequence[float],
        what: str,
        text: str | None = None,
    ) -> None:
        """Keep a detection unless it is below the floor, its box clipped to the picture.

        Raises InvalidResponse for a box outside the picture or of negative size.
        """
        x1, y1, x2, y2 = box_xyxy_px
        if x2 < x1 or y2 < y1:
            raise InvalidResponse(f"{what} has a box of negative size")
        if x2 < 0 or y2 < 0 or x1 > self.width_px or y1 > self.height_px:
            raise InvalidResponse(f"{what} has a box outside the picture")
        if confidence < self.score_floor:
            return
        limits = (self.width_px, self.height_px, self.width_px, self.height_px)
        self.labels.append(label)
        self.confidence.append(confidence)
        self.boxes.append(
            tuple(min(max(v, 0.0), limit) for v, limit in zip(box_xyxy_px, limits, strict=True))
        )
        self.text.append(text)

    def detections(self, *, with_text: bool = False) -> Detections:
        return Detections(
            self.labels,
            np.array(self.confidence, np.float32),
            np.array(self.boxes, np.float32).reshape(-1, 4),
            self.text if with_text else None,
        )


def number(value: Any, what: str) -> float:
    """A finite number. Raises InvalidResponse."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidResponse(f"{what} is not a number")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result):
        raise InvalidResponse(f"{what} is not a finite number")
    return result


def confidence_of(value: Any, what: str) -> float:
    """A number in [0, 1]. Raises InvalidResponse."""
    result = number(value, what)
    if not 0 <= result <= 1:
        raise InvalidResponse(f"{what} is {result:g}, outside [0, 1]")
    return result


def words(value: Any, what: str) -> str:
    """A text that is not empty. Raises InvalidResponse."""
    if not isinstance(value, str) or not value.strip():
        raise InvalidResponse(f"{what} is not a text")
    if len(value) > 1000:
        raise InvalidResponse(f"{what} is longer than 1000 characters")
    return value


def mapping(value: Any, what: str) -> dict[str, Any]:
    """A JSON object. Raises InvalidResponse."""
    if not isinstance(value, dict):
        raise InvalidResponse(f"{what} is not an object")
    return value


def rows(value: Any, what: str) -> list[dict[str, Any]]:
    """A list of JSON objects. Raises InvalidResponse."""
    if not isinstance(value, list):
        raise InvalidResponse(f"{what} is not a list")
    return [mapping(row, f"{what}[{i}]") for i, row in enumerate(value)]
