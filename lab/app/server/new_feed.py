"""A feed that somebody asks for, by a page or the API: what may be written of it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lab.access.addresses import PUBLIC_ONLY
from lab.access.asker import Asker
from lab.app.server.state import AppState
from lab.app.server.typed_addresses import rules_for, typed_settings
from lab.detectors.registered import detectors
from lab.detectors.trust import check_allowed, named_by_path
from lab.errors import SettingError
from lab.feeds.entry_detector import OF_DETSTREAM
from lab.feeds.kept_secrets import without_secrets
from lab.feeds.variables import has_variable
from lab.video.live.captures.registered import captures
from lab.video.live.captures.stream import checked_url
from lab.video.live.make import live_source

_OF_THE_LAB = ("state_folder", "stream", PUBLIC_ONLY)
_NOT_HERE = ("webcam",)  # it needs an open page
_PATHS = ("path", "folder", "pattern")
# What is wrong with these is told by their settings; the others need what may come later.
_TOLD_AT_ONCE = ("camera", "file", "rtmp", "stream")
_CAMERA = re.compile(r"/dev/(video[^/\0-\x1f]*|v4l/by-(id|path)/[^/\0-\x1f]+)")


def checked_source(
    here: AppState, asker: Asker | None, source: Mapping[str, Any]
) -> dict[str, Any]:
    """The source as it may be kept: its file under the media_roots, its device a camera, its
    address one to which this server may connect for whoever asks, its secrets apart.

    Raises SettingError, ForbiddenError, AddressError, or StoreError if a secret cannot be kept.
    """
    given = dict(source)
    for key in _PATHS:
        if not given.get(key):
            continue
        if not isinstance(given[key], str):
            raise SettingError(f"source.{key} must be a text, got {given[key]!r:.80}")
        if has_variable(given[key]):  # it would lead elsewhere than where it was checked
            raise SettingError(f"source.{key} takes no variable (${{NAME}}); write it out")
        if given.get("type") == "device":
            _check_camera(key, given[key])
        else:
            given[key] = str(here.config.allowed(given[key]))
    _check_settings(given, is_public_only=not rules_for(here.config, asker).allows_private)
    return without_secrets(here.store, typed_settings(here.config, asker, given))


def checked_feed(here: AppState, asker: Asker, row: Mapping[str, Any]) -> dict[str, Any]:
    """A whole feed as the API takes it, as a row of a feeds file. Raises as `checked_source`."""
    source = dict(row["source"])
    kind = str(source.get("type"))
    if kind not in captures or kind in _NOT_HERE:
        known = ", ".join(name for name in captures.names() if name not in _NOT_HERE)
        raise SettingError(f"source.type must be one of {known}, got {kind[:40]!r}")
    for name in _OF_THE_LAB:
        if name in source:
            raise SettingError(f"source.{name} is set by the lab; leave it out")
    rest = {key: value for key, value in row.items() if key != "source"}
    if any(has_variable(text) for text in _texts(rest)):
        raise SettingError("variables (${NAME}) are for secrets of the source alone")
    _check_detector(here, row["detector"])
    if isinstance(row.get("rule"), str):
        saved = {one["name"]: one["rule"] for one in here.store.rules()}
        if row["rule"] not in saved:  # or else a path
            raise SettingError(f"no rule {row['rule']!r:.80} is saved in this store")
    return {**rest, "source": checked_source(here, asker, source)}


def _check_camera(key: str, path: Any) -> None:
    """Whether a path is that of a camera, whatever there is. Raises SettingError."""
    is_named = isinstance(path, str) and _CAMERA.fullmatch(path) is not None
    if not (is_named and _CAMERA.fullmatch(os.path.realpath(path)) and sys.platform == "linux"):
        raise SettingError(
            f"source.{key} of a device must be a camera, such as /dev/video0 or one in "
            f"/dev/v4l/by-id, got {path!r:.80}; give its index, or write the feed into a feeds file"
        )


def _check_settings(source: Mapping[str, Any], *, is_public_only: bool) -> None:
    """What can be told of a source without connecting to it. Raises SettingError, or AddressError.

    Secrets from before are not looked at, so that no message shows one.
    """
    if any(has_variable(text) for text in _texts(source)):
        return
    kind = source.get("type")
    if kind == "youtube":  # the rest needs its package
        checked_url(source.get("url", ""))
    if kind not in _TOLD_AT_ONCE:
        return
    if kind == "file" and source.get("path") and not Path(source["path"]).is_file():
        raise SettingError(f"source.path: there is no file {source['path']}; check the path")
    live_source(dict(source) | {PUBLIC_ONLY: is_public_only}).check()


def _check_detector(here: AppState, given: Mapping[str, Any]) -> None:
    """Whether it is one that a page may ask for. Raises SettingError."""
    if "name" in given:
        raise SettingError("detector.name is not a setting; the detector is named by detector.type")
    kind = given.get("type")
    if not isinstance(kind, str):
        raise SettingError("detector.type must be the name of a detector")
    if kind in OF_DETSTREAM and kind not in detectors:
        raise SettingError(
            f"detector.type {kind!r} runs code of detstream, which only a feeds file may ask for"
        )
    named = {**{key: value for key, value in given.items() if key != "type"}, "name": kind}
    check_allowed(named, here.config.services)
    if key := named_by_path(named):
        raise SettingError(f"detector.{key} must be a file of the models folder, not a path")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
