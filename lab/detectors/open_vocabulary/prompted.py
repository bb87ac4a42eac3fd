"""What detectors that take prompts share: settings, prompts and recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.device import CUDA_BATCH, device_recipe
from lab.detectors.open_vocabulary.prompts import check_prompts, choose_mode
from lab.detectors.open_vocabulary.text_features import TextFeatures, feature_hash
from lab.detectors.weights.files import weights_sha256
from lab.detectors.yolo.letterbox import Letterbox
from lab.detectors.yolo.suppression import STRIDE, NmsSettings, one_shape
from lab.errors import DetectorError
from lab.frame import Frame


class Prompted(Detector):
    """A detector of prompts; a subclass adds the network and runs it on a batch.

    kind: the detector's name. processing_version: of what the subclass does with the output.
    """

    default_score_floor = 0.01
    default_threshold = 0.1
    takes_prompts = True
    uses_store = True
    example = {"labels": ["person"]}
    kind: str
    processing_version: int
    prompt_mode: str

    def __init__(
        self,
        model: Any,
        path: Path,
        *,
        image_size: int,
        keep: NmsSettings,
        texts: TextFeatures | None,
    ) -> None:
        """model: has `name` (the runtime), `device` and `close()`. texts: None if the
        network's vocabulary is its own.
        """
        self.weights_path = str(path.absolute())
        self._model: Any = model
        # On a CPU two at a time take as long as two in turn.
        self.device = model.device
        self.batch_size = CUDA_BATCH if self.device == "cuda" else 1
        self._size, self._keep, self._texts = image_size, keep, texts
        self._text = np.zeros((0, 0), np.float32)
        self._recipe: dict[str, Any] = {
            "detector": self.kind,
            "weights": path.name,
            "weights_sha256": weights_sha256(path),
            "runtime": model.name,
            "precision": "f32",
            "image_size": image_size,
            "nms_iou": keep.nms_iou,
            "most_boxes": keep.max_boxes,
            "processing_version": self.processing_version,
            "score_floor": keep.score_floor,
            **device_recipe(self.device),
        }
        if texts is not None:
            self._recipe["text_encoder"] = texts.encoder

    def ask_for(self, labels: Sequence[str] | None, prompt_mode: str | None = None) -> None:
        """Change the prompts; the network stays loaded.

        Raises as the constructor does; the prompts stay as they were then.
        """
        prompts = check_prompts(labels)
        mode = self._mode(prompt_mode, len(prompts))
        if self._texts is None:
            raise DetectorError("this network has its own vocabulary and takes no prompts")
        text = self._texts.of(prompts)
        self.labels, self.prompt_mode, self._text = prompts, mode, text
        self._recipe |= {
            "prompt_mode": mode,
            "labels": sorted(prompts),  # their order changes no score
            "text_features": {p: feature_hash(v) for p, v in zip(prompts, text, strict=True)},
        }

    def _mode(self, prompt_mode: str | None, count: int) -> str:
        return choose_mode(prompt_mode, count)

    def recipe(self) -> dict[str, Any]:
        return dict(self._recipe)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `lab.detectors.detector.Detector`.

        Raises ValueError if the frames differ in shape.
        """
        if not frames:
            return []
        if self._model is None:
            raise DetectorError("the detector is closed; make it again")
        height, width = one_shape(frames)
        box = Letterbox.fit(width, height, (self._size, self._size), STRIDE)
        batch = np.stack([box.apply(frame.image_bgr) for frame in frames])  # type: ignore[arg-type]
        return self._infer(batch, box, width, height)

    def _infer(
        self, batch: np.ndarray, box: Letterbox, width_px: int, height_px: int
    ) -> list[Detections]:
        """Detections of each picture.

        batch: float32 (b, 3, h, w). width_px, height_px: of the pictures before the letterbox.
        """
        raise NotImplementedError

    def close(self) -> None:
        if self._model is not None:
            self._model.close()
        self._model = None
