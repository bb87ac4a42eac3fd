"""The `source` of a feed in a feeds file."""

from __future__ import annotations

import inspect
from functools import cache
from pathlib import Path
from typing import Any

from lab.access.addresses import PUBLIC_ONLY
from lab.detectors.plugins.secrets import is_secret
from lab.errors import closest
from lab.feeds.block import Block
from lab.video.live.captures.registered import captures
from lab.video.live.make import live_kinds
from lab.video.registered import sources

_WHOLE = ("url", "path")
_PLACES = ("path", "folder", "pattern")
_OF_THE_FEED = "state_folder"  # given by what runs the feed
# What detstream's sources take, whatever the type; without effect where ours take no such thing.
_DETSTREAM = ("loop", "max_height")


def source_of(block: Block, folder: Path, notes: list[str]) -> dict[str, Any]:
    """`type` and the settings of that source.

    folder: what its paths are relative to. notes: takes what is to be said of keys without effect.
    """
    kind = str(block.text("type", is_required=True))
    given = {k: v for k, v in block.values.items() if k != "type" and v is not None}
    if kind == "file" and str(given.get("path", "")).isdigit():
        kind, index = "device", int(given.pop("path"))
        given["index"] = index
    if kind not in captures and sources.package(kind) is None:
        raise block.error("type", f"unknown source {kind!r}; {closest(kind, live_kinds())}")
    if given.pop("interval_s", None) is not None:
        notes.append("source.interval_s has no effect, as in detstream; give every_s to the feed")
    takes = source_settings(kind)
    for key in _DETSTREAM:
        if takes is not None and key in given and key not in takes and given.pop(key):
            notes.append(f"source.{key} has no effect on a source of type {kind}")
    _check_settings(block, given, takes)
    return {"type": kind} | {
        key: placed(value, folder) if key in _PLACES else value for key, value in given.items()
    }


def _check_settings(block: Block, given: dict[str, Any], takes: dict[str, bool] | None) -> None:
    for key in given:
        if takes is not None and key not in (*takes, PUBLIC_ONLY):
            raise block.error(None, f"unknown key {key!r}; {closest(key, list(takes))}")
        is_whole = key in _WHOLE or is_secret(key)  # of no use with a part missing
        if given[key] == "" or (is_whole and block.unset(key)):
            raise block.missing(key)
    for key, is_required in (takes or {}).items():
        if is_required and key not in given:
            raise block.missing(key)


@cache
def source_settings(kind: str) -> dict[str, bool] | None:
    """The settings of a kind of source, and whether each must be given; None for any."""
    if kind not in captures or captures.package(kind) is not None:
        return None
    parameters = inspect.signature(captures.get(kind)).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return {p.name: p.default is p.empty for p in parameters if p.name != _OF_THE_FEED}


def placed(path: Any, folder: Path) -> Any:
    """A path as the file means it: beside it, else, as in detstream, in the working folder."""
    if not isinstance(path, str):
        return path
    beside = folder / Path(path).expanduser()
    if beside.exists() or not Path(path).exists():
        return str(beside)
    return str(Path(path).absolute())
