"""Checking the result of a plugin for a frame."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from lab.detection import Detections


class InvalidResult(ValueError):
    """Why a result cannot be used. Its text follows the word "returned"."""


def checked(
    found: Any,
    *,
    width_px: int,
    height_px: int,
    score_floor: float,
    declared: Collection[str] = (),
    requested: Collection[str] = (),
) -> Detections:
    """The result as it goes into the log: boxes clipped to the picture, nothing below the floor.

    declared: the labels that are allowed; empty for any. requested: those to keep; empty for all.

    Raises InvalidResult for anything but `Detections`, and for values that are not valid.
    """
    if not isinstance(found, Detections):
        raise InvalidResult(f"{type(found).__name__} for a frame, expected Detections")
    if found.error is not None:
        return Detections.failed(str(found.error)[:300])
    if found.gated is not None:
        return Detections.held_back(str(found.gated)[:300])
    labels, text = list(found.labels), None if found.text is None else list(found.text)
    confidence, box_xyxy_px = _numbers(found.confidence), _numbers(found.box_xyxy_px)
    n = len(labels)
    if (
        confidence.shape != (n,)
        or box_xyxy_px.shape != (n, 4)
        or (text is not None and len(text) != n)
    ):
        raise InvalidResult(
            f"{n} labels with confidence of shape {confidence.shape} and boxes of shape "
            f"{box_xyxy_px.shape}, expected ({n},) and ({n}, 4)"
        )
    for label, score, box in zip(labels, confidence, box_xyxy_px, strict=True):
        _check_row(label, score, box, declared)
    for one in text or []:
        if one is not None and not isinstance(one, str):
            raise InvalidResult(f"a text of type {type(one).__name__}, expected str or None")
    keep = [
        i
        for i in range(n)
        if confidence[i] >= score_floor and (not requested or labels[i] in requested)
    ]
    limits = np.array([width_px, height_px, width_px, height_px], np.float32)
    return Detections(
        [str(labels[i]) for i in keep],
        confidence[keep],
        np.clip(box_xyxy_px[keep], 0, limits),
        None if text is None else [text[i] for i in keep],
    )


def _numbers(values: Any) -> np.ndarray:
    try:
        return np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidResult(f"{type(values).__name__} that holds no numbers: {error}") from None


def _check_row(label: Any, score: np.float32, box: np.ndarray, declared: Collection[str]) -> None:
    if not isinstance(label, str) or not label:
        raise InvalidResult(f"the label {label!r} of type {type(label).__name__}, expected a name")
    if declared and label not in declared:
        known = ", ".join(list(declared)[:8]) + (", ..." if len(declared) > 8 else "")
        raise InvalidResult(f"the label {label!r}, which it did not declare; declared: {known}")
    if not 0 <= score <= 1:  # NaN is in no range
        raise InvalidResult(f"confidence {score:g} for {label!r}, expected 0 to 1")
    if not np.isfinite(box).all():
        raise InvalidResult(f"the box {box.tolist()} for {label!r}, expected finite pixels")
    if box[2] < box[0] or box[3] < box[1]:
        raise InvalidResult(
            f"the box {box.tolist()} for {label!r}, expected left, top, right, bottom in pixels"
        )
