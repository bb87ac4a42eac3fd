"""Detectors written for detstream and algorithms written for Stream Infer, as plugins of the lab.

Neither package needs to be installed: what counts is the methods that their classes have. Wrap
the result with `lab.plugins.complete`, or load it as detector `python` with its `style`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lab.detection import Detections
from lab.errors import DetectorError, SettingError
from lab.frame import Frame
from lab.free_results import ResultError, detections_of, whole_picture

ToDetections = Callable[[Any, Frame], Detections]


class DetstreamDetector:
    """A detector of detstream: `detect(frame) -> Detection` for one BGR picture.

    A `Detection` has `present` and `confidence`, and may have `box` (left, top, right, bottom in
    pixels) and `label`; one without a box counts for the whole picture. A detector that also has
    `detect_batch(frames)` is given several at a time, as there.

    label: the name of all that it finds. Unless given, each detection's own label, else the
        detector's `prompt`, `class_name` or `label`.
    only_present: leave out what the detector itself calls absent. Unless set, its confidence
        counts whatever `present` says, so that thresholds can be chosen afterwards.
    whole_frame: its boxes mean nothing, if it has any.
    """

    default_score_floor = 0.05
    default_threshold = 0.4

    def __init__(
        self,
        made: Any,
        *,
        label: str | None = None,
        only_present: bool = False,
        whole_frame: bool = False,
        batch_size: int = 1,
    ) -> None:
        if not callable(getattr(made, "detect", None)):
            raise DetectorError(
                f"a {type(made).__name__} has no detect(frame) as detstream's detectors do"
            )
        self._made, self._label, self._name = made, label, label or _own_name(made)
        self._only_present, self._whole_frame = bool(only_present), bool(whole_frame)
        self.batch_size = batch_size
        self.labels = (self._name,) if self._name else _several_names(made)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One result per frame; one that it cannot look at is failed, with the reason."""
        batch = getattr(self._made, "detect_batch", None)
        if len(frames) > 1 and callable(batch):
            found = batch([frame.image_bgr for frame in frames])
            if not isinstance(found, (list, tuple)) or len(found) != len(frames):
                raise ValueError(
                    f"detect_batch gave {found!r:.80} for {len(frames)} frames, expected one Detection each"
                )
            return [self._detections(one, frame) for one, frame in zip(found, frames, strict=True)]
        return [self._look(frame) for frame in frames]

    def recipe(self) -> dict[str, Any]:
        options = {"style": "detstream", "label": self._label, "only_present": self._only_present}
        return {"adapter": options} | ({"whole_frame": True} if self._whole_frame else {})

    def close(self) -> None:
        _close(self._made)

    def _look(self, frame: Frame) -> Detections:
        try:
            found = self._made.detect(frame.image_bgr)
        except Exception as error:
            return Detections.failed(f"detect raised {type(error).__name__}: {error}"[:300])
        return self._detections(found, frame)

    def _detections(self, found: Any, frame: Frame) -> Detections:
        if not hasattr(found, "present") or not hasattr(found, "confidence"):
            kind = type(found).__name__
            return Detections.failed(
                f"detect returned {kind}, expected a Detection with present and confidence"
            )
        score = found.confidence
        if not isinstance(score, (int, float, np.number)) or not 0 <= score <= 1:
            return Detections.failed(f"confidence must be in [0, 1], got {score!r}")
        if score == 0 or (self._only_present and not found.present):
            return Detections()
        label = self._label or getattr(found, "label", None) or self._name
        if not label:
            return Detections.failed("the detection has no label; name it with the setting label")
        box = None if self._whole_frame else getattr(found, "box", None)
        try:
            corners = (
                whole_picture(frame) if box is None else np.array(box, np.float32).reshape(1, 4)
            )
            return Detections([str(label)], np.array([score], np.float32), corners)
        except (TypeError, ValueError):
            return Detections.failed(
                f"box must be left, top, right, bottom in pixels, got {box!r}"[:300]
            )


class StreamInferAlgo:
    """An algorithm of Stream Infer: `init()` once, then `run(frames)` for each window.

    frames are BGR arrays of shape (height, width, 3), the earliest first; the result counts for
    the last of them.

    label: the name of all that it finds, for results without one.
    names: the names of the class numbers in an (n, 6) result; else the algorithm's own `names`.
    to_detections: turns a result into `Detections`: a function of the result and the last frame,
        or where to import it from, `package.module:function`. Unless given, the common results
        are understood: see `lab.free_results.detections_of`.
    init: the settings that `init` is called with.
    whole_frame: its boxes mean nothing, if it has any.
    is_stateful: what it says depends on the windows before.
    """

    default_score_floor = 0.05
    default_threshold = 0.4
    batch_size = 1
    takes_windows = True

    def __init__(
        self,
        algo: Any,
        *,
        label: str | None = None,
        names: Sequence[str] | None = None,
        to_detections: ToDetections | str | None = None,
        init: Mapping[str, Any] | None = None,
        whole_frame: bool = False,
        is_stateful: bool = False,
    ) -> None:
        if not callable(getattr(algo, "run", None)):
            raise DetectorError(
                f"a {type(algo).__name__} has no run(frames) as Stream Infer's algorithms do"
            )
        if isinstance(names, str):
            raise SettingError(f"names must be a list of names, got {names!r}")
        self._recipe: dict[str, Any] = {
            "style": "stream-infer",
            "label": label,
            "names": list(names) if names else None,
        }
        if to_detections is not None:
            self._recipe["to_detections"] = _place_of(to_detections)
        self._to_detections = _function(to_detections)
        self._algo, self._label, self._names = algo, label, names
        self._whole_frame, self.is_stateful = bool(whole_frame), bool(is_stateful)
        self.labels = tuple(names or ()) or ((label,) if label and to_detections is None else ())
        if callable(begin := getattr(algo, "init", None)):
            begin(**(init or {}))

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One result, for the last frame of the window."""
        result = self._algo.run([frame.image_bgr for frame in frames])
        if self._to_detections is not None:
            return [self._to_detections(result, frames[-1])]
        names = self._names if self._names is not None else _own_names(self._algo)
        try:
            found = detections_of(result, frames[-1], label=self._label, names=names)
        except ResultError as error:
            return [Detections.failed(f"run returned {error}"[:300])]
        if self._whole_frame and len(found):
            found = Detections(
                found.labels, found.confidence, whole_picture(frames[-1], len(found))
            )
        return [found]

    def recipe(self) -> dict[str, Any]:
        return {"adapter": self._recipe} | ({"whole_frame": True} if self._whole_frame else {})

    def close(self) -> None:
        _close(self._algo)


ADAPTERS: dict[str, Callable[..., Any]] = {
    "detstream": DetstreamDetector,
    "stream-infer": StreamInferAlgo,
}


def _own_name(made: Any) -> str | None:
    for attribute in ("prompt", "class_name", "label"):
        if isinstance(name := getattr(made, attribute, None), str) and name:
            return name
    return None


def _several_names(made: Any) -> tuple[str, ...]:
    """The labels of a detector with `prompts`, or with `names` of which `class_id` may be one."""
    if isinstance(prompts := getattr(made, "prompts", None), (list, tuple)):
        return tuple(map(str, prompts))
    names, chosen = getattr(made, "names", None), getattr(made, "class_id", None)
    if not isinstance(names, dict):
        return ()
    return tuple(str(name) for number, name in names.items() if chosen in (None, number))


def _own_names(algo: Any) -> Any:
    for holder in (algo, getattr(algo, "model", None)):
        if isinstance(names := getattr(holder, "names", None), (dict, list, tuple)):
            return names
    return None


def _function(given: ToDetections | str | None) -> ToDetections | None:
    if isinstance(given, str):
        from lab.plugin_factory import load_target

        found: ToDetections = load_target(given)
        return found
    if given is not None and not callable(given):
        raise SettingError(f"to_detections must be a function, got {type(given).__name__}")
    return given


def _place_of(function: Any) -> str:
    if isinstance(function, str):
        return function
    return f"{getattr(function, '__module__', '')}:{getattr(function, '__qualname__', type(function).__name__)}"


def _close(made: Any) -> None:
    if callable(close := getattr(made, "close", None)):
        close()
