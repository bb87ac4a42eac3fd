"""Which boxes count: zones and sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.errors import SettingError, closest

Polygon = tuple[tuple[float, float], ...]


def _polygons(name: str, polygons: Sequence[Sequence[Sequence[float]]]) -> tuple[Polygon, ...]:
    if isinstance(polygons, str) or not isinstance(polygons, Sequence):
        raise SettingError(f"{name} must be a list of polygons, got {polygons!r}")
    out = []
    for polygon in polygons:
        try:
            points = tuple((float(x), float(y)) for x, y in polygon)
        except (TypeError, ValueError):
            raise SettingError(f"{name} holds polygons of (x, y) points, got {polygon!r}") from None
        if len(points) < 3:
            raise SettingError(f"a polygon in {name} needs 3 points or more, got {len(points)}")
        if not all(0 <= v <= 1 for point in points for v in point):
            raise SettingError(
                f"points in {name} are fractions of the picture, in [0, 1], got {points}"
            )
        out.append(points)
    return tuple(out)


@dataclass(frozen=True, kw_only=True)
class BoxFilter:
    """Which detections of a label count.

    include, exclude: polygons, points as fractions of the picture's width and height, so that
        a rule serves every resolution of one camera. A box lies in a polygon if the middle of
        its bottom edge does (where the thing stands: the convention of Frigate's zones and of
        supervision's PolygonZone). With no include polygon the whole picture is included;
        exclude wins.
    min_area_fraction, max_area_fraction: box area over picture area, both ends allowed.
    """

    include: tuple[Polygon, ...] = ()
    exclude: tuple[Polygon, ...] = ()
    min_area_fraction: float = 0.0
    max_area_fraction: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "include", _polygons("include", self.include))
        object.__setattr__(self, "exclude", _polygons("exclude", self.exclude))
        for name in ("min_area_fraction", "max_area_fraction"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise SettingError(f"{name} must be in [0, 1], got {value!r}")
            object.__setattr__(self, name, float(value))
        if self.min_area_fraction > self.max_area_fraction:
            raise SettingError(
                f"min_area_fraction must be at most max_area_fraction ({self.max_area_fraction}), "
                f"got {self.min_area_fraction}"
            )

    @property
    def passes_all(self) -> bool:
        return self == BoxFilter()

    def mask(self, box_xyxy_px: np.ndarray, width_px: int, height_px: int) -> np.ndarray:
        """Which boxes pass.

        box_xyxy_px: shape (n, 4). Returns bool, shape (n,).
        """
        boxes = np.asarray(box_xyxy_px, np.float64)
        width = boxes[:, 2] - boxes[:, 0]
        height = boxes[:, 3] - boxes[:, 1]
        area = width * height / (width_px * height_px)
        keep = (area >= self.min_area_fraction) & (area <= self.max_area_fraction)
        # Just inside the picture, so that a zone drawn to the edge holds a box that touches it.
        x = np.clip((boxes[:, 0] + boxes[:, 2]) / 2 / width_px, 1e-9, 1 - 1e-9)
        y = np.clip(boxes[:, 3] / height_px, 1e-9, 1 - 1e-9)
        if self.include:
            keep &= np.logical_or.reduce([_inside(p, x, y) for p in self.include])
        for polygon in self.exclude:
            keep &= ~_inside(polygon, x, y)
        return keep

    def to_dict(self) -> dict[str, Any]:
        return {
            "include": [[list(point) for point in polygon] for polygon in self.include],
            "exclude": [[list(point) for point in polygon] for polygon in self.exclude],
            "min_area_fraction": self.min_area_fraction,
            "max_area_fraction": self.max_area_fraction,
        }

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> BoxFilter:
        known = list(cls.__dataclass_fields__)
        if not isinstance(settings, Mapping):
            raise SettingError(f"box_filter must be a mapping of settings, got {settings!r}")
        for key in settings:
            if key not in known:
                raise SettingError(f"unknown setting {key!r} in box_filter; {closest(key, known)}")
        return cls(**settings)


def _inside(polygon: Polygon, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Even-odd rule, by crossings of a ray to the right (Shimrat 1962, Algorithm 112)."""
    inside = np.zeros(x.shape, bool)
    x0, y0 = polygon[-1]
    for x1, y1 in polygon:
        crosses = (y1 > y) != (y0 > y)
        if y1 != y0:
            inside ^= crosses & (x < (x0 - x1) * (y - y1) / (y0 - y1) + x1)
        x0, y0 = x1, y1
    return inside
