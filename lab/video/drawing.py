"""Boxes and lines of text on a picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

Colour = tuple[int, int, int]  # blue, green, red
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_DARK, _LIGHT = (20, 20, 20), (255, 255, 255)


def draw_box(
    image_bgr: np.ndarray,
    box_xyxy_px: Sequence[float],
    text: str,
    colour: Colour,
    *,
    is_thin: bool = False,
) -> None:
    """Draw a box, and its text above it, into a picture. is_thin: with a line of one pixel."""
    left, top, right, bottom = (round(float(value)) for value in box_xyxy_px)
    thick, size = _sizes(image_bgr)
    cv2.rectangle(image_bgr, (left, top), (right, bottom), colour, 1 if is_thin else thick)
    text = _printable(text)
    (width, height), below = cv2.getTextSize(text, _FONT, size, 1)
    base = max(top, height + below)
    cv2.rectangle(image_bgr, (left, base - height - below), (left + width, base), colour, -1)
    cv2.putText(image_bgr, text, (left, base - below // 2), _FONT, size, _DARK, 1, cv2.LINE_AA)


def draw_lines(image_bgr: np.ndarray, lines: Sequence[tuple[str, Colour | None]]) -> None:
    """Write lines into the upper left corner, each on a ground of its colour, or on a dark one."""
    _, size = _sizes(image_bgr)
    top = 0
    for line, colour in lines:
        text = _printable(line)
        (width, height), below = cv2.getTextSize(text, _FONT, size, 1)
        bottom = top + height + 2 * below
        cv2.rectangle(image_bgr, (0, top), (width + 8, bottom), colour or _DARK, -1)
        ink = _LIGHT if colour is None else _DARK
        cv2.putText(image_bgr, text, (4, bottom - below), _FONT, size, ink, 1, cv2.LINE_AA)
        top = bottom


def _sizes(image_bgr: np.ndarray) -> tuple[int, float]:
    """Of lines in pixels, and of letters."""
    least = min(image_bgr.shape[:2])
    return max(2, round(least / 300)), max(0.45, least / 900)


def _printable(text: str) -> str:
    """The fonts of OpenCV have no other letters."""
    return text.encode("ascii", "replace").decode()
