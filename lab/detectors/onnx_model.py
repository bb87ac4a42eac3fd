"""ONNX exports of detection models, on ONNX Runtime or OpenVINO, without torch."""

from __future__ import annotations

import ast
import os
from pathlib import Path
from typing import Any

import numpy as np

from lab.detectors.ultralytics_model import split_dense
from lab.errors import DetectorError


def threads() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class OnnxModel:
    """An export in Ultralytics' form: input (b, 3, h, w), output (b, 4 + classes, n).

    Raises DetectorError if the file is not such a model.
    """

    name = "onnx"
    suppressed = False

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.log_severity_level = 4
        # Spinning threads would take the cores from the decoder between two frames.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise DetectorError(f"{path} is not an ONNX model ({_first_line(error)})") from None
        self._session = session
        self._input = session.get_inputs()[0].name
        self._read_shape(path, session.get_inputs()[0].shape)
        self._read_metadata(path, session.get_modelmeta().custom_metadata_map)
        self._check_output(path, session.get_outputs()[0].shape)

    def _read_shape(self, path: Path, shape: list[Any]) -> None:
        if len(shape) != 4 or shape[1] != 3:
            raise DetectorError(f"{path} takes input {shape}, expected (batch, 3, height, width)")
        fixed = [v if isinstance(v, int) and v > 0 else None for v in shape]
        self.fixed_size_px = (fixed[2], fixed[3]) if fixed[2] and fixed[3] else None
        self.fixed_batch = fixed[0]

    def _read_metadata(self, path: Path, meta: dict[str, str]) -> None:
        task = meta.get("task", "detect")
        if task != "detect":
            raise DetectorError(f"{path} is a model for {task!r}; the detector needs one for 'detect'")
        try:
            names = ast.literal_eval(meta["names"])
            self.names = tuple(str(names[i]) for i in sorted(names))
            self.stride = int(meta.get("stride", 32))
        except (KeyError, ValueError, SyntaxError, TypeError):
            raise DetectorError(
                f"{path} does not say its class names; export it with Ultralytics, which writes them"
            ) from None

    def _check_output(self, path: Path, shape: list[Any]) -> None:
        if len(shape) != 3 or (isinstance(shape[1], int) and shape[1] != 4 + len(self.names)):
            raise DetectorError(
                f"{path} gives output {shape}, expected (batch, {4 + len(self.names)}, boxes); "
                "export it with nms=False, end2end=False"
            )

    def forward(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float32 (b, 3, h, w) to boxes (b, n, 4) xyxy in input pixels and scores (b, n, classes)."""
        return split_dense(self._run(batch))

    def _run(self, batch: np.ndarray) -> np.ndarray:
        return self._session.run(None, {self._input: batch})[0]


class OpenVinoModel(OnnxModel):
    """The same file on OpenVINO, held to f32 (by itself it takes bf16 where the CPU has it)."""

    name = "openvino"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            import openvino
        except ImportError:
            raise DetectorError("runtime 'openvino' needs its package: pip install openvino") from None
        core = openvino.Core()
        self._compiled = core.compile_model(
            core.read_model(str(path)),
            "CPU",
            {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"},
        )
        del self._session

    def _run(self, batch: np.ndarray) -> np.ndarray:
        return self._compiled(batch)[0]


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return text[0][:160] if text else type(error).__name__
