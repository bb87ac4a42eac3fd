"""Algorithms written for Stream Infer, as plugins of the lab.

Stream Infer need not be installed: what counts is the methods that their classes have. Wrap the
result with `lab.detectors.plugins.wrapper.complete`, or load it as detector `python` with the
style `stream-infer`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lab.detection import Detections
from lab.detectors.plugins.loading import load_target
from lab.detectors.plugins.memory import declare_memory
from lab.detectors.plugins.results import (
    ResultError,
    close_if_possible,
    detections_of,
    whole_picture,
)
from lab.errors import DetectorError, SettingError
from lab.frame import Frame

ToDetections = Callable[[Any, Frame], Detections]


class StreamInferAlgo:
    """An algorithm of Stream Infer: `init()` once, then `run(frames)` for each window.

    frames are BGR arrays of shape (height, width, 3), the earliest first; the result counts for
    the last of them.

    label: the label of detections without one.
    names: the names of the class numbers in an (n, 6) result; by default the algorithm's own
        `names`.
    to_detections: turns a result into `Detections`: a function of the result and the last frame,
        or its place, `package.module:function`. By default results of common forms are accepted,
        see `lab.detectors.plugins.results.detections_of`.
    init: the settings with which `init` is called.
    whole_frame: its boxes, if any, have no meaning.
    is_stateful: whether its result depends on earlier windows. By default what the algorithm
        declares itself.
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
        is_stateful: bool | None = None,
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
        self._whole_frame = bool(whole_frame)
        declare_memory(self, algo, is_stateful)
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
        close_if_possible(self._algo)


def _own_names(algo: Any) -> Any:
    for holder in (algo, getattr(algo, "model", None)):
        if isinstance(names := getattr(holder, "names", None), (dict, list, tuple)):
            return names
    return None


def _function(given: ToDetections | str | None) -> ToDetections | None:
    if isinstance(given, str):
        found: ToDetections = load_target(given)
        return found
    if given is not None and not callable(given):
        raise SettingError(f"to_detections must be a function, got {type(given).__name__}")
    return given


def _place_of(function: Any) -> str:
    if isinstance(function, str):
        return function
    name = getattr(function, "__qualname__", type(function).__name__)
    return f"{getattr(function, '__module__', '')}:{name}"
