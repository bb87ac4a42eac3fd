"""Detectors made by name and settings: built in, from a plugin, or from any importable place."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Any

from lab.detectors.plugins.calls import third_party_call
from lab.detectors.plugins.secrets import WRAPPER_SETTINGS, redact, secrets_of
from lab.errors import DetectorError, LabError, SettingError
from lab.registry import in_words, load


def load_target(target: str) -> Any:
    """The class or function at `package.module:Name`. Raises SettingError or LabError."""
    if not isinstance(target, str) or not EntryPoint.pattern.match(target) or ":" not in target:
        raise SettingError(
            f"target must be package.module:Name of something importable, got {target!r}; "
            "give it with --set target=package.module:Name"
        )
    try:
        with third_party_call():
            return load(target, EntryPoint("python", target, "lab.detectors"))
    except LabError as error:
        if isinstance(error.__cause__, ModuleNotFoundError):
            raise LabError(f"{error}; install it, or name its folder in PYTHONPATH") from None
        raise


def arguments(
    what: str, factory: Callable[..., Any], settings: Mapping[str, Any], also: Sequence[str] = ()
) -> dict[str, Any]:
    """Those of the settings that the factory is called with.

    `labels` and `score_floor` are passed to it only if it names them; the wrapper applies them in
    any case. Raises SettingError that names the settings it takes.
    """
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # nothing can be read from some compiled classes
        return {k: v for k, v in settings.items() if k not in WRAPPER_SETTINGS}
    taken = named_parameters(factory)
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
            f"{what} needs the setting {', '.join(map(repr, missing))}; "
            f"it takes: {', '.join(taken)}"
        )
    return given


def call_factory(
    what: str, factory: Any, given: Mapping[str, Any], settings: Mapping[str, Any]
) -> Any:
    """What the factory makes. An exception of the plugin becomes DetectorError."""
    try:
        with third_party_call():
            return factory(**given)
    except LabError:
        raise
    except (Exception, SystemExit) as error:
        secrets = secrets_of(settings)
        words = redact(f"{what} cannot be made: {in_words(error)}", secrets)
        raise DetectorError(words[:600]) from (None if secrets else error)


def named_parameters(factory: Any) -> list[str]:
    """The parameters of a factory that can be given by name."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return []
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
