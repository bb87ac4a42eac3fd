"""Detector `logos`: brands, classified by CLIP inside boxes or over the whole picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.make import detector_settings, make_detector
from lab.detectors.open_vocabulary.text_store import TextStore
from lab.detectors.zero_shot.brand_lists import load_brands
from lab.detectors.zero_shot.classifier import PromptClassifier
from lab.detectors.zero_shot.crops import crop_boxes
from lab.detectors.zero_shot.encoder import TextCache
from lab.detectors.zero_shot.scene_lists import check_prompts
from lab.errors import SettingError
from lab.frame import Frame

LOGO_TEMPLATES = (
    "a photo of the {} logo",
    "the {} logo",
    "a sign with the {} logo",
    "a product with the {} logo",
)


NO_LOGO = (
    "a photo without any logo", "a plain background", "a photo of people", "a photo of a street",
    "a photo of a landscape", "a photo of a room", "a photo of an object",
)  # fmt: skip


_MAX_CROPS = 20


_MARGIN = 0.1


class Logos(PromptClassifier):
    """Which brands' logos a picture shows, among a list of brands.

    brands: a list of `{"name", "terms"}`, the path of such a list (YAML or JSON), or None for a
        built-in list of well-known brands. Terms stand in "a photo of the ... logo" and the like.
    negative: whole prompts for pictures without a logo; together they are one class.
    labels: the brands that are reported; None for all. The scores of a picture sum to 1 over the
        whole list and the negative class: a brand's score does not depend on which brands are
        reported, but it depends on the list, so another list is another run.
    on: `frame` analyses the whole picture; `boxes` the boxes of another detector, each made 10 %
        larger and cut out: a detection then has the box that was cut.
    boxes_from: that detector's name and settings, `{"name": "yolo", "labels": ["car"]}`, or its
        recipe.
    boxes_threshold: weaker boxes are not analysed. At most the 20 best of a frame are.
    top: the largest number of brands of one picture (or box), of the whole list.
    store: for the other detector, if it keeps text embeddings.
    model, weights, text_cache: see `lab.detectors.zero_shot.encoder.ClipEncoder`.

    Raises SettingError for a setting or list that is not valid, DetectorError for weights that
    cannot be used.
    """

    uses_store = True

    def __init__(
        self,
        *,
        brands: Sequence[Any] | str | None = None,
        negative: Sequence[str] | None = None,
        labels: Sequence[str] | None = None,
        on: str = "frame",
        boxes_from: Mapping[str, Any] | None = None,
        boxes_threshold: float = 0.25,
        top: int = 5,
        score_floor: float | None = None,
        model: str = "ViT-B-32",
        weights: str | None = None,
        text_cache: TextCache | None = None,
        store: TextStore | None = None,
    ) -> None:
        checked = load_brands(brands)
        none = check_prompts(NO_LOGO if negative is None else negative, "negative")
        _check_boxes(on, boxes_from, boxes_threshold)
        prompts = {
            b["name"]: [t.format(term) for term in b["terms"] for t in LOGO_TEMPLATES]
            for b in checked
        }
        super().__init__(
            prompts=prompts,
            negative=none,
            labels=labels,
            top=top,
            score_floor=score_floor,
            model=model,
            weights=weights,
            text_cache=text_cache,
        )
        self._inner: Detector | None = None
        self._threshold = float(boxes_threshold)
        self._recipe |= {
            "detector": "logos",
            "brands": checked,
            "templates": list(LOGO_TEMPLATES),
            "negative": none,
            "on": on,
            "whole_frame": on == "frame",
        }
        if boxes_from is not None:
            self._inner = _box_detector(boxes_from, store)
            self.batch_size = self._inner.batch_size
            self.is_stateful = self._inner.is_stateful
            self._recipe |= {
                "boxes_from": self._inner.recipe(),
                "boxes_threshold": self._threshold,
                "boxes_most": _MAX_CROPS,
                "boxes_margin": _MARGIN,
            }

    def reset(self) -> None:
        """See `lab.detectors.detector.Detector`."""
        if self._inner is not None:
            self._inner.reset()

    def close(self) -> None:
        super().close()
        if self._inner is not None:
            self._inner.close()

    def _infer(self, frames: Sequence[Frame], pictures: list[np.ndarray]) -> list[Detections]:
        if self._inner is None:
            return super()._infer(frames, pictures)
        height, width = pictures[0].shape[:2]
        found = self._inner.detect(frames)
        cuts = [
            crop_boxes(
                f, width, height, threshold=self._threshold, max_crops=_MAX_CROPS, margin=_MARGIN
            )
            for f in found
        ]
        crops = [
            p[y1:y2, x1:x2]
            for p, boxes in zip(pictures, cuts, strict=True)
            for x1, y1, x2, y2 in boxes
        ]
        rows = self.probabilities(crops)
        parts = np.split(rows, np.cumsum([len(boxes) for boxes in cuts])[:-1])
        return [
            f if f.error is not None or f.gated is not None else self._detections(part, boxes)
            for f, part, boxes in zip(found, parts, cuts, strict=True)
        ]


def _check_boxes(on: str, boxes_from: Any, threshold: Any) -> None:
    if on not in ("frame", "boxes"):
        raise SettingError(f"on must be 'frame' or 'boxes', got {on!r}")
    if (
        isinstance(threshold, bool)
        or not isinstance(threshold, int | float)
        or not 0 <= threshold <= 1
    ):
        raise SettingError(f"boxes_threshold must be in [0, 1], got {threshold!r}")
    if (on == "boxes") != (boxes_from is not None):
        raise SettingError(
            "on='boxes' goes with boxes_from, such as {'name': 'yolo'}; give both or neither"
        )
    if boxes_from is not None and (
        not isinstance(boxes_from, Mapping)
        or not isinstance(boxes_from.get("name", boxes_from.get("detector")), str)
    ):
        raise SettingError(
            "boxes_from must name a detector, such as {'name': 'yolo', 'labels': ['car']}"
        )


def _box_detector(settings: Mapping[str, Any], store: TextStore | None) -> Detector:
    """The detector whose boxes are cut out, from its settings or its recipe."""
    inner = make_detector(
        store=store, **(dict(settings) if "name" in settings else detector_settings(settings, {}))
    )
    if inner.recipe().get("whole_frame") or inner.takes_windows:
        inner.close()
        raise SettingError(
            "boxes_from must name a detector with boxes; this one scores whole pictures or windows"
        )
    return inner
