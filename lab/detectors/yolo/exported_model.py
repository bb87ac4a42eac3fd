"""Exports of detection models, on ONNX Runtime or OpenVINO, without torch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from lab.detectors.device import check_cpu, check_providers, chosen_device, onnx_providers
from lab.detectors.error_lines import first_line
from lab.detectors.yolo.export_facts import ExportFacts, read_onnx_metadata, read_yaml_metadata
from lab.detectors.yolo.outputs import Raw, from_rows, from_yolov5
from lab.errors import DetectorError
from lab.extras import need

_MOST_AT_ONCE = 4  # each needs memory for the layers of a picture


def threads() -> int:
    """Cores this process may use, or fewer if OMP_NUM_THREADS says so."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(cores, int(wanted)) if wanted.isdecimal() and int(wanted) else cores


class _Exported:
    """What exports have in common; `facts` says what they are."""

    suppressed = False
    device = "cpu"
    at_once = 1  # pictures that are best given at the same time, by as many threads
    facts: ExportFacts

    @property
    def names(self) -> tuple[str, ...]:
        return self.facts.names

    @property
    def task(self) -> str:
        return self.facts.task

    @property
    def stride(self) -> int:
        return self.facts.stride

    @property
    def fixed_size_px(self) -> tuple[int, int] | None:
        return self.facts.fixed_size_px

    @property
    def fixed_batch(self) -> int | None:
        return self.facts.fixed_batch

    def forward(self, batch: np.ndarray) -> Raw:
        """float32 (b, 3, h, w) to boxes and scores, see `Raw`."""
        outputs = self._run(batch)
        rows = outputs[0]
        if self.facts.form == "yolov5":
            return from_yolov5(rows)
        prototypes = outputs[1] if self.task == "segment" else None
        return from_rows(rows.transpose(0, 2, 1), len(self.names), self.task, prototypes)

    def _run(self, batch: np.ndarray) -> list[np.ndarray]:
        raise NotImplementedError


class OnnxModel(_Exported):
    """An ONNX file on ONNX Runtime; `ExportFacts` names the forms it may have.

    Raises DetectorError if the file is damaged or of another kind.
    """

    name = "onnx"

    def __init__(self, path: Path) -> None:
        import onnxruntime

        if path.stat().st_size == 0:
            raise DetectorError(
                f"{path} is not an ONNX model: it is empty; copy or download it again"
            )
        options = onnxruntime.SessionOptions()
        # Pictures side by side take less than one after the other in several threads, which wait
        # for each other at every layer.
        self.device = chosen_device()
        self.at_once = min(threads(), _MOST_AT_ONCE) if self.device == "cpu" else 1
        options.intra_op_num_threads = threads() // self.at_once
        options.log_severity_level = 4
        # Spinning threads would take the cores from the decoder between two frames.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = onnx_providers()
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=providers)
        except Exception as error:
            raise DetectorError(
                f"{path} is not an ONNX model, or it is cut off ({first_line(error)})"
            ) from None
        check_providers(session)
        inputs = session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)":
            kinds = [f"{i.name}: {i.type}" for i in inputs]
            raise DetectorError(
                f"{path} takes {kinds}, expected one input of float32; export it without half=True"
            )
        self._session = session
        self._input = inputs[0].name
        meta = read_onnx_metadata(session.get_modelmeta().custom_metadata_map)
        shapes = [list(o.shape) for o in session.get_outputs()]
        self.facts = ExportFacts.of(path, list(inputs[0].shape), shapes, meta)

    def _run(self, batch: np.ndarray) -> list[np.ndarray]:
        return self._session.run(None, {self._input: batch})


class OpenVinoModel(_Exported):
    """An ONNX file, or a folder of Ultralytics' OpenVINO export, on OpenVINO.

    Held to f32 (by itself it takes bf16 where the CPU has it). Raises DetectorError as OnnxModel.
    """

    name = "openvino"

    def __init__(self, path: Path) -> None:
        check_cpu("openvino")
        need("runtime 'openvino'", "openvino", "openvino")
        import openvino

        core = openvino.Core()
        # Weights that are mapped would change with a file that is written over.
        core.set_property({"ENABLE_MMAP": False})
        if path.is_dir():
            model, self.facts = read_openvino_folder(path, core)
        else:
            self.facts = OnnxModel(path).facts
            model = core.read_model(str(path))
        self._compiled = core.compile_model(
            model, "CPU", {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        )
        self._outputs = self._compiled.outputs

    def _run(self, batch: np.ndarray) -> list[np.ndarray]:
        found = self._compiled(batch)
        return [found[output] for output in self._outputs]


def read_openvino_folder(path: Path, core: Any = None) -> tuple[Any, ExportFacts]:
    """OpenVINO's model of a folder with .xml, .bin and metadata.yaml, not compiled, and its facts.

    Raises DetectorError if a file is missing, damaged or of another kind.
    """
    descriptions = sorted(path.glob("*.xml"))
    if len(descriptions) != 1:
        raise DetectorError(
            f"{path} holds {len(descriptions)} .xml files, expected one; "
            "export it again with Ultralytics, format=openvino"
        )
    xml = descriptions[0]
    if not xml.with_suffix(".bin").is_file():
        raise DetectorError(
            f"{path} has {xml.name} without {xml.stem}.bin, which holds the weights; "
            "copy the whole folder"
        )
    meta = read_yaml_metadata(path / "metadata.yaml")
    if core is None:
        need(f"the OpenVINO model {path.name}", "openvino", "openvino")
        import openvino

        core = openvino.Core()
    try:
        model = core.read_model(str(xml))
        ports = [model.inputs, model.outputs]
        shapes = [[_dimensions(port) for port in side] for side in ports]
    except Exception as error:
        raise DetectorError(
            f"{xml} is not an OpenVINO model, or it is cut off ({first_line(error)})"
        ) from None
    if len(shapes[0]) != 1:
        raise DetectorError(f"{path} takes {len(shapes[0])} inputs, expected one")
    return model, ExportFacts.of(path, shapes[0][0], shapes[1], meta)


def _dimensions(port: Any) -> list[int | None]:
    return [d.get_length() if d.is_static else None for d in port.get_partial_shape()]
