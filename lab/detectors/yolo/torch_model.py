"""Ultralytics checkpoints on torch, for their raw per-class scores.

Only the network is theirs here: letterbox and suppression are the same as for ONNX files, so
that no box loses its second class and no suppression stops early.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lab.detectors.device import torch_device
from lab.detectors.weights.catalogue import TASKS
from lab.detectors.yolo.checkpoint import load_network, read_facts
from lab.detectors.yolo.export_facts import unknown_task
from lab.detectors.yolo.outputs import Raw, from_rows
from lab.errors import DetectorError


class UltralyticsModel:
    """A checkpoint for detection, segmentation or rotated boxes: pictures in, scores out.

    Raises DetectorError if the file is not a checkpoint, is unsafe, or is for another task.
    """

    name = "torch"
    fixed_size_px: tuple[int, int] | None = None
    fixed_batch: int | None = None
    at_once = 1

    def __init__(self, path: Path) -> None:

        if reason := self._unfit(path, read_facts(path)):
            raise DetectorError(reason)
        network, self.names, self.task, _ = load_network(path)
        import torch

        self.device = torch_device()
        network = network.fuse(verbose=False).eval().to(self.device)
        head = network.model[-1]
        self.suppressed = bool(getattr(head, "end2end", False))
        if self.suppressed:
            # The head keeps the best 300 of all classes together; without that step every
            # class keeps its own scores.
            head.postprocess = lambda dense: dense
        self._network = network
        self._torch = torch
        self.stride = int(max(network.stride))

    def _unfit(self, path: Path, facts: Any) -> str | None:
        return why_unfit(path, facts)

    def forward(self, batch: np.ndarray) -> Raw:
        """float32 (b, 3, h, w) to boxes and scores, see `Raw`."""
        with self._torch.inference_mode():
            out = self._network(self._torch.from_numpy(batch).to(self.device))
            out = out[0] if isinstance(out, list | tuple) else out
            prototypes = None
            if self.task == "segment":
                out, prototypes = out[0], out[1].float().cpu().numpy()
            dense = out.float().cpu().numpy()
        rows = dense if self.suppressed else dense.transpose(0, 2, 1)
        return from_rows(rows, len(self.names), self.task, prototypes, corners=self.suppressed)


def why_unfit(path: Path, facts: Any) -> str | None:
    """Why the detector `yolo` cannot use a checkpoint; None if it can.

    facts: the checkpoint's `CheckpointFacts`.
    """
    if facts.network.startswith("YOLOE"):
        return f"{path} is a YOLOE model; it runs on the detector 'yoloe'"
    if facts.network.startswith("RTDETR"):
        return f"{path} is an RT-DETR model; the detector takes YOLO models for {', '.join(TASKS)}"
    return None if facts.task in TASKS else unknown_task(path, facts.task)


def split_dense(dense: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (b, n, 4) xyxy and scores (b, n, classes) of a dense output.

    dense: (b, 4 + classes, n); each box by its centre and size.
    """
    rows = dense.transpose(0, 2, 1)
    raw = from_rows(rows, rows.shape[-1] - 4, "detect", None)
    return raw.boxes, raw.scores
