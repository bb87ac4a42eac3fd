"""What Google Cloud Vision says of a picture, as detections."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from lab.detectors.services.response import (
    Found,
    InvalidResponse,
    confidence_of,
    mapping,
    number,
    rows,
    words,
)
from lab.detectors.settings import wanted
from lab.errors import SettingError

FEATURES = {"objects": "OBJECT_LOCALIZATION", "logos": "LOGO_DETECTION", "text": "TEXT_DETECTION"}
TEXT_LABEL = "text"


class LabelFilter:
    """Which of the requested labels a name or a word matches.

    labels: with None every name is its own label, and every word has the label `text`.
    """

    def __init__(self, labels: Sequence[str] | None, features: Sequence[str]) -> None:
        self._any = labels is None
        self.labels: tuple[str, ...] = ()
        self._tests: list[tuple[str, bool, Callable[[str], bool]]] = []
        if labels is None:
            self.labels = (TEXT_LABEL,) if list(features) == ["text"] else ()
            return
        self.labels = tuple(wanted(labels) or ())
        for label in self.labels:
            is_pattern, test = _test(label)
            if is_pattern and "text" not in features:
                raise SettingError(f"label {label!r} is for text; add 'text' to features")
            if not is_pattern and list(features) == ["text"] and len(label.split()) > 1:
                raise SettingError(f"label {label!r} has several words; text is read word by word")
            self._tests.append((label, is_pattern, test))

    def of_name(self, name: str) -> list[str]:
        if self._any:
            return [name]
        return [label for label, is_pattern, test in self._tests if not is_pattern and test(name)]

    def of_word(self, word: str) -> list[str]:
        if self._any:
            return [TEXT_LABEL]
        return [label for label, _, test in self._tests if test(word)]


def _test(label: str) -> tuple[bool, Callable[[str], bool]]:
    """Whether a label is a pattern, and a test for names that match it."""
    if len(label) > 2 and label.startswith("/") and label.endswith("/"):
        try:
            pattern = re.compile(label[1:-1], re.IGNORECASE)
        except re.error as error:
            raise SettingError(f"label {label!r} is not a regular expression: {error}") from None
        return True, lambda word: pattern.search(word) is not None
    folded = label.casefold()
    return False, lambda name: name.casefold() == folded


def picture_error(answer: dict[str, Any]) -> str | None:
    """Why the service did not analyse this picture; None if it did. Raises InvalidResponse."""
    if not answer.get("error"):
        return None
    error = mapping(answer["error"], "error")
    return (
        f"error {error.get('code', 0)} for this picture: {error.get('message', 'no reason given')}"
    )


def read_picture(
    answer: dict[str, Any],
    features: Sequence[str],
    labels: LabelFilter,
    width_px: int,
    height_px: int,
    score_floor: float,
) -> Found:
    """What one entry of `responses` says. Raises InvalidResponse if it cannot be used."""
    found = Found(width_px, height_px, score_floor)
    if "objects" in features:
        for what, row in _rows(answer, "localizedObjectAnnotations"):
            name = words(row.get("name"), f"{what}.name")
            box = _box(row, "normalizedVertices", what, width_px, height_px)
            score = confidence_of(row.get("score", 0), f"{what}.score")
            for label in labels.of_name(name):
                found.add(label, score, box, what)
    if "logos" in features:
        for what, row in _rows(answer, "logoAnnotations"):
            name = words(row.get("description"), f"{what}.description")
            box = _box(row, "vertices", what, 1, 1)
            score = confidence_of(row.get("score", 0), f"{what}.score")
            for label in labels.of_name(name):
                found.add(label, score, box, what)
    if "text" in features:
        # The first entry is the whole text; the words follow, without a score.
        for what, row in _rows(answer, "textAnnotations")[1:]:
            word = words(row.get("description"), f"{what}.description")
            box = _box(row, "vertices", what, 1, 1)
            score = confidence_of(row.get("score") or 1.0, f"{what}.score")
            for label in labels.of_word(word):
                found.add(label, score, box, what, word)
    return found


def _rows(answer: dict[str, Any], name: str) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{name}[{i}]", row) for i, row in enumerate(rows(answer.get(name, []), name))]


def _box(row: dict[str, Any], kind: str, what: str, x_px: float, y_px: float) -> list[float]:
    """The upright box around a polygon. kind: `vertices` or `normalizedVertices`; a corner's x or
    y is left out where it is 0. x_px, y_px: pixels of one unit."""
    corners = rows(
        mapping(row.get("boundingPoly"), f"{what}.boundingPoly").get(kind), f"{what}.{kind}"
    )
    if not corners:
        raise InvalidResponse(f"{what}.{kind} is empty")
    x = [number(corner.get("x", 0), f"{what}.{kind}.x") * x_px for corner in corners]
    y = [number(corner.get("y", 0), f"{what}.{kind}.y") * y_px for corner in corners]
    return [min(x), min(y), max(x), max(y)]
