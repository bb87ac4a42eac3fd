"""Ultralytics checkpoints on torch, for their raw per-class scores.

Only the network is theirs here: letterbox and suppression are the same as for ONNX files, so
that no box loses its second class and no suppression stops half way.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from lab.errors import DetectorError


def ultralytics() -> Any:
    """The package, told never to install anything or to report home."""
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ.setdefault("YOLO_VERBOSE", "false")
    try:
        import ultralytics as package
        import ultralytics.utils.downloads
    except ImportError as error:
        raise DetectorError(
            f"checkpoints need ultralytics and torch ({error}): pip install -r requirements.txt"
        ) from None
    return package


class UltralyticsModel:
    """A detection checkpoint: pictures in, dense class scores out.

    Raises DetectorError if the file is no checkpoint, or of another task.
    """

    name = "torch"
    fixed_size_px: tuple[int, int] | None = None

    def __init__(self, path: Path) -> None:
        package = ultralytics()
        import torch

        try:
            model = package.YOLO(str(path))
        except Exception as error:
            text = str(error).strip().splitlines()
            raise DetectorError(
                f"{path} is not a checkpoint that Ultralytics can load ({text[0][:160] if text else error!r})"
            ) from None
        if model.task != "detect":
            raise DetectorError(f"{path} is a model for {model.task!r}; the detector needs one for 'detect'")
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        network = model.model.float().fuse(verbose=False).eval().to(self._device)
        head = network.model[-1]
        self.suppressed = bool(getattr(head, "end2end", False))
        if self.suppressed:
            # The head keeps the best 300 of all classes together; without that step every
            # class keeps its own scores.
            head.postprocess = lambda dense: dense
        self._network = network
        self._torch = torch
        names = model.names
        self.names = tuple(str(names[i]) for i in sorted(names))
        self.stride = int(max(network.stride))

    def forward(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float32 (b, 3, h, w) to boxes (b, n, 4) xyxy in input pixels and scores (b, n, classes)."""
        with self._torch.inference_mode():
            out = self._network(self._torch.from_numpy(batch).to(self._device))
            out = out[0] if isinstance(out, list | tuple) else out
            dense = out.float().cpu().numpy()
        if self.suppressed:
            return dense[..., :4], dense[..., 4:]
        return split_dense(dense)


def split_dense(dense: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(b, 4 + classes, n) with centre and size to boxes (b, n, 4) xyxy and scores (b, n, classes)."""
    centre, size = dense[:, :2], dense[:, 2:4] / 2
    boxes = np.concatenate([centre - size, centre + size], axis=1)
    return boxes.transpose(0, 2, 1), dense[:, 4:].transpose(0, 2, 1)
