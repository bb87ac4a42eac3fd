"""Boxes of a worker's answer, in whatever way it writes them."""

from __future__ import annotations

from typing import Any

from lab.detectors.services.response import InvalidResponse, mapping, number


class BoxScale:
    """Boxes of an answer, in pixels of the picture that was sent."""

    def __init__(
        self, box_format: str, answer: dict[str, Any], width_px: int, height_px: int
    ) -> None:
        self._corners, self._fractions = (
            box_format.startswith("xyxy"),
            box_format.endswith("fraction"),
        )
        self._format = box_format
        self._factors = [float(width_px), float(height_px)]
        if not self._fractions:
            for i, name in enumerate(("image_width", "image_height")):
                size = number(answer[name], name) if name in answer else self._factors[i]
                if size < 1:
                    raise InvalidResponse(f"{name} is {size:g}")
                self._factors[i] /= size

    def box_xyxy_px(self, value: Any, what: str) -> list[float]:
        a, b, c, d = self._numbers(value, what)
        if not self._corners:
            if c < 0 or d < 0:
                raise InvalidResponse(f"{what} has a negative size")
            c, d = a + c, b + d
        if self._fractions and any(abs(v) > 2 for v in (a, b, c, d)):
            raise InvalidResponse(
                f"{what} is not a fraction of the picture; a worker that answers in pixels "
                "says so in bbox_format"
            )
        x, y = self._factors
        return [a * x, b * y, c * x, d * y]

    def _numbers(self, value: Any, what: str) -> list[float]:
        if self._corners:
            if not isinstance(value, list) or len(value) != 4:
                raise InvalidResponse(
                    f"{what} is not a list of four numbers, as its bbox_format {self._format} says"
                )
            return [number(v, f"{what}[{i}]") for i, v in enumerate(value)]
        box = mapping(value, what)
        return [number(box.get(name), f"{what}.{name}") for name in ("x", "y", "width", "height")]
