"""What the settings of a detector, written by somebody else, would run or call.

The lab's own detectors run no code of somebody's choice, and ask no address, but for `python`,
`remote` and `cloud-vision`. Those, and plugins, need the word of whoever starts a document or a
bundle; a page may ask only for the services that the settings of the lab allow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lab.config import FILE_NAME, AllowedService
from lab.detectors.make import detector_settings
from lab.detectors.registered import detectors
from lab.detectors.services.address import check_url
from lab.detectors.services.cloud_vision import GOOGLE_URL, KEY_ENV
from lab.errors import SettingError

FILES = ("weights", "embeddings")
_MAX_CHARACTERS = 200


def outside_effects(settings: Mapping[str, Any]) -> list[str]:
    """What these settings would run or call, one line each; empty for built-in detectors alone.

    settings: the arguments of `make_detector`, detectors inside others (`boxes_from`) included.
    """
    return list(dict.fromkeys(effect for one in named_detectors(settings) for effect in _of(one)))


def check_allowed(settings: Mapping[str, Any], services: Sequence[AllowedService]) -> None:
    """Check settings that came from a page, detectors inside others included.

    services: those that the settings of the lab allow. Raises SettingError for the code of any
    class (`python`), and for an address, or a variable sent there, that is not among them.
    """
    for one in named_detectors(settings):
        name = one.get("name")
        if name == "python":
            raise SettingError(
                "detector 'python' runs code by its name, which a page may not ask for; "
                "use the command line: lab analyze --detector python"
            )
        if name not in ("remote", "cloud-vision"):
            continue
        asked = _destination(name, *_where(one))
        if asked not in [_destination(s.detector, *_of_service(s)) for s in services]:
            raise SettingError(
                f"a page may not {_sent(name, *_where(one))}; name this address and variable "
                f"together under [[services]] in {FILE_NAME}, or use the command line"
            )


def named_by_path(settings: Mapping[str, Any]) -> str | None:
    """The first setting that names a file by a path, and not by its name in the models folder;
    None if there is none. A page may name those of the models folder alone.
    """
    for one in named_detectors(settings):
        for key in FILES:
            if len(Path(str(one.get(key) or "")).parts) > 1:
                return key
    return None


def service_settings(service: AllowedService) -> dict[str, str]:
    """The settings of a detector that asks an allowed service."""
    address, variable = _of_service(service)
    names = ("url", "token_env") if service.detector == "remote" else ("endpoint", "key_env")
    return {n: v for n, v in zip(names, (address, variable), strict=True) if v is not None}


def _where(one: Mapping[str, Any]) -> tuple[Any, Any]:
    """The address, and the variable whose value goes there."""
    if one["name"] == "remote":
        return one.get("url"), one.get("token_env")
    return one.get("endpoint", GOOGLE_URL), one.get("key_env", KEY_ENV)


def _of_service(service: AllowedService) -> tuple[str | None, str | None]:
    if service.detector == "remote":
        return service.address, service.token_env
    return service.address or GOOGLE_URL, service.token_env or KEY_ENV


def _destination(name: str, address: Any, variable: Any) -> tuple[str, str, Any]:
    """What is compared: both detectors see an address so. Raises SettingError for none."""
    return name, check_url("the address", address).removesuffix("/ai"), variable


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
    if name in ("remote", "cloud-vision"):
        return [_sent(name, *_where(one))]
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
