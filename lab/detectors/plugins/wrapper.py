"""Completes what a plugin made to a full detector, and checks every result of it.

A plugin needs only `detect(frames) -> list[Detections]`; `complete` adds the rest of
`lab.detectors.detector.Detector`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.plugins.calls import LOST_BOXES, third_party_call
from lab.detectors.plugins.memory import PluginMemory
from lab.detectors.plugins.pictures import copied
from lab.detectors.plugins.results import close_if_possible
from lab.detectors.plugins.secrets import WRAPPER_SETTINGS, on_record, redact, secrets_of
from lab.detectors.plugins.validation import InvalidResult, checked
from lab.detectors.settings import check_known
from lab.errors import DetectorError, LabError, SettingError
from lab.frame import Frame
from lab.registry import in_words

_MAX_WORDS = 300


def complete(
    name: str,
    made: Any,
    settings: Mapping[str, Any],
    package: Mapping[str, str] | None = None,
    *,
    what: str | None = None,
    make_again: Callable[[], Any] | None = None,
) -> Detector:
    """A full detector around what a plugin made; every result of it is checked.

    package: `name` and `version` of where it comes from. what: how messages call it.
    make_again: creates another like it, for a plugin that does not declare how its memory is
        cleared; None for an object that was handed over.

    Raises DetectorError if it has no `detect`, or an attribute that is not valid; SettingError for
    labels that are not valid or that it does not know.
    """
    what = what or f"plugin {name!r}"
    memory = PluginMemory(what, made, make_again)
    return PluginDetector(name, memory, dict(settings), dict(package or {}), what)


class PluginDetector(Detector):
    """See `complete`. A result that is not valid, or an exception, is a failed frame."""

    def __init__(
        self,
        name: str,
        memory: PluginMemory,
        settings: dict[str, Any],
        package: dict[str, str],
        what: str,
    ) -> None:
        made = memory.made
        if not callable(getattr(made, "detect", None)):
            raise DetectorError(f"{what} made a {type(made).__name__}, which has no detect(frames)")
        self._memory, self._what, self._is_closed = memory, what, False
        self._secrets = secrets_of(settings)
        self.default_score_floor = self._number("default_score_floor", 0.05)
        self.default_threshold = self._number("default_threshold", 0.4)
        self.batch_size = self._attribute("batch_size", 1)
        if not isinstance(self.batch_size, Integral) or self.batch_size < 1:
            raise DetectorError(f"{what} has batch_size {self.batch_size!r}, expected 1 or more")
        self.is_stateful = bool(self._attribute("is_stateful", False))
        self.takes_windows = bool(self._attribute("takes_windows", False))
        recipe = self._own_recipe()
        self._declared: tuple[str, ...] = _label_names(
            what, self._attribute("labels", None) or (), DetectorError
        )
        self._requested: tuple[str, ...] = self._requested_labels(settings.get("labels"))
        self.labels = tuple(
            label
            for label in self._declared or self._requested
            if not self._requested or label in self._requested
        )
        self._floor: float = self._score_floor(settings.get("score_floor"), recipe)
        recorded, left_out = on_record(
            {k: v for k, v in settings.items() if k not in WRAPPER_SETTINGS or v is not None}
        )
        self._recipe: dict[str, Any] = {
            **recipe,
            "detector": name,
            "labels": list(self.labels),
            "score_floor": self._floor,
            "plugin": package,
            "settings": recorded,
        } | ({"unrecorded_settings": left_out} if left_out else {})

    @property
    def name(self) -> str:
        return str(self._recipe["detector"])

    def recipe(self) -> dict[str, Any]:
        copied: dict[str, Any] = json.loads(json.dumps(self._recipe))
        return copied

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One result per frame, or one for the last frame of a window. Never raises."""
        if not frames:
            return []
        expected = list(frames[-1:] if self.takes_windows else frames)
        try:
            self._check_open()
            self._memory.note_use()
            with third_party_call() as call:
                returned = self._memory.made.detect(copied(frames))
        except (Exception, SystemExit) as error:
            return self._all_failed(expected, f"raised {in_words(error)}")
        if not isinstance(returned, (list, tuple)):
            kind = type(returned).__name__
            return self._all_failed(expected, f"returned {kind}, expected list[Detections]")
        if len(returned) != len(expected):
            wanted = (
                "1, for the last frame of the window" if self.takes_windows else str(len(expected))
            )
            return self._all_failed(
                expected, f"returned {len(returned)} results, expected {wanted}"
            )
        results = [
            self._checked(found, frame) for found, frame in zip(returned, expected, strict=True)
        ]
        if call.failure and not any(LOST_BOXES in (one.error or "") for one in results):
            return self._all_failed(expected, f"returned results, but {call.failure}")
        return results

    def reset(self) -> None:
        """See `lab.detectors.detector.Detector`."""
        self._check_open()
        self._memory.forget()

    def close(self) -> None:
        """Close what the plugin made, once; an error there is a warning and changes no result."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            with third_party_call():
                close_if_possible(self._memory.made)
        except (Exception, SystemExit) as error:
            words = redact(
                f"{self._what} raised {in_words(error)} when it was closed", self._secrets
            )
            warnings.warn(words, RuntimeWarning, stacklevel=2)

    def _check_open(self) -> None:
        if self._is_closed:
            raise DetectorError("it has been closed")

    def _checked(self, found: Any, frame: Frame) -> Detections:
        assert frame.image_bgr is not None
        height_px, width_px = frame.image_bgr.shape[:2]
        try:
            return checked(
                found,
                width_px=width_px,
                height_px=height_px,
                score_floor=self._floor,
                declared=self._declared,
                requested=self._requested,
            )
        except InvalidResult as error:
            return self._failed(f"returned {error}")

    def _failed(self, words: str) -> Detections:
        return Detections.failed(redact(f"{self._what} {words}", self._secrets)[:_MAX_WORDS])

    def _all_failed(self, expected: list[Frame], words: str) -> list[Detections]:
        return [self._failed(words) for _ in expected]

    def _attribute(self, name: str, default: Any) -> Any:
        try:
            return getattr(self._memory.made, name, default)
        except Exception as error:
            raise DetectorError(f"{self._what}: reading {name} raised {in_words(error)}") from None

    def _number(self, name: str, default: float) -> float:
        value = self._attribute(name, default)
        if not _is_share(value):
            raise DetectorError(f"{self._what} has {name} {value!r}, expected a number in (0, 1)")
        return float(value)

    def _own_recipe(self) -> dict[str, Any]:
        give = self._attribute("recipe", None)
        if not callable(give):
            return {}
        try:
            recipe = give()
            if not isinstance(recipe, dict):
                raise TypeError(f"expected dict, got {type(recipe).__name__}")
            json.dumps(recipe, allow_nan=False)
        except Exception as error:
            raise DetectorError(
                f"{self._what}: its recipe() is not a dict of JSON values: {in_words(error)}"
            ) from None
        return on_record(recipe)[0]

    def _requested_labels(self, labels: Any) -> tuple[str, ...]:
        if labels is None:
            return ()
        requested = _label_names(self._what, labels, SettingError)
        if not requested:
            raise SettingError("no label given; name one or more, or leave labels out for all")
        if self._declared:
            check_known(requested, self._declared, f"{self._what} does not know")
        return requested

    def _score_floor(self, given: Any, recipe: Mapping[str, Any]) -> float:
        floor = recipe.get("score_floor", self.default_score_floor) if given is None else given
        if not _is_share(floor):
            raise SettingError(f"score_floor must be in (0, 1), got {floor!r}")
        return float(floor)


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float, np.floating)) and 0 < float(value) < 1


def _label_names(what: str, labels: Any, error_type: type[LabError]) -> tuple[str, ...]:
    is_list = isinstance(labels, (list, tuple, set, frozenset))
    if not is_list or not all(isinstance(label, str) and label.strip() for label in labels):
        raise error_type(f"{what}: labels must be a list of names, got {labels!r}")
    return tuple(dict.fromkeys(label.strip() for label in labels))
