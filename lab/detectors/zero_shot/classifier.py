"""Scoring pictures against classes that are described in words, with CLIP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.settings import among, checked_floor
from lab.detectors.yolo.suppression import one_shape
from lab.detectors.zero_shot.encoder import ClipEncoder, TextCache
from lab.errors import DetectorError, SettingError
from lab.frame import Frame

PROCESSING_VERSION = 1


class PromptClassifier(Detector):
    """Scores pictures against classes of prompts and one negative class.

    A class is the mean of its prompts' unit vectors, made a unit vector again. Scores are the
    softmax of the model's logits over all classes and the negative one, as in "Learning
    Transferable Visual Models From Natural Language Supervision" (Radford et al., 2021), 3.1.

    prompts: of each class, in order. labels: classes that are reported. top: the largest number
    of classes that one picture can have; the negative one is not counted.
    """

    default_score_floor = 0.01
    default_threshold = 0.5
    batch_size = 8

    def __init__(
        self,
        *,
        prompts: Mapping[str, Sequence[str]],
        negative: Sequence[str],
        model: str,
        weights: str | None,
        labels: Sequence[str] | None,
        top: int,
        score_floor: float | None,
        text_cache: TextCache | None,
    ) -> None:
        floor = checked_floor(score_floor, self.default_score_floor)
        if isinstance(top, bool) or not isinstance(top, int) or top < 1:
            raise SettingError(f"top must be a whole number, 1 or more, got {top!r}")
        self.classes = tuple(prompts)
        self.labels = among(labels, self.classes, "the list does not have")
        self._floor, self._top = floor, top
        encoder = ClipEncoder(model, weights, text_cache=text_cache)
        self._encoder: ClipEncoder | None = encoder
        self.weights_path, self.device = encoder.weights_path, encoder.device
        self._vectors = _class_vectors(encoder, [*prompts.values(), negative])
        self._recipe = {
            **encoder.recipe(),
            "top": top,
            "processing_version": PROCESSING_VERSION,
            "labels": list(self.labels),
            "score_floor": self._floor,
        }

    def recipe(self) -> dict[str, Any]:
        return dict(self._recipe)

    def close(self) -> None:
        if self._encoder is not None:
            self._encoder.close()
        self._encoder = None

    def probabilities(self, images_bgr: Sequence[np.ndarray]) -> np.ndarray:
        """float32, shape (n, classes + 1), rows sum to 1; the last column is the negative class.

        images_bgr: each uint8, shape (height, width, 3), at least one pixel.
        """
        if self._encoder is None:
            raise DetectorError("the detector is closed; make another")
        if not len(images_bgr):
            return np.zeros((0, len(self.classes) + 1), np.float32)
        logits = self._encoder.scale * (
            self._encoder.images(images_bgr).astype(np.float64) @ self._vectors.T
        )
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `lab.detectors.detector.Detector`.

        Raises ValueError if the frames differ in shape.
        """
        if not frames:
            return []
        height, width = one_shape(frames)
        pictures = [frame.image_bgr for frame in frames if frame.image_bgr is not None]
        if not height or not width:
            return [Detections.failed("the picture has no pixels")] * len(frames)
        return self._infer(frames, pictures)

    def _infer(self, frames: Sequence[Frame], pictures: list[np.ndarray]) -> list[Detections]:
        height, width = pictures[0].shape[:2]
        whole = np.array([[0, 0, width, height]])
        return [self._detections(row[None], whole) for row in self.probabilities(pictures)]

    def _detections(self, rows: np.ndarray, boxes: np.ndarray) -> Detections:
        """Of one frame's crops. rows: (n, classes + 1); boxes: (n, 4), where each was cut."""
        if not np.isfinite(rows).all():
            return Detections.failed("the model gave scores that are not numbers")
        found = []
        for row, box in zip(rows[:, :-1], boxes, strict=True):
            for column in np.argsort(-row, kind="stable")[: self._top]:
                if row[column] >= self._floor and self.classes[column] in self.labels:
                    found.append((self.classes[column], row[column], box))
        if not found:
            return Detections()
        labels, confidence, where = zip(*found, strict=True)
        return Detections(
            labels, np.clip(np.array(confidence, np.float32), 0, 1), np.array(where, np.float32)
        )


def _class_vectors(encoder: ClipEncoder, prompts: Sequence[Sequence[str]]) -> np.ndarray:
    """float64, unit length, shape (classes, dim): one row for each class of prompts."""
    vectors = encoder.texts([text for texts in prompts for text in texts]).astype(np.float64)
    parts = np.split(vectors, np.cumsum([len(texts) for texts in prompts])[:-1])
    means = np.stack([part.mean(axis=0) for part in parts])
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    if not np.isfinite(means).all() or not (lengths > 0).all():
        raise DetectorError(
            "the model's vectors of the prompts are not numbers; its weights are damaged"
        )
    scaled: np.ndarray = means / lengths
    return scaled
