"""Detectors made by name and settings: built in, from a plugin, or from any importable place."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import EntryPoint, packages_distributions, version
from pathlib import Path
from typing import Any

from lab.detector import Detector
from lab.errors import DetectorError, LabError, SettingError, closest
from lab.plugin_settings import WRAPPER_SETTINGS, hide, secrets_of
from lab.plugins import complete
from lab.registry import detectors, in_words, load

STYLES = ("lab", "detstream", "stream-infer")


def make(name: str, settings: Mapping[str, Any]) -> Detector:
    """A registered detector, built in or from a plugin.

    Raises SettingError for an unknown name or setting, LabError for a plugin that cannot be
    loaded, DetectorError for one that cannot be made.
    """
    factory = detectors.get(name)
    package = detectors.package(name)
    if package is None:
        if name != "python" and (unknown := [k for k in settings if k not in _named(factory)]):
            takes = ", ".join(sorted(n for n in _named(factory) if n != "store"))
            raise SettingError(
                f"detector {name!r} does not take {', '.join(map(repr, unknown))}; it takes: {takes}"
            )
        try:
            built_in: Detector = factory(**settings)
        except TypeError as error:
            raise SettingError(f"detector {name!r} does not take these settings: {error}") from None
        return built_in
    what = f"plugin {name!r}"
    made = _call(what, factory, arguments(what, factory, settings), settings)
    return complete(name, made, settings, package)


def from_target(*, target: str = "", style: str = "lab", **settings: Any) -> Detector:
    """Detector `python`: a class or function named as `package.module:Name`. This runs its code.

    style: `lab` for detectors with `detect(frames)`, `detstream` for those with `detect(frame)`,
        `stream-infer` for algorithms with `init()` and `run(frames)`; see `lab.adapters`.
    settings: for what the target makes, and for the adapter of its style.
    """
    from lab.adapters import ADAPTERS

    if style not in STYLES:
        raise SettingError(f"unknown style {style!r}; {closest(style, list(STYLES))}")
    factory = load_target(target)
    what = f"plugin {target!r}"
    adapter = ADAPTERS.get(style)
    if adapter is None:
        made = _call(what, factory, arguments(what, factory, settings), settings)
    else:
        options = _named(adapter)[1:]
        own = {k: v for k, v in settings.items() if k in options}
        rest = {k: v for k, v in settings.items() if k not in own or k in _named(factory)}
        made = _call(what, factory, arguments(what, factory, rest, also=options), settings)
        made = _call(what, partial(adapter, made), own, settings)
    all_settings = {"target": target, "style": style, **settings}
    return complete("python", made, all_settings, _package_of_target(target), what=what)


def load_target(target: str) -> Any:
    """The class or function at `package.module:Name`. Raises SettingError or LabError."""
    if not isinstance(target, str) or not EntryPoint.pattern.match(target) or ":" not in target:
        raise SettingError(
            f"target must be package.module:Name of something importable, got {target!r}; "
            "give it with --set target=package.module:Name"
        )
    try:
        return load(target, EntryPoint("python", target, "lab.detectors"))
    except LabError as error:
        if isinstance(error.__cause__, ModuleNotFoundError):
            raise LabError(f"{error}; install it, or name its folder in PYTHONPATH") from None
        raise


def arguments(
    what: str, factory: Callable[..., Any], settings: Mapping[str, Any], also: Sequence[str] = ()
) -> dict[str, Any]:
    """Those of the settings that the factory is called with.

    `labels` and `score_floor` are given to it only if it names them; the wrapper sees to them in
    any case. Raises SettingError that names the settings it takes.
    """
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # nothing can be read from some compiled classes
        return {k: v for k, v in settings.items() if k not in WRAPPER_SETTINGS}
    taken = _named(factory)
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
    if taken == ["config"] and not takes_all and "config" not in settings:
        return {"config": {k: v for k, v in settings.items() if k not in WRAPPER_SETTINGS}}
    given = {
        k: v
        for k, v in settings.items()
        if k not in WRAPPER_SETTINGS or (k in taken and v is not None)
    }
    unknown = [k for k in given if k not in taken]
    if unknown and not takes_all:
        takes = sorted({*taken, *WRAPPER_SETTINGS, *also})
        raise SettingError(
            f"{what} does not take {', '.join(map(repr, unknown))}; it takes: {', '.join(takes)}"
        )
    required = [
        p
        for p in parameters
        if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    if missing := [p.name for p in required if p.name not in given]:
        raise SettingError(
            f"{what} needs the setting {', '.join(map(repr, missing))}; it takes: {', '.join(taken)}"
        )
    return given


def _call(what: str, factory: Any, given: Mapping[str, Any], settings: Mapping[str, Any]) -> Any:
    """What the factory makes. An exception of the plugin becomes DetectorError."""
    try:
        return factory(**given)
    except LabError:
        raise
    except (Exception, SystemExit) as error:
        secrets = secrets_of(settings)
        words = hide(f"{what} cannot be made: {in_words(error)}", secrets)
        raise DetectorError(words[:600]) from (None if secrets else error)


def _named(factory: Any) -> list[str]:
    """The parameters of a factory that can be given by name."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def _package_of_target(target: str) -> dict[str, str]:
    """The installed package that holds the module, if one does, and the sha256 of its file."""
    module = target.partition(":")[0]
    owners = packages_distributions().get(module.partition(".")[0], [])
    known = (
        {"name": owners[0], "version": version(owners[0])}
        if owners
        else {"name": module, "version": "none"}
    )
    file = getattr(sys.modules.get(module), "__file__", None)
    if file and Path(file).is_file():
        known["source_sha256"] = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    return known
