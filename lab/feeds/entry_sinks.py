"""The `sinks` of a feeds file."""

from __future__ import annotations

import inspect
from functools import cache
from pathlib import Path
from typing import Any

from lab.access.addresses import PUBLIC_ONLY
from lab.detectors.plugins.secrets import is_secret
from lab.errors import closest
from lab.feeds.block import Block
from lab.sinks.registered import sinks

ALWAYS_ON = "store"
_DEFAULT = ("console",)  # as in detstream
_PLACES = ("path", "dir")


def named_sinks(feed: Block) -> tuple[str, ...]:
    """The names of a feed's sinks, but the store, which is always on."""
    if "sinks" not in feed.values:
        return _DEFAULT
    names = feed.texts("sinks") or []
    if len(set(names)) < len(names):
        raise feed.error("sinks", f"expected each name once, got {', '.join(names)}")
    return tuple(name for name in names if name != ALWAYS_ON)


def shared_sink(block: Block, name: str, folder: Path) -> dict[str, Any]:
    """The settings of a sink, with its `type`, which is its name unless it is given.

    block: all sinks. folder: what paths are relative to.
    """
    one = block.block(name)
    kind = one.text("type") or name
    if kind not in sinks:
        what = "type" if "type" in one.values else None
        raise one.error(what, f"unknown sink {kind!r}; {closest(kind, sinks.names())}")
    takes = sink_settings(kind)
    settings: dict[str, Any] = {"type": kind}
    for key, value in one.values.items():
        if key == "type" or value is None:
            continue
        if takes is not None and key not in (*takes, PUBLIC_ONLY):
            raise one.error(None, f"unknown key {key!r}; {closest(key, list(takes))}")
        is_place = key in _PLACES and isinstance(value, str) and value
        settings[key] = str(folder / Path(value).expanduser()) if is_place else value
    return settings


def check_variables(block: Block, name: str) -> None:
    """Raises SettingError for an address or a key of a sink whose variable is not set."""
    one = block.block(name)
    for key in one.values:
        if one.unset(key) and (is_secret(key) or "url" in key):
            raise one.missing(key)


@cache
def sink_settings(kind: str) -> tuple[str, ...] | None:
    """The settings of a type of sink; None for any."""
    if sinks.package(kind) is not None:
        return None
    return tuple(name for name in inspect.signature(sinks.get(kind)).parameters if name != "stream")
