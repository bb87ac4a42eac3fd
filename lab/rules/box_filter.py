"""Which boxes count: zones and sizes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.errors import SettingError
from lab.rules.parameters import Polygon, check_keys, parameter, parameters_of

if TYPE_CHECKING:
    import numpy as np

# NumPy is imported where boxes are filtered: the command line reads these declarations at start.


@dataclass(frozen=True, kw_only=True)
class BoxFilter:
    """Which detections of a label count.

    Points of polygons are fractions of the picture's width and height, so that a rule serves every
    resolution of one camera. A box lies in a polygon if the middle of its bottom edge does (where
    the thing stands: the convention of Frigate's zones and of supervision's PolygonZone). With no
    include polygon the whole picture is included; exclude wins. The area of a box is divided by
    that of the picture; both ends are allowed.

    Raises SettingError (a ValueError) for anything out of range.
    """

    include: tuple[Polygon, ...] = parameter(
        (), "polygons", "boxes count only where they stand in one of these zones", "Zones",
        off=(), sentence="only boxes that stood in these zones counted: {}",
    )  # fmt: skip
    exclude: tuple[Polygon, ...] = parameter(
        (), "polygons", "boxes that stand in one of these zones do not count", "Exclusions",
        off=(), sentence="boxes that stood in these zones did not count: {}",
    )  # fmt: skip
    min_area_fraction: float = parameter(
        0.0, "fraction", "smaller boxes do not count", "Smallest area", off=0.0, swept=(0.0,),
        sentence="boxes smaller than {} of the picture did not count",
    )  # fmt: skip
    max_area_fraction: float = parameter(
        1.0, "fraction", "larger boxes do not count", "Largest area", off=1.0,
        sentence="boxes larger than {} of the picture did not count",
    )  # fmt: skip

    def __post_init__(self) -> None:
        for name, declared in parameters_of(BoxFilter).items():
            object.__setattr__(self, name, declared.checked(getattr(self, name)))
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

        box_xyxy_px: shape (n, 4), in pixels of a picture of that size. Returns bool, shape (n,).
        Raises SettingError for boxes in a picture without a size.
        """
        import numpy as np

        if not len(box_xyxy_px):
            return np.zeros(0, bool)
        if not (width_px > 0 and height_px > 0):
            raise SettingError(
                f"the size of the picture is not known (it is {width_px} x {height_px}), so that "
                "no zone and no share of it can be told; analyse its recording again"
            )
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

    def changed(self, **changes: Any) -> BoxFilter:
        """A copy with other settings. Raises SettingError as `from_dict` does."""
        return BoxFilter.from_dict({**self.to_dict(), **changes})

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> BoxFilter:
        """Raises SettingError for unknown keys and values out of range."""
        check_keys(settings, [f.name for f in dataclasses.fields(cls)], "box_filter")
        return cls(**settings)


def _inside(polygon: Polygon, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Even-odd rule, by crossings of a ray to the right (Shimrat 1962, Algorithm 112)."""
    import numpy as np

    inside = np.zeros(x.shape, bool)
    x0, y0 = polygon[-1]
    for x1, y1 in polygon:
        crosses = (y1 > y) != (y0 > y)
        if y1 != y0:
            inside ^= crosses & (x < (x0 - x1) * (y - y1) / (y0 - y1) + x1)
        x0, y0 = x1, y1
    return inside
