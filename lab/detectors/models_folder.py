"""The models folder: what lies in it, where it came from, and whether it is still the same."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lab.detectors.catalogue import USER_CATALOGUE, Entry, catalogue
from lab.detectors.download import Progress, download, shown
from lab.detectors.weights import (
    DEFAULT_NAME,
    SUFFIXES,
    is_openvino_folder,
    models_folder,
    no_such_weights,
    weights_sha256,
)
from lab.errors import DetectorError
from lab.extras import is_installed

_FACTS, _PINS = ".facts.json", ".pinned.json"
_FACTS_VERSION = 1


@dataclass(frozen=True)
class ModelInfo:
    """One model of the folder.

    format: `checkpoint`, `onnx` or `openvino`. task, classes, image_size, licence: as the file
    says; None, (), None, `unknown` where it does not. problem: why it cannot be used; None if it can.
    detector: which detector takes it, `yolo`, `yolo-world` or `yoloe`.
    """

    name: str
    path: str
    format: str
    task: str | None
    classes: tuple[str, ...]
    image_size: int | None
    sha256: str | None
    size_bytes: int
    licence: str
    detector: str | None
    problem: str | None

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "classes": list(self.classes)}


def list_models() -> list[ModelInfo]:
    """Every model in the folder, by name; one that cannot be used says why. Runs no checkpoint.

    Facts are kept in the folder (`.facts.json`) and read again when a file changes.
    """
    folder = models_folder()
    paths = [p for p in _entries(folder) if is_model(p)]
    kept = _read_json(folder / _FACTS)
    facts = {p.name: _facts(p, kept.get(p.name)) for p in paths}
    if facts != kept:
        # It only saves time, so a folder that cannot be written is no reason to fail.
        with contextlib.suppress(OSError):
            _write_json(folder / _FACTS, facts)
    return [_unlike_known(_info(p, facts[p.name])) for p in paths]


def folder_mark() -> str:
    """A hash that changes when a model comes, goes or changes, or what is known of one does.

    Reads names, sizes and times alone, so it is quick however large the files are.
    """
    folder = models_folder()
    states: list[list[Any]] = [[p.name, _state(p)] for p in _entries(folder) if is_model(p)]
    for name in (_PINS, USER_CATALOGUE):
        with contextlib.suppress(OSError):
            states.append([name, (folder / name).stat().st_mtime_ns])
    return hashlib.sha256(json.dumps([str(folder), states]).encode()).hexdigest()


def unfinished() -> dict[str, int]:
    """Bytes that are here of downloads that did not end, by name."""
    parts = {p.stem: p for p in _entries(models_folder()) if p.suffix == ".part"}
    found = {}
    for name, part in parts.items():
        with contextlib.suppress(OSError):
            found[name] = part.stat().st_size
    return {name: size_bytes for name, size_bytes in found.items() if size_bytes}


def model_info(path: Path) -> ModelInfo:
    """The facts of one model, wherever it is."""
    return _info(path, _facts(path, None))


def is_model(path: Path) -> bool:
    """Whether the name is that of a model (of a finished file, not of a part)."""
    if path.name.startswith("."):
        return False
    return is_openvino_folder(path) or (path.suffix in SUFFIXES and not path.is_dir())


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _info(path: Path, facts: dict[str, Any]) -> ModelInfo:
    found = {k: v for k, v in facts.items() if k in ModelInfo.__dataclass_fields__}
    found["classes"] = tuple(found["classes"])
    return ModelInfo(name=path.name, path=str(path), **found)


def _unlike_known(info: ModelInfo) -> ModelInfo:
    """With a problem if it is another file than the one known by its name: detectors refuse it."""
    if info.problem or info.sha256 is None:
        return info
    try:
        _compare(Path(info.path), info.sha256)
    except DetectorError as error:
        return replace(info, problem=" ".join(str(error).split()))
    return info


def _facts(path: Path, kept: Any) -> dict[str, Any]:
    state = _state(path)
    if isinstance(kept, dict) and kept.get("state") == state:
        return kept
    kind = "openvino" if path.is_dir() else "onnx" if path.suffix == ".onnx" else "checkpoint"
    facts: dict[str, Any] = {
        "state": state, "format": kind, "task": None, "classes": [], "image_size": None, "sha256": None,
        "size_bytes": sum(size for _, size, _ in state[1:]), "licence": "unknown", "detector": None, "problem": None,
    }  # fmt: skip
    try:
        facts["sha256"] = weights_sha256(path)
        facts |= _read(path, kind)
    except DetectorError as error:
        facts["problem"] = " ".join(str(error).split())
    except OSError as error:
        facts["problem"] = f"{path} cannot be read ({error.strerror})"
    return facts


def _state(path: Path) -> list[Any]:
    """What changes when the model does: its files' names, sizes and times."""
    from lab.detectors.export_facts import names_file

    files = _entries(path) if path.is_dir() else [path]
    # What could not be read for want of a package is read again once it is there.
    can_read = not path.is_dir() or is_installed("openvino")
    state: list[Any] = [_FACTS_VERSION if can_read else "unread"]
    for file in (*files, names_file(path)):
        with contextlib.suppress(OSError):
            stat = file.stat()
            state.append([file.name, stat.st_size, stat.st_mtime_ns])
    return state


def _read(path: Path, kind: str) -> dict[str, Any]:
    if kind == "checkpoint":
        from lab.detectors.checkpoint import read_facts
        from lab.detectors.ultralytics_model import why_unfit

        facts = read_facts(path)
        other = {"World": "yolo-world", "YOLOE": "yoloe"}
        detector = next((d for part, d in other.items() if facts.network.startswith(part)), "yolo")
        return {
            "task": facts.task, "classes": list(facts.names), "image_size": facts.image_size,
            "licence": facts.licence, "detector": detector,
            "problem": why_unfit(path, facts) if detector == "yolo" else None,
        }  # fmt: skip
    from lab.detectors.onnx_model import OnnxModel, read_openvino_folder

    exported = OnnxModel(path).facts if kind == "onnx" else read_openvino_folder(path)[1]
    return {
        "task": exported.task, "classes": list(exported.names), "image_size": exported.image_size,
        "licence": exported.licence, "detector": "yolo",
    }  # fmt: skip


def pins() -> dict[str, dict[str, Any]]:
    """What was downloaded here, by name: `sha256`, `url` and the kind of `check` it had."""
    path = models_folder() / _PINS
    kept = _read_json(path)
    if path.is_file() and not kept:
        raise DetectorError(f"{path} cannot be read; it remembers what was downloaded: put it back, or delete it")
    return {k: v for k, v in kept.items() if isinstance(v, dict)}


def check_known(path: Path) -> Path:
    """The path, if the file is the one that is known by its name, or none is.

    Raises DetectorError if it is another than what was downloaded, or is published.
    """
    if path.is_file():
        _compare(path, None)
    return path


def _compare(path: Path, sha256: str | None) -> None:
    """sha256: that of the file, if it is at hand."""
    wanted, whose = known_sha256(path.name)
    if wanted is None:
        return
    got = sha256 or weights_sha256(path)
    if got != wanted:
        raise DetectorError(
            f"{path} has sha256 {got[:12]}..., {whose} has {wanted[:12]}...; "
            "rename it if it is your own, or delete it and download it again"
        )


def known_sha256(name: str) -> tuple[str | None, str]:
    """The hash that a file of that name must have, and in words whose it is."""
    entry = catalogue(models_folder()).get(name)
    if entry and entry.sha256:
        return entry.sha256, "the published file"
    pin = pins().get(name)
    return (str(pin["sha256"]), "the one downloaded first") if pin and "sha256" in pin else (None, "")


def verify(names: list[str]) -> list[dict[str, Any]]:
    """Each model (all, if no name is given) against what is known of it.

    `state` is `ok`, `differs`, or `unknown` where nothing is known to compare with.
    """
    folder = models_folder()
    paths = [p for p in _entries(folder) if is_model(p)]
    if missing := sorted(set(names) - {p.name for p in paths}):
        raise no_such_weights(missing[0], [p.name for p in paths])
    rows = []
    for path in paths:
        if names and path.name not in names:
            continue
        wanted, whose = known_sha256(path.name)
        got = weights_sha256(path)
        state = "unknown" if wanted is None else "ok" if got == wanted else "differs"
        rows.append({"name": path.name, "state": state, "sha256": got, "expected": wanted, "known_from": whose or None})
    return rows


def fetch(name: str, progress: Progress | None = None) -> Path:
    """A file of the catalogue, downloaded into the models folder and checked.

    Without progress, a bar is drawn on a terminal. Raises DetectorError if the name is not known,
    or the file cannot be had or is another than expected.
    """
    folder = models_folder()
    known = catalogue(folder)
    entry = known.get(name)
    if entry is None:
        here = [p.name for p in _entries(folder) if is_model(p)]
        raise no_such_weights(name, [*here, *known, DEFAULT_NAME])
    return fetch_entry(entry, progress)


def fetch_entry(entry: Entry, progress: Progress | None = None) -> Path:
    """As `fetch`, for a file that need not be in the catalogue."""
    folder, name = models_folder(), entry.name
    wanted = entry.sha256 or known_sha256(name)[0]
    if wanted and (folder / name).is_file() and weights_sha256(folder / name) == wanted:
        return folder / name
    with _bar(name, progress) as shown_progress:
        digest = download(
            entry.url, folder / name, sha256=wanted, md5=entry.md5,
            size_bytes=entry.size_bytes, progress=shown_progress,
        )  # fmt: skip
    _pin(entry, digest)
    return folder / name


def _pin(entry: Entry, digest: str) -> None:
    import filelock

    path = models_folder() / _PINS
    try:
        with filelock.FileLock(path.with_suffix(".lock")):
            kept = pins()
            if entry.name not in kept:
                kept[entry.name] = {"sha256": digest, "url": shown(entry.url), "check": entry.check}
                _write_json(path, kept)
    except OSError as error:
        raise DetectorError(f"{path} cannot be written ({error.strerror})") from None


@contextlib.contextmanager
def _bar(name: str, progress: Progress | None) -> Iterator[Progress | None]:
    if progress is not None or not sys.stderr.isatty():
        yield progress
        return
    from tqdm import tqdm

    with tqdm(desc=name, unit="B", unit_scale=True, file=sys.stderr) as bar:

        def show(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_json(path: Path, value: dict[str, Any]) -> None:
    """Written beside and renamed, so that no reader sees half of it."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
    os.chmod(name, 0o644)
    os.replace(name, path)
