"""Detector `yolo-world`: anything that can be said in words, by Ultralytics' YOLO-World."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from lab.detection import Detections
from lab.detectors.open_vocabulary.prompted import Prompted
from lab.detectors.open_vocabulary.prompts import check_prompts, choose_mode
from lab.detectors.open_vocabulary.text_features import CLIP, TextFeatures, clip_encoder
from lab.detectors.open_vocabulary.text_store import TextStore
from lab.detectors.open_vocabulary.world_model import (
    OnnxWorld,
    OpenVinoWorld,
    TorchWorld,
    WorldModel,
)
from lab.detectors.settings import checked_floor
from lab.detectors.weights.find import find_weights
from lab.detectors.yolo.letterbox import Letterbox
from lab.detectors.yolo.suppression import Found, nms_settings
from lab.errors import DetectorError, SettingError, closest
from lab.extras import need

DEFAULT_WEIGHTS = "yolov8s-worldv2.pt"
PROCESSING_VERSION = 1
RUNTIMES = ("onnx", "openvino", "torch")


class YoloWorld(Prompted):
    """Finds what the prompts say.

    weights: path or name of a YOLO-World checkpoint. runtime: `onnx` (unless given), `openvino`
        or `torch`.
    labels: the prompts. prompt_mode: `independent` or `joint`; see `lab.detectors.open_vocabulary.prompts`.
    image_size, nms_iou, most_boxes, score_floor: as detector `yolo`.
    embeddings: an .npz with `names` and `emb`, looked into before anything else.
    store: where text embeddings are kept.

    Raises SettingError for prompts or settings that are not valid, DetectorError if the weights are
    not YOLO-World's, or a prompt cannot be embedded here.
    """

    kind = "yolo-world"
    processing_version = PROCESSING_VERSION
    _model: WorldModel | None

    def __init__(
        self,
        *,
        weights: str | None = None,
        runtime: str | None = None,
        labels: Sequence[str] | None = None,
        prompt_mode: str | None = None,
        image_size: int = 640,
        score_floor: float | None = None,
        nms_iou: float = 0.7,
        most_boxes: int = 300,
        embeddings: str | Path | None = None,
        store: TextStore | None = None,
    ) -> None:
        prompts = check_prompts(labels)
        choose_mode(prompt_mode, len(prompts))
        floor = checked_floor(score_floor, self.default_score_floor)
        keep = nms_settings(image_size, floor, nms_iou, most_boxes)
        need("detector 'yolo-world'", "prompts", "torch", "ultralytics")
        path = find_weights(weights or DEFAULT_WEIGHTS)
        model = _load(path, runtime or "onnx")
        texts = TextFeatures(
            CLIP,
            own=model.own,
            dimensions=model.text.shape[-1],
            file=embeddings,
            store=store,
            encode=clip_encoder(),
        )
        super().__init__(model, path, image_size=image_size, keep=keep, texts=texts)
        self.ask_for(prompts, prompt_mode)

    def _seen(
        self, batch: np.ndarray, box: Letterbox, width_px: int, height_px: int
    ) -> list[Detections]:
        assert self._model is not None
        features, size = self._model.features(batch), (box.height_px, box.width_px)
        found = [Found.nothing() for _ in batch]
        joint = self.prompt_mode == "joint"
        for asked in (
            [range(len(self.labels))]
            if joint
            else [range(i, i + 1) for i in range(len(self.labels))]
        ):
            boxes, scores = self._model.ask(features, self._text[list(asked)], size)
            if not np.isfinite(scores).all():
                return [Detections.failed("the model gave scores that are not numbers")] * len(
                    batch
                )
            for i, one in enumerate(found):
                self._take(one, asked, boxes[i], scores[i])
        return [one.detections(box, width_px, height_px) for one in found]

    def _take(self, found: Found, asked: range, boxes: np.ndarray, scores: np.ndarray) -> None:
        for column in np.flatnonzero((scores >= self._keep.score_floor).any(axis=0)):
            rows = self._keep.of_label(boxes, scores[:, column])
            found.add(self.labels[asked[column]], boxes, scores[:, column], rows)


def _load(path: Path, runtime: str) -> WorldModel:
    if runtime not in RUNTIMES:
        raise SettingError(f"unknown runtime {runtime!r}; {closest(runtime, list(RUNTIMES))}")
    if path.suffix != ".pt":
        raise DetectorError(f"{path} is no YOLO-World checkpoint; its weights end in .pt")
    kinds: dict[str, Callable[[Path], WorldModel]] = {
        "onnx": OnnxWorld,
        "openvino": OpenVinoWorld,
        "torch": TorchWorld,
    }
    return kinds[runtime](path)
