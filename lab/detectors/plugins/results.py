"""Results of common forms, as video programs return them, turned into detections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

from lab.detection import Detections
from lab.frame import Frame

UNDERSTOOD = (
    "accepted are None, a score in [0, 1], {name: score}, a list of names, an (n, 6) array of "
    "left, top, right, bottom, score, class, a list of dicts with label, score and box, and a "
    "result of Ultralytics; give to_detections for any other"
)
_LABEL_KEYS = ("label", "class_name", "name", "class")
_SCORE_KEYS = ("confidence", "score", "conf")
_BOX_KEYS = ("box", "xyxy", "box_xyxy_px")
_CORNERS = ("x1", "y1", "x2", "y2")


class ResultError(ValueError):
    """A result of no known form. Its text follows the word "returned"."""


def detections_of(
    result: Any,
    frame: Frame,
    *,
    label: str | None = None,
    names: Mapping[int, str] | Sequence[str] | None = None,
) -> Detections:
    """The detections in a result of one of the common forms.

    None or nothing in a list: no detection. A number or a truth value: the score of `label` on
    the whole picture. A dict of names and scores: those, on the whole picture. A list of names:
    score 1 for each. An array of shape (n, 6), or a list of such rows: corners in pixels, score,
    class number, called by `names`, else `label`, else "class 3". A list of dicts: a label
    (`label`, `class_name`, `name`, `class`), a score (`confidence`, `score`, `conf`) and, unless
    it counts for the whole picture, a box (`box`, `xyxy`: four corners, or a dict of `x1`, `y1`,
    `x2`, `y2`). An Ultralytics result: its boxes.

    Raises ResultError for anything else.
    """
    if hasattr(result, "boxes") and hasattr(result, "names"):
        return _of_ultralytics(result)
    if hasattr(result, "detach") and hasattr(result, "cpu"):
        result = result.detach().cpu().numpy()
    if isinstance(result, np.ndarray):
        result = result.item() if result.ndim == 0 else list(result)
    if result is None or (isinstance(result, (list, tuple, dict)) and not len(result)):
        return Detections()
    if isinstance(result, (Real, np.bool_)):
        return _whole({_named(label): result}, frame)
    if isinstance(result, dict):
        return _whole(result, frame)
    if isinstance(result, (list, tuple)):
        return _of_list(list(result), frame, label, names)
    raise ResultError(f"{type(result).__name__}; {UNDERSTOOD}")


def whole_picture(frame: Frame, count: int = 1) -> np.ndarray:
    """The box of the whole picture, `count` times."""
    assert frame.image_bgr is not None
    height, width = frame.image_bgr.shape[:2]
    return np.tile(np.array([[0, 0, width, height]], np.float32), (count, 1))


def _whole(scores: Mapping[Any, Any], frame: Frame) -> Detections:
    labels = list(scores)
    for name, score in scores.items():
        if not isinstance(name, str) or not isinstance(score, (Real, np.bool_)):
            raise ResultError(
                f"a dict with {name!r:.40}: {type(score).__name__}, expected names and scores; "
                f"{UNDERSTOOD}"
            )
    return Detections(labels, _scores(scores.values()), whole_picture(frame, len(labels)))


def _of_list(items: list[Any], frame: Frame, label: str | None, names: Any) -> Detections:
    if all(isinstance(item, str) for item in items):
        return _whole(dict.fromkeys(items, 1.0), frame)
    if all(isinstance(item, dict) for item in items):
        return _of_dicts(items, frame, label, names)
    try:
        rows: np.ndarray = np.array(items, np.float32)
    except (TypeError, ValueError):
        rows = np.zeros(0, np.float32)
    if rows.ndim != 2 or rows.shape[1] != 6:
        kinds = ", ".join(sorted({type(item).__name__ for item in items}))
        shape = f" of shape {rows.shape}" if rows.size else ""
        raise ResultError(f"a list of {kinds}{shape}; {UNDERSTOOD}")
    if not np.isfinite(rows).all():
        raise ResultError("rows that hold values that are not numbers")
    labels = [_class_name(int(row[5]), label, names) for row in rows]
    return Detections(labels, _scores(rows[:, 4]), rows[:, :4].copy())


def _of_dicts(
    items: list[dict[Any, Any]], frame: Frame, label: str | None, names: Any
) -> Detections:
    labels, scores, boxes = [], [], []
    for item in items:
        name, score = _first(item, _LABEL_KEYS), _first(item, _SCORE_KEYS)
        if score is None:
            raise ResultError(f"a dict with {sorted(map(str, item))} and no score; {UNDERSTOOD}")
        if isinstance(name, (int, np.integer)):
            name = _class_name(int(name), label, names)
        labels.append(_named(label) if name is None else str(name))
        scores.append(score)
        boxes.append(_corners(_first(item, _BOX_KEYS), frame))
    return Detections(labels, _scores(scores), np.concatenate(boxes))


def _corners(box: Any, frame: Frame) -> np.ndarray:
    if box is None:
        return whole_picture(frame)
    if isinstance(box, dict):
        box = [box.get(name) for name in _CORNERS]
    try:
        corners = np.array(box, np.float32).reshape(1, 4)
    except (TypeError, ValueError):
        corners = np.full((1, 4), np.nan, np.float32)
    if not np.isfinite(corners).all():
        raise ResultError(f"the box {box!r:.60}, expected left, top, right, bottom in pixels")
    return corners


def _of_ultralytics(result: Any) -> Detections:
    if result.boxes is None:
        raise ResultError(f"a result without boxes; {UNDERSTOOD}")
    rows = result.boxes.cpu().numpy()
    labels = [_class_name(int(number), None, result.names) for number in rows.cls]
    return Detections(labels, _scores(rows.conf), np.array(rows.xyxy, np.float32).reshape(-1, 4))


def _scores(values: Any) -> np.ndarray:
    try:
        scores = np.array([float(value) for value in values], np.float32)
    except (TypeError, ValueError) as error:
        raise ResultError(f"a score that is not a number: {error}") from None
    for score in scores:
        if not 0 <= score <= 1:
            raise ResultError(f"{score:g}, which is not a score in [0, 1]; {UNDERSTOOD}")
    return scores


def _named(label: str | None) -> str:
    if not label:
        raise ResultError("a score without a name; name it with the setting label")
    return label


def _class_name(number: int, label: str | None, names: Any) -> str:
    if isinstance(names, Mapping):
        known = names.get(number)
    else:
        known = names[number] if names is not None and 0 <= number < len(names) else None
    if known is None and names is not None:
        raise ResultError(f"class {number}, which names does not have")
    return str(known or label or f"class {number}")


def _first(item: Mapping[Any, Any], keys: Sequence[str]) -> Any:
    return next((item[key] for key in keys if item.get(key) is not None), None)


def close_if_possible(made: Any) -> None:
    if callable(close := getattr(made, "close", None)):
        close()
