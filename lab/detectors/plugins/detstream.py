"""Detectors written for detstream, as plugins of the lab.

detstream need not be installed: what counts is the methods that their classes have. Wrap the
result with `lab.detectors.plugins.wrapper.complete`, or load it as detector `python` with the
style `detstream`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lab.detection import Detections
from lab.detectors.plugins.calls import third_party_call
from lab.detectors.plugins.memory import declare_memory
from lab.detectors.plugins.results import close_if_possible, whole_picture
from lab.errors import DetectorError
from lab.frame import Frame


class DetstreamDetector:
    """A detector of detstream: `detect(frame) -> Detection` for one BGR picture.

    A `Detection` has `present` and `confidence`, and may have `box` (left, top, right, bottom in
    pixels) and `label`; one without a box counts for the whole picture. A detector that also has
    `detect_batch(frames)` is given several at a time, as there.

    label: the label of all its detections. By default each detection's own label, else the
        detector's `prompt`, `class_name` or `label`.
    only_present: leave out detections that the detector itself calls absent. By default their
        confidence counts whatever `present` says, so that thresholds can be chosen afterwards.
    whole_frame: its boxes, if any, have no meaning.
    is_stateful: whether its results depend on earlier frames. By default what the detector
        declares itself.
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
        is_stateful: bool | None = None,
    ) -> None:
        if not callable(getattr(made, "detect", None)):
            raise DetectorError(
                f"a {type(made).__name__} has no detect(frame) as detstream's detectors do"
            )
        self._made, self._label, self._name = made, label, label or _label_of(made)
        declare_memory(self, made, is_stateful)
        self._only_present, self._whole_frame = bool(only_present), bool(whole_frame)
        self.batch_size = batch_size
        self.labels = (self._name,) if self._name else _labels_of(made)

    @property
    def adapted_name(self) -> str:
        """What is inside, for a recipe."""
        return type(self._made).__name__

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One result per frame; a frame that it cannot analyse is failed, with the reason."""
        batch = getattr(self._made, "detect_batch", None)
        if len(frames) > 1 and callable(batch):
            with third_party_call() as call:
                found = batch([frame.image_bgr for frame in frames])
            if call.failure:
                return [Detections.failed(f"detect_batch: {call.failure}")] * len(frames)
            if not isinstance(found, (list, tuple)) or len(found) != len(frames):
                raise ValueError(
                    f"detect_batch gave {found!r:.80} for {len(frames)} frames, "
                    "expected one Detection each"
                )
            return [self._detections(one, frame) for one, frame in zip(found, frames, strict=True)]
        return [self._infer(frame) for frame in frames]

    def recipe(self) -> dict[str, Any]:
        options = {"style": "detstream", "label": self._label, "only_present": self._only_present}
        return {"adapter": options} | ({"whole_frame": True} if self._whole_frame else {})

    def close(self) -> None:
        close_if_possible(self._made)

    def _infer(self, frame: Frame) -> Detections:
        try:
            with third_party_call() as call:
                found = self._made.detect(frame.image_bgr)
        except Exception as error:
            return Detections.failed(f"detect raised {type(error).__name__}: {error}"[:300])
        if call.failure:
            return Detections.failed(f"detect: {call.failure}")
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


def _label_of(made: Any) -> str | None:
    for attribute in ("prompt", "class_name", "label"):
        if isinstance(name := getattr(made, attribute, None), str) and name:
            return name
    return None


def _labels_of(made: Any) -> tuple[str, ...]:
    """The labels of a detector with `prompts`, or with `names` of which `class_id` may be one."""
    if isinstance(prompts := getattr(made, "prompts", None), (list, tuple)):
        return tuple(map(str, prompts))
    names, chosen = getattr(made, "names", None), getattr(made, "class_id", None)
    if not isinstance(names, dict):
        return ()
    return tuple(str(name) for number, name in names.items() if chosen in (None, number))
