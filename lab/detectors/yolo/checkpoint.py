"""Checkpoints (`.pt`): pickles, which are programs. Nothing here runs one.

`read_facts` looks into a pickle with stand-ins for everything that it names. `load_network` lets
torch rebuild it from a list of known classes alone (`weights_only=True`).
"""

from __future__ import annotations

import collections
import contextlib
import inspect
import io
import os
import pickle
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lab.detectors.error_lines import first_line
from lab.errors import DetectorError
from lab.extras import broken, install, need

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_MAX_PICKLE_BYTES = 256 << 20
# Roots of what checkpoints of Ultralytics name. Torch's own list, which is finer, decides.
_KNOWN_ROOTS = ("torch", "torchvision", "ultralytics", "clip", "numpy", "pathlib")
_KNOWN_NAMES = {"collections.OrderedDict", "_codecs.encode"} | {
    f"{module}.{name}"
    for module in ("builtins", "__builtin__")
    for name in (
        "set",
        "frozenset",
        "getattr",
        "int",
        "float",
        "bool",
        "str",
        "list",
        "dict",
        "tuple",
        "slice",
        "complex",
        "bytearray",
    )
}
_REAL = {
    "collections.OrderedDict": collections.OrderedDict,
    "builtins.set": set, "__builtin__.set": set, "builtins.frozenset": frozenset,
}  # fmt: skip
_TASKS = (
    ("Segment", "segment"), ("ESeg", "segment"), ("OBB", "obb"), ("Pose", "pose"),
    ("Classif", "classify"), ("Semantic", "semantic"), ("Depth", "depth"),
)  # fmt: skip


@dataclass(frozen=True)
class CheckpointFacts:
    """What a checkpoint says of itself.

    network: name of its class (`DetectionModel`, `WorldModel`, ...). image_size: what it was
    trained with, in pixels; None if it does not say.
    """

    network: str
    task: str
    names: tuple[str, ...]
    image_size: int | None
    licence: str
    version: str | None


class Loaded(NamedTuple):
    """A network of torch, on the CPU, f32, for inference, not fused."""

    network: Any
    names: tuple[str, ...]
    task: str
    facts: CheckpointFacts


def load_network(path: str | Path) -> Loaded:
    """A checkpoint's network, rebuilt from known classes only; no code of the file runs.

    Raises DetectorError, in one line, for a file that is damaged, of another kind, or that asks
    for anything beside the classes of torch and Ultralytics.
    """
    path = Path(path)
    facts = read_facts(path)
    checkpoint = _restricted_load(path)
    network: Any = checkpoint.get("ema") or checkpoint.get("model")
    import torch

    if not isinstance(network, torch.nn.Module):
        raise DetectorError(f"{path} holds no network, only {type(network).__name__}; {_EXPECTED}")
    network = network.float().eval()
    if not hasattr(network, "stride"):
        network.stride = torch.tensor([32.0])
    module: Any
    for module in network.modules():
        if hasattr(module, "inplace"):
            module.inplace = True
        elif isinstance(module, torch.nn.Upsample) and not hasattr(
            module, "recompute_scale_factor"
        ):
            module.recompute_scale_factor = None
    network.task = facts.task
    return Loaded(network, facts.names, facts.task, facts)


_EXPECTED = "expected a checkpoint that Ultralytics' training wrote"


def _restricted_load(path: Path) -> dict[str, Any]:

    ultralytics()
    import torch
    from ultralytics.nn.tasks import torch_safe_load

    # Without these two, ultralytics would quietly load the unsafe way.
    is_able = "safe_only" in inspect.signature(torch_safe_load).parameters
    if not is_able or not hasattr(torch.serialization, "get_unsafe_globals_in_checkpoint"):
        raise DetectorError(
            "checkpoints need torch 2.6 and ultralytics 8.4.190 or newer, which load them without "
            f"running their code: {install('torch')}"
        )
    try:
        with _plain_name(path.absolute()) as file:
            checkpoint, _ = torch_safe_load(str(file), safe_only=True)
    except Exception as error:
        cause = error.__cause__ or error
        asked = re.search(r"GLOBAL ([\w.]+)", str(cause))
        why = f"it asks for {asked[1]}" if asked else first_line(cause)
        raise DetectorError(f"{path} cannot be loaded safely ({why}); {_EXPECTED}") from None
    if not isinstance(checkpoint, dict):
        raise DetectorError(f"{path} holds {type(checkpoint).__name__}; {_EXPECTED}")
    return checkpoint


@contextlib.contextmanager
def _plain_name(path: Path) -> Iterator[Path]:
    """The file under a path that ultralytics does not change: of some it thinks another is meant."""
    from ultralytics.utils.checks import check_yolov5u_filename

    seen = check_yolov5u_filename(str(path).strip().replace("'", ""), verbose=False)
    if seen == str(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "weights.pt"
        try:
            plain.symlink_to(path)
        except OSError:
            shutil.copyfile(path, plain)
        yield plain


def read_facts(path: Path) -> CheckpointFacts:
    """What the checkpoint says of itself, without torch, without running it.

    Raises DetectorError for a file that is damaged, of another kind, or asks for foreign code.
    """
    found, asked = _read_pickle(path)
    _refuse_foreign(path, asked)
    if not isinstance(found, dict):
        found = {"model": found}
    network = found.get("ema") or found.get("model")
    if not isinstance(network, _StandIn):
        raise DetectorError(f"{path} holds no network, only {_kind(network)}; {_EXPECTED}")
    state = network.state if isinstance(network.state, dict) else {}
    name = type(network).__name__
    arguments: Any = found.get("train_args") or state.get("args")
    size = arguments.get("imgsz") if isinstance(arguments, dict) else None
    licence = found.get("license")
    version = found.get("version")
    return CheckpointFacts(
        network=name,
        task=_task(name),
        names=_names(path, state.get("names")),
        image_size=size if isinstance(size, int) and size > 0 else None,
        licence=licence if isinstance(licence, str) and licence.strip() else "unknown",
        version=version if isinstance(version, str) else None,
    )


def _task(network: str) -> str:
    return next((task for part, task in _TASKS if part in network), "detect")


def _names(path: Path, names: Any) -> tuple[str, ...]:
    if isinstance(names, list | tuple):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not all(isinstance(i, int) for i in names):
        raise DetectorError(f"{path} does not say its class names; {_EXPECTED}")
    return tuple(str(names[i]) for i in sorted(names))


def _refuse_foreign(path: Path, asked: list[str]) -> None:
    roots = {name.split(".")[0] for name in asked}
    foreign = [n for n in asked if n.split(".")[0] not in _KNOWN_ROOTS and n not in _KNOWN_NAMES]
    if "models" in roots and all(n.split(".")[0] in ("models", "utils") for n in foreign):
        raise DetectorError(
            f"{path} is a checkpoint of the YOLOv5 (or YOLOv9) repository, which holds its code by "
            "name; export it once there with: python export.py --weights "
            f"{path.name} --include onnx, and use the .onnx that this writes"
        )
    if foreign:
        more = f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        raise DetectorError(
            f"{path} is refused: as it is opened it would run {', '.join(foreign[:3])}{more}; "
            "a checkpoint names classes of torch and ultralytics only. Do not open it with other programs"
        )


class _StandIn:
    """Takes the place of whatever a pickle names; it keeps the state and does nothing."""

    state: Any = None

    def __new__(cls, *args: Any, **settings: Any) -> _StandIn:
        return object.__new__(cls)

    def __init__(self, *args: Any, **settings: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        self.state = state[0] if isinstance(state, tuple) and state else state

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        pass

    add = extend = append

    def __hash__(self) -> int:
        return id(self)


class _Reader(pickle.Unpickler):
    """A reader of pickles that imports nothing and calls nothing but stand-ins."""

    def __init__(self, file: Any, asked: list[str]) -> None:
        super().__init__(file)
        self._asked = asked

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full not in self._asked:
            self._asked.append(full)
        return _REAL.get(full) or type(name.split(".")[-1], (_StandIn,), {})

    def persistent_load(self, pid: Any) -> Any:
        return _StandIn()


def _read_pickle(path: Path) -> tuple[Any, list[str]]:
    """The checkpoint with stand-ins for all its objects, and the names that it asked for."""
    asked: list[str] = []
    try:
        size_bytes = path.stat().st_size
        if size_bytes == 0:
            raise DetectorError(f"{path} is empty; copy or download it again")
        with open(path, "rb") as file:
            is_zip = file.read(4) == b"PK\x03\x04"
            file.seek(0)
            found = _of_zip(path, file, asked) if is_zip else _of_legacy(path, file, asked)
    except DetectorError:
        # What it asked for says more than that it is damaged.
        _refuse_foreign(path, asked)
        raise
    except OSError as error:
        raise DetectorError(f"{path} cannot be read ({error.strerror})") from None
    return found, asked


def _of_zip(path: Path, file: Any, asked: list[str]) -> Any:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if any(n.endswith("/constants.pkl") for n in names):
                raise DetectorError(
                    f"{path} is a TorchScript file; use the checkpoint it was exported from, or an ONNX export"
                )
            inside = [n for n in names if n.endswith("data.pkl")]
            if len(inside) != 1:
                raise DetectorError(
                    f"{path} is not a checkpoint, but an archive of other things; {_EXPECTED}"
                )
            if archive.getinfo(inside[0]).file_size > _MAX_PICKLE_BYTES:
                raise DetectorError(
                    f"{path} is not a checkpoint that can be read: its description is too large"
                )
            content = archive.read(inside[0])
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError):
        raise DetectorError(f"{path} is cut off or damaged; copy or download it again") from None
    return _unpickle(path, io.BytesIO(content), asked)


def _of_legacy(path: Path, file: Any, asked: list[str]) -> Any:
    """The form before torch 1.6: magic number, protocol, system, object, then the storages."""
    magic = _unpickle(path, file, asked)
    if magic != _LEGACY_MAGIC:
        raise DetectorError(f"{path} is not a checkpoint; {_EXPECTED}")
    for _ in range(2):
        _unpickle(path, file, asked)
    return _unpickle(path, file, asked)


def _unpickle(path: Path, file: Any, asked: list[str]) -> Any:
    try:
        return _Reader(file, asked).load()
    except EOFError:
        raise DetectorError(
            f"{path} is not a checkpoint, or it is cut off; copy or download it again"
        ) from None
    except Exception as error:
        raise DetectorError(
            f"{path} is not a checkpoint ({first_line(error)}); {_EXPECTED}"
        ) from None


def _kind(value: Any) -> str:
    return "weights without it" if isinstance(value, dict) else type(value).__name__


def ultralytics() -> Any:
    """The package, told never to install anything or to report home."""
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ.setdefault("YOLO_VERBOSE", "false")
    what = "a checkpoint (.pt)"
    need(what, "torch", "torch", "ultralytics")
    try:
        import ultralytics as package
        import ultralytics.utils.downloads
    except ImportError as error:
        raise broken(what, "ultralytics", error) from None
    return package
