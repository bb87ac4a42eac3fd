"""What a worker says of a clip, checked before it counts. Each raises SettingError."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.app.server.body import mapping, number
from lab.errors import SettingError
from lab.jobs.remote.claim import Ended, GivenBack, Opened
from lab.jobs.remote.message import one_line
from lab.runs.pieces import LogEnd

_MOST_ANALYSES = 100
_MAX_COUNT = 10**9
_MAX_DONE = 2**53
_DEVICES = ("cpu", "cuda")


def opened_of(body: Mapping[str, Any]) -> Opened:
    """recipes, media, counts, opening_s, decoded_on."""
    recipes, counts = _list(body, "recipes"), _list(body, "counts")
    if not all(isinstance(one, dict) for one in recipes):
        raise SettingError("recipes must be a list of objects")
    decoded_on = body.get("decoded_on", "cpu")
    if decoded_on not in _DEVICES:
        raise SettingError(f"decoded_on must be one of {', '.join(_DEVICES)}")
    return Opened(
        recipes,
        mapping(body, "media"),
        [None if one is None else _whole(one, "counts") for one in counts],
        _seconds(body, "opening_s"),
        decoded_on,
    )


def ended_of(body: Mapping[str, Any]) -> Ended:
    """logs, and error with its kind and text."""
    error = body.get("error")
    if error is not None:
        if not isinstance(error, dict):
            raise SettingError("error must be an object with kind and text")
        kind, text = (error.get(name) for name in ("kind", "text"))
        if not (isinstance(kind, str) and isinstance(text, str) and kind.isidentifier()):
            raise SettingError("error must be an object with kind and text")
        error = (kind[:100], one_line(text) or kind[:100])
    logs = _list(body, "logs") if "logs" in body else []
    return Ended([_log_end(one) for one in logs], error)


def given_back_of(body: Mapping[str, Any]) -> GivenBack:
    """reason, is_unfit."""
    return GivenBack(one_line(_text(body, "reason")), body.get("is_unfit") is True)


def done_of(body: Mapping[str, Any]) -> int | None:
    """What the worker got done, by its own count; None if it does not say."""
    return None if body.get("done") is None else _whole(body["done"], "done", _MAX_DONE)


def number_of(body: Mapping[str, Any]) -> int:
    """Which message of its claim it is."""
    return _whole(body.get("number"), "number")


def _log_end(given: Any) -> LogEnd:
    if not isinstance(given, dict):
        raise SettingError("logs must be a list of objects")
    texts = [given.get(name) for name in ("first_error", "error")]
    if not all(one is None or isinstance(one, str) for one in texts):
        raise SettingError("first_error and error must be texts")
    first, error = (None if one is None else one_line(one) for one in texts)
    counts = [_whole(given.get(name), name) for name in ("analysed", "failed_calls")]
    return LogEnd(0, counts[0], counts[1], first, error, _seconds(given, "seconds"))


def _list(body: Mapping[str, Any], key: str) -> list[Any]:
    given = body.get(key)
    if not isinstance(given, list) or len(given) > _MOST_ANALYSES:
        raise SettingError(f"{key} must be a list of at most {_MOST_ANALYSES}")
    return given


def _whole(given: Any, what: str, most: int = _MAX_COUNT) -> int:
    if type(given) is not int or not 0 <= given <= most:
        raise SettingError(f"{what} must be a whole number from 0 to {most}")
    return given


def _seconds(body: Mapping[str, Any], key: str) -> float:
    given = float(number(body, key, 0.0))
    if not 0 <= given <= 1e9:
        raise SettingError(f"{key} must be seconds, got {given!r:.40}")
    return given


def _text(body: Mapping[str, Any], key: str) -> str:
    given = body.get(key)
    if not isinstance(given, str):
        raise SettingError(f"{key} must be a text")
    return given
