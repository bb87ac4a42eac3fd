"""What the settings of a detector, written by somebody else, would run or call.

The lab's own detectors are data to it: they run no code of a document's choice and ask no address.
Everything else needs the word of whoever starts it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lab.detectors.make import detector_settings
from lab.detectors.registered import detectors
from lab.detectors.services.cloud_vision import GOOGLE_URL, KEY_ENV

_MAX_CHARACTERS = 200


def outside_effects(settings: Mapping[str, Any]) -> list[str]:
    """What these settings would run or call, one line each; empty for built-in detectors alone.

    settings: the arguments of `make_detector`, detectors inside others (`boxes_from`) included.
    """
    return list(dict.fromkeys(effect for one in named_detectors(settings) for effect in _of(one)))


def named_detectors(settings: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """These settings, and those of the detectors that they name inside."""
    yield settings
    inner = settings.get("boxes_from")
    if not isinstance(inner, Mapping):
        return
    try:
        yield from named_detectors(inner if "name" in inner else detector_settings(inner, {}))
    except (KeyError, TypeError, ValueError):
        return  # neither settings nor a recipe: no detector can be made of it


def _of(one: Mapping[str, Any]) -> list[str]:
    name = one.get("name")
    if not isinstance(name, str):
        return []
    if name == "python":
        return [f"run the code of {quoted(one.get('target'))} (detector 'python')"]
    if name == "remote":
        return [_sent("remote", one.get("url"), one.get("token_env"))]
    if name == "cloud-vision":
        address, variable = one.get("endpoint", GOOGLE_URL), one.get("key_env", KEY_ENV)
        return [_sent("cloud-vision", address, variable)]
    if (package := detectors.package(name)) is not None:
        words = f"{package['name']} {package['version']}"
        return [f"run the code of {quoted(words)} (plugin {quoted(name)})"]
    return []


def _sent(name: str, address: Any, variable: Any) -> str:
    secret = "" if variable is None else f" with the value of {quoted(variable)}"
    return f"send pictures{secret} to {quoted(address)} (detector {name!r})"


def quoted(value: Any) -> str:
    """Somebody else's text in a message: short, in one line, its control characters escaped."""
    text = repr(value)
    return text if len(text) <= _MAX_CHARACTERS else f"{text[: _MAX_CHARACTERS - 3]}..."


def in_one_line(effects: Sequence[str], most: int = 5) -> str:
    """Several effects, as the end of a sentence."""
    more = f"; and {len(effects) - most} more" if len(effects) > most else ""
    return "; ".join(effects[:most]) + more
