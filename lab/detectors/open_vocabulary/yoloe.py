"""Detector `yoloe`: what prompts say, or all that it knows by name, by Ultralytics' YOLOE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.detection import Detections
from lab.detectors.open_vocabulary.mobileclip import text_encoder
from lab.detectors.open_vocabulary.prompted import Prompted
from lab.detectors.open_vocabulary.prompts import check_prompts, choose_mode
from lab.detectors.open_vocabulary.text_features import TextFeatures
from lab.detectors.open_vocabulary.text_store import TextStore
from lab.detectors.open_vocabulary.yoloe_model import YoloeModel
from lab.detectors.settings import among, checked_floor
from lab.detectors.weights.find import find_weights
from lab.detectors.yolo.letterbox import Letterbox
from lab.detectors.yolo.outputs import Picture, Raw
from lab.detectors.yolo.suppression import nms_settings
from lab.errors import DetectorError, SettingError, closest
from lab.extras import need

if TYPE_CHECKING:
    from lab.detectors.open_vocabulary.yoloe_model import YoloeModel

DEFAULT_WEIGHTS = "yoloe-11s-seg.pt"
PROCESSING_VERSION = 1
RUNTIMES = ("torch",)


class Yoloe(Prompted):
    """Finds what the prompts say; prompt-free checkpoints find the names of their own list.

    Of a segmentation checkpoint (`-seg`, `-seg-pf`) a box is drawn tightly around each mask, as
    the detector `yolo` does; where the mask is empty, or the checkpoint has none, it is the
    head's box.

    weights: path or name of a YOLOE checkpoint. runtime: `torch`, the only one.
    labels: the prompts; of a prompt-free checkpoint names of its list, None for all of them.
    prompt_mode: `independent` (unless given) or `joint`. No text reaches the picture's features,
        so both take one pass and give the same scores, within rounding.
    image_size, nms_iou, most_boxes, score_floor: as detector `yolo`.
    embeddings: an .npz with `names` and `emb`, looked into before anything else: vectors as the
        text encoder gives them, before the head's own layer (reprta), so that one file serves
        all checkpoints of an encoder.
    store: where text embeddings are kept.

    Raises SettingError for prompts or settings that are not valid, DetectorError if the weights are
    not YOLOE's, or a prompt cannot be embedded here.
    """

    kind = "yoloe"
    processing_version = PROCESSING_VERSION
    _model: YoloeModel | None

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
        if weights is None or labels is not None:  # before anything is downloaded
            check_prompts(labels)
        choose_mode(prompt_mode or "joint", 1)
        floor = checked_floor(score_floor, self.default_score_floor)
        keep = nms_settings(image_size, floor, nms_iou, most_boxes)
        need("detector 'yoloe'", "prompts", "torch", "ultralytics")
        model = _load(find_weights(weights or DEFAULT_WEIGHTS), runtime or "torch")
        self._vocabulary = model.names if model.has_own_vocabulary else None
        texts = _texts(model, embeddings, store)
        super().__init__(model, model.path, image_size=image_size, keep=keep, texts=texts)
        self._recipe |= _of_kind(model)
        self.ask_for(labels, prompt_mode)

    def ask_for(self, labels: Sequence[str] | None, prompt_mode: str | None = None) -> None:
        """Other prompts for the same network; nothing is loaded again.

        labels: None for all names of a network that has its own. Raises as the constructor does,
        with the prompts left as they were.
        """
        if self._model is None:
            raise DetectorError("the detector is closed; make it again")
        if self._vocabulary is None:
            super().ask_for(labels, prompt_mode)
            self._model.ask(self.labels, self._text)
            self._columns = [np.array([i]) for i in range(len(self.labels))]
            return
        mode = self._mode(prompt_mode, 1)
        names = None if labels is None else check_prompts(labels)
        self.labels = among(
            names, list(dict.fromkeys(self._vocabulary)), "the detector 'yoloe' has no label"
        )
        self.prompt_mode = mode
        self._columns = _places(self._vocabulary, self.labels)
        self._recipe |= {"prompt_mode": mode, "labels": list(self.labels)}

    def _mode(self, prompt_mode: str | None, count: int) -> str:
        mode = "independent" if prompt_mode is None else prompt_mode
        choose_mode(mode, 1)  # one pass for any number
        return mode

    def _seen(
        self, batch: np.ndarray, box: Letterbox, width_px: int, height_px: int
    ) -> list[Detections]:
        assert self._model is not None
        raw = self._model.forward(batch)
        return [self._picture(raw, i, box, width_px, height_px) for i in range(len(batch))]

    def _picture(
        self, raw: Raw, i: int, box: Letterbox, width_px: int, height_px: int
    ) -> Detections:
        assert self._model is not None
        columns = np.concatenate(self._columns)
        scores = raw.scores[i][:, columns]
        if not np.isfinite(scores).all():
            return Detections.failed("the model gave scores that are not numbers")
        if len(columns) > len(self.labels):  # a name that the list has twice has the better score
            starts = np.cumsum([0, *(len(c) for c in self._columns[:-1])])
            scores = np.maximum.reduceat(scores, starts, axis=1)
        size = (box.height_px, box.width_px)
        picture = Picture.of(raw, i, self._model.task, self._model.suppressed, size)
        return picture.detections(self.labels, scores, self._keep, box, width_px, height_px)


def _load(path: Path, runtime: str) -> YoloeModel:
    if runtime not in RUNTIMES:
        known = ("onnx", "openvino", *RUNTIMES)
        why = "it runs on torch alone" if runtime in known else closest(runtime, list(RUNTIMES))
        raise SettingError(f"detector 'yoloe' has no runtime {runtime!r}; {why}")
    if path.suffix != ".pt":
        raise DetectorError(f"{path} is no YOLOE checkpoint; its weights end in .pt")

    return YoloeModel(path)


def _texts(
    model: YoloeModel, embeddings: str | Path | None, store: TextStore | None
) -> TextFeatures | None:
    if model.has_own_vocabulary:
        if embeddings is not None:
            raise SettingError(
                f"{model.path.name} has its own names and takes no embeddings; leave them out"
            )
        return None
    return TextFeatures(
        model.encoder, own={}, file=embeddings, store=store,
        encode=text_encoder(model.encoder), dimensions=model.dimensions,
    )  # fmt: skip


def _of_kind(model: YoloeModel) -> dict[str, Any]:
    more: dict[str, Any] = {
        "task": model.task,
        "boxes_from": "masks" if model.task == "segment" else "head",
    }
    if model.has_own_vocabulary:
        more["vocabulary"] = "prompt-free" if model.is_prompt_free else "trained"
    if model.is_prompt_free:
        more["proposal_floor"] = model.proposal_floor
    return more


def _places(names: Sequence[str], labels: Sequence[str]) -> list[np.ndarray]:
    """For each label the columns that have its name."""
    found: dict[str, list[int]] = {label: [] for label in labels}
    for column, name in enumerate(names):
        if name in found:
            found[name].append(column)
    return [np.array(columns) for columns in found.values()]
