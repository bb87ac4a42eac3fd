"""Detector `yolo`: a closed set of classes, from an export or an Ultralytics checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.device import CUDA_BATCH, device_recipe
from lab.detectors.settings import among, checked_floor
from lab.detectors.weights.files import is_openvino_folder, weights_sha256
from lab.detectors.weights.find import find_weights
from lab.detectors.yolo.exported_model import OnnxModel, OpenVinoModel
from lab.detectors.yolo.frame_threads import FrameThreads
from lab.detectors.yolo.letterbox import Letterbox
from lab.detectors.yolo.outputs import Picture, Raw
from lab.detectors.yolo.suppression import nms_settings, one_shape
from lab.detectors.yolo.torch_model import UltralyticsModel
from lab.errors import DetectorError, SettingError, closest
from lab.frame import Frame

PROCESSING_VERSION = 1
RUNTIMES = ("onnx", "openvino", "torch")


class Yolo(Detector):
    """Finds objects of the classes that its weights were trained for.

    Of a segmentation model a box is drawn tightly around each mask, of a model for rotated boxes
    upright around each of them.

    weights: path or name; None is YOLO11 n on the 80 COCO classes.
    runtime: `onnx`, `openvino` or `torch`; None takes `torch` for `.pt`, `openvino` for a folder
        of its export, else `onnx`.
    labels: the classes to look for; None for all. class_name: the same for a single one.
    image_size: longest side of the network's input in pixels, a multiple of its stride.
    nms_iou: of two boxes of one class that overlap by more, the weaker is removed (0.7, as in
        Ultralytics).
    most_boxes: the largest number kept for each label on a frame.

    Raises DetectorError if the weights are missing, changed or not such a model; SettingError
    for a setting out of range or a label that the model does not know.
    """

    default_score_floor = 0.05
    default_threshold = 0.4

    def __init__(
        self,
        *,
        weights: str | None = None,
        runtime: str | None = None,
        labels: Sequence[str] | None = None,
        class_name: str | None = None,
        image_size: int = 640,
        score_floor: float | None = None,
        nms_iou: float = 0.7,
        most_boxes: int = 300,
    ) -> None:
        floor = checked_floor(score_floor, self.default_score_floor)
        self._keep = nms_settings(image_size, floor, nms_iou, most_boxes)
        if class_name is not None:
            if labels is not None:
                raise SettingError("give class_name (one class) or labels (several), not both")
            labels = [class_name]
        path = find_weights(weights)
        self.weights_path = str(path.absolute())
        runtime = runtime or _own_runtime(path)
        self._model = _load(path, runtime)
        self.device = self._model.device
        self._size = self._model.fixed_size_px or (image_size, image_size)
        self.labels = among(labels, self._model.names, "the model does not know")
        self._columns = np.array([self._model.names.index(label) for label in self.labels])
        self.batch_size = self._model.at_once
        if self.device == "cuda" and self._model.fixed_batch is None:
            self.batch_size = CUDA_BATCH
        self._threads = FrameThreads(self._model.at_once)
        self._recipe = {
            "detector": "yolo",
            "weights": path.name,
            "weights_sha256": weights_sha256(path),
            "runtime": runtime,
            "precision": "f32",
            "image_size": max(self._size),
            "nms_iou": nms_iou,
            "most_boxes": most_boxes,
            "processing_version": PROCESSING_VERSION,
            "labels": list(self.labels),
            "score_floor": floor,
            **_of_kind(self._model),
            **device_recipe(self.device),
        }

    def recipe(self) -> dict[str, Any]:
        return dict(self._recipe)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `lab.detectors.detector.Detector`.

        Raises ValueError if the frames differ in shape.
        """
        if not frames:
            return []
        height, width = one_shape(frames)
        stride = None if self._model.fixed_size_px else self._model.stride
        box = Letterbox.fit(width, height, self._size, stride)
        if self._model.at_once == 1 and self._model.fixed_batch != 1:
            batch = np.stack([box.apply(one.image_bgr) for one in frames])  # type: ignore[arg-type]
            raw = self._model.forward(batch)
            return [self._detections(raw, i, box, width, height) for i in range(len(frames))]
        return self._threads.map(partial(self._alone, box), frames)

    def close(self) -> None:
        self._threads.close()
        self._model = None

    def _alone(self, box: Letterbox, frame: Frame) -> Detections:
        assert frame.image_bgr is not None
        height, width = frame.image_bgr.shape[:2]
        raw = self._model.forward(box.apply(frame.image_bgr)[None])
        return self._detections(raw, 0, box, width, height)

    def _detections(self, raw: Raw, i: int, box: Letterbox, width: int, height: int) -> Detections:
        scores = raw.scores[i][:, self._columns]
        if not np.isfinite(scores).all():
            return Detections.failed("the model gave scores that are not numbers")
        size = (box.height_px, box.width_px)
        picture = Picture.of(raw, i, self._model.task, self._model.suppressed, size)
        return picture.detections(self.labels, scores, self._keep, box, width, height)


def _own_runtime(path: Path) -> str:
    return "torch" if path.suffix == ".pt" else "openvino" if path.is_dir() else "onnx"


def _of_kind(model: Any) -> dict[str, Any]:
    """What the recipe of other kinds than detection models says in addition."""
    more: dict[str, Any] = {}
    if model.task != "detect":
        more["task"] = model.task
        more["boxes_from"] = "masks" if model.task == "segment" else "rotated boxes"
    facts = getattr(model, "facts", None)
    if facts is not None and facts.form != "dense":
        more["layout"] = facts.form
    if facts is not None and not facts.are_names_own:
        more["class_names"] = list(facts.names)
    return more


def _load(path: Path, runtime: str) -> Any:
    if runtime not in RUNTIMES:
        raise SettingError(f"unknown runtime {runtime!r}; {closest(runtime, list(RUNTIMES))}")
    if path.suffix == ".pt" and runtime != "torch":
        raise SettingError(f"{path.name} is a checkpoint: it runs on 'torch', not {runtime!r}")
    if path.suffix == ".onnx" and runtime == "torch":
        raise SettingError(
            f"{path.name} is an ONNX file: it runs on 'onnx' or 'openvino', not 'torch'"
        )
    if is_openvino_folder(path) and runtime != "openvino":
        raise SettingError(
            f"{path.name} is an OpenVINO folder: it runs on 'openvino', not {runtime!r}"
        )
    if path.suffix not in (".pt", ".onnx") and not is_openvino_folder(path):
        raise DetectorError(
            f"{path} is not a model file; weights end in .onnx or .pt, or are an OpenVINO folder"
        )
    if runtime == "torch":
        return UltralyticsModel(path)

    return (OnnxModel if runtime == "onnx" else OpenVinoModel)(path)
