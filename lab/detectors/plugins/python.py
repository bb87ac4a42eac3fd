"""Detector `python`: a class or function of any importable module."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import ModuleType
from typing import Any

from lab.detectors.detector import Detector
from lab.detectors.plugins.detstream import DetstreamDetector
from lab.detectors.plugins.loading import arguments, call_factory, load_target, named_parameters
from lab.detectors.plugins.stream_infer import StreamInferAlgo
from lab.detectors.plugins.wrapper import complete
from lab.detectors.weights.loaded import FileState, note_file, state_of
from lab.errors import DetectorError, SettingError, closest

ADAPTERS: dict[str, Callable[..., Any]] = {
    "detstream": DetstreamDetector,
    "stream-infer": StreamInferAlgo,
}


# Of each module: how it was imported, and the state and hash of its file then.
_SOURCES: dict[str, tuple[Any, FileState | None, str]] = {}
STYLES = ("lab", "detstream", "stream-infer")


def from_target(*, target: str = "", style: str = "lab", **settings: Any) -> Detector:
    """Detector `python`: a class or function named as `package.module:Name`. This runs its code.

    style: `lab` for detectors with `detect(frames)`, `detstream` for those with `detect(frame)`,
        `stream-infer` for algorithms with `init()` and `run(frames)`; see
        `lab.detectors.plugins.detstream` and `lab.detectors.plugins.stream_infer`.
    settings: for what the target makes, and for the adapter of its style.
    """
    if style not in STYLES:
        raise SettingError(f"unknown style {style!r}; {closest(style, list(STYLES))}")
    factory = load_target(target)
    what = f"plugin {target!r}"
    make_again = partial(_make, what, factory, ADAPTERS.get(style), settings)
    all_settings = {"target": target, "style": style, **settings}
    package = _package_of_target(target)
    return complete("python", make_again(), all_settings, package, what=what, make_again=make_again)


def _make(
    what: str,
    factory: Callable[..., Any],
    adapter: Callable[..., Any] | None,
    settings: Mapping[str, Any],
) -> Any:
    """What the target makes, in the adapter of its style."""
    if adapter is None:
        return call_factory(what, factory, arguments(what, factory, settings), settings)
    options = named_parameters(adapter)[1:]
    own = {k: v for k, v in settings.items() if k in options}
    rest = {k: v for k, v in settings.items() if k not in own or k in named_parameters(factory)}
    made = call_factory(what, factory, arguments(what, factory, rest, also=options), settings)
    return call_factory(what, partial(adapter, made), own, settings)


def _package_of_target(target: str) -> dict[str, str]:
    """The installed package that holds the module, if one does, and the sha256 of its file."""
    module = target.partition(":")[0]
    owners = packages_distributions().get(module.partition(".")[0], [])
    known = (
        {"name": owners[0], "version": version(owners[0])}
        if owners
        else {"name": module, "version": "none"}
    )
    found = sys.modules.get(module)
    file = getattr(found, "__file__", None)
    if found is not None and file and Path(file).is_file():
        known["source_sha256"] = _source_sha256(found, Path(file))
    return known


def _source_sha256(module: ModuleType, file: Path) -> str:
    """The hash of the module's file as it was when it was first asked for after its import.

    Raises DetectorError if it has changed since: its code in this process is older.
    """
    note_file(file)
    state, imported = state_of(file), module.__spec__  # another one once it is reloaded
    before = _SOURCES.get(module.__name__)
    if before is None or before[0] is not imported:
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        _SOURCES[module.__name__] = (imported, state, sha256)
        return sha256
    if before[1] != state and hashlib.sha256(file.read_bytes()).hexdigest() != before[2]:
        raise DetectorError(
            f"{file} changed after this process imported it, so that its older code would run; "
            "start the program (or the app) again"
        )
    return before[2]
