"""YOLO-World on ONNX Runtime, OpenVINO or torch: features of a picture, scores of prompts."""

from __future__ import annotations

import json
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from lab.detectors.device import (
    check_cpu,
    check_providers,
    chosen_device,
    onnx_providers,
    torch_device,
)
from lab.detectors.weights.files import models_folder, weights_sha256
from lab.detectors.weights.loaded import note_file
from lab.detectors.yolo.checkpoint import load_network
from lab.detectors.yolo.exported_model import threads
from lab.errors import DetectorError
from lab.extras import need

_EXPORT_VERSION = 1
Features = list[Any]


class WorldModel:
    """A checkpoint's network.

    names: those that it carries. text: their features, (n, dimensions). strides: of its levels.
    """

    name: str
    device = "cpu"

    def __init__(self, names: tuple[str, ...], text: np.ndarray, strides: list[int]) -> None:
        self.names, self.text, self.strides = names, text, strides

    @property
    def own(self) -> dict[str, np.ndarray]:
        return dict(zip(self.names, self.text, strict=True))

    def features(self, batch: np.ndarray) -> Features:
        """float32 (b, 3, h, w) to what `ask` takes; it knows nothing of prompts."""
        raise NotImplementedError

    def ask(
        self, features: Features, text: np.ndarray, size_px: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """text: (prompts, dimensions). Gives boxes (b, n, 4) xyxy and scores (b, n, prompts)."""
        raise NotImplementedError

    def close(self) -> None:
        """Release the network."""


@lru_cache(maxsize=16)
def _anchors(height: int, width: int, strides: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    from lab.detectors.open_vocabulary.world_graph import anchors_of

    return anchors_of(height, width, list(strides))


class OnnxWorld(WorldModel):
    """On ONNX Runtime; the graphs are exported from the checkpoint once, and kept."""

    name = "onnx"

    def __init__(self, path: Path) -> None:
        folder = exported(path)
        for name in ("facts.json", "text.npy", "backbone.onnx", "neck.onnx"):
            note_file(folder / name)
        facts = json.loads((folder / "facts.json").read_text())
        super().__init__(tuple(facts["names"]), np.load(folder / "text.npy"), facts["strides"])
        self._open(folder)

    def _open(self, folder: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads()
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self.device, providers = chosen_device(), onnx_providers()
        self._backbone, self._neck = (
            onnxruntime.InferenceSession(str(folder / f"{half}.onnx"), options, providers=providers)
            for half in ("backbone", "neck")
        )
        check_providers(self._backbone)

    def features(self, batch: np.ndarray) -> Features:
        return list(self._backbone.run(None, {"images": batch}))

    def ask(
        self, features: Features, text: np.ndarray, size_px: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        return self._run(self._inputs(features, text, size_px))

    def _inputs(
        self, features: Features, text: np.ndarray, size_px: tuple[int, int]
    ) -> dict[str, np.ndarray]:
        points, steps = _anchors(*size_px, tuple(self.strides))
        batch = np.broadcast_to(text[None], (len(features[0]), *text.shape))
        named = {f"features{i}": value for i, value in enumerate(features)}
        return {**named, "text": np.ascontiguousarray(batch), "anchors": points, "strides": steps}

    def _run(self, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        boxes, scores = self._neck.run(None, inputs)
        return boxes, scores

    def close(self) -> None:
        self._backbone = self._neck = None


class OpenVinoWorld(OnnxWorld):
    """The same graphs on OpenVINO, held to f32."""

    name = "openvino"

    def _open(self, folder: Path) -> None:
        check_cpu("openvino")
        need("runtime 'openvino'", "openvino", "openvino")
        import openvino

        core = openvino.Core()
        settings = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        self._backbone, self._neck = (
            core.compile_model(core.read_model(str(folder / f"{half}.onnx")), "CPU", settings)
            for half in ("backbone", "neck")
        )

    def features(self, batch: np.ndarray) -> Features:
        found = self._backbone(batch)
        return [np.array(found[i]) for i in range(len(found))]

    def _run(self, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        found = self._neck(inputs)
        return np.array(found[0]), np.array(found[1])


class TorchWorld(WorldModel):
    """On torch, on a GPU where there is one."""

    name = "torch"

    def __init__(self, path: Path) -> None:
        import torch

        from lab.detectors.open_vocabulary.world_graph import split

        network, names, text, strides = _checkpoint(path)
        super().__init__(names, text, strides)
        self._torch = torch
        self.device = torch_device()
        self._backbone, self._neck = (half.to(self.device) for half in split(network))

    def features(self, batch: np.ndarray) -> Features:
        with self._torch.inference_mode():
            return list(self._backbone(self._torch.from_numpy(batch).to(self.device)))

    def ask(
        self, features: Features, text: np.ndarray, size_px: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        torch = self._torch
        points, steps = _anchors(*size_px, tuple(self.strides))
        with torch.inference_mode():
            texts = torch.from_numpy(text)[None].expand(len(features[0]), -1, -1)
            inputs = (
                x.to(self.device)
                for x in (texts, torch.from_numpy(points), torch.from_numpy(steps))
            )
            boxes, scores = self._neck(*features, *inputs)
            return boxes.cpu().numpy(), scores.cpu().numpy()

    def close(self) -> None:
        self._backbone = self._neck = None  # type: ignore[assignment]


def _checkpoint(path: Path) -> tuple[Any, tuple[str, ...], np.ndarray, list[int]]:
    """Network, names, their text features and strides. Raises DetectorError for another model."""

    network, names, _, _ = load_network(path)
    if type(network).__name__ != "WorldModel":
        raise DetectorError(
            f"{path} is a {type(network).__name__}, not YOLO-World; use detector 'yolo' for it"
        )
    network = network.float().fuse(verbose=False).eval()
    text = network.txt_feats.float().reshape(-1, network.txt_feats.shape[-1]).numpy()
    if len(text) != len(names):  # a placeholder of training: the names have no features
        names, text = (), np.zeros((0, text.shape[-1]), np.float32)
    return network, names, text, [int(s) for s in network.stride]


def exported(path: Path) -> Path:
    """The folder with the graphs of a checkpoint, made on first use; some seconds.

    Raises DetectorError if it cannot be made or written.
    """
    folder = models_folder() / "exported" / f"{weights_sha256(path)[:16]}-world-{_EXPORT_VERSION}"
    if (folder / "facts.json").is_file():
        return folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "lock", timeout=300):
            if not (folder / "facts.json").is_file():
                _export(path, folder)
    except OSError as error:
        raise DetectorError(
            f"the graphs of {path.name} cannot be written to {folder} ({error.strerror or error}); "
            "set LAB_MODELS to a folder that can be written, or use runtime torch"
        ) from None
    return folder


def _export(path: Path, folder: Path) -> None:
    need("writing YOLO-World's graphs", "prompts", "onnx")
    from lab.detectors.open_vocabulary.world_graph import export, split

    network, names, text, strides = _checkpoint(path)
    halves = split(network)
    files = [folder / f"{half}.onnx.part" for half in ("backbone", "neck")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        export(*halves, text.shape[-1], strides, (str(files[0]), str(files[1])))
    for file in files:
        file.replace(file.with_suffix(""))
    np.save(folder / "text.npy", text)
    part = folder / "facts.part"
    part.write_text(json.dumps({"names": names, "strides": strides, "weights": path.name}))
    part.replace(folder / "facts.json")
