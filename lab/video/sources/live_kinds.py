"""Live sources by name, as any other source is opened: the built-in ones of `lab.sources`.

Each takes the settings of its capture, and makes a `lab.video.source.LiveSource`.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lab.access.addresses import PUBLIC_ONLY, AddressRules
from lab.config import load_config
from lab.errors import LabError, SettingError, closest
from lab.video.live.capture import Capture
from lab.video.live.captures.registered import captures
from lab.video.source import LiveSource
from lab.video.sources.live import ConnectedSource

_OF_THE_FEED = "state_folder"  # given to the captures that take it, never by who writes a feed


def connected(
    kind: str,
    given: Mapping[str, Any],
    *,
    name: str = "",
    state_folder: Path | None = None,
    frozen_s: float = 15.0,
    **more: Any,
) -> LiveSource:
    """The source of a registered capture; see `lab.video.live.make.live_source`.

    more: as of `ConnectedSource`.
    """
    settings = dict(given)
    is_public_only = bool(settings.pop(PUBLIC_ONLY, False))
    factory = captures.get(kind)
    _check_names(kind, factory, settings)
    if state_folder is not None and _OF_THE_FEED in _parameters(factory):
        settings[_OF_THE_FEED] = str(state_folder)
    try:
        capture = captures.make(kind, Capture, **settings)  # type: ignore[type-abstract]
    except SettingError as error:
        raise SettingError(f"source: {error}") from None
    if is_public_only and not capture.keeps_to_addresses:
        raise SettingError(
            f"source: {kind} is of a plugin, which cannot be kept to public addresses; whoever "
            "runs the app can add this feed, or set private_addresses"
        )
    addresses = capture.addresses = _public() if is_public_only else AddressRules()
    return ConnectedSource(
        kind,
        settings,
        name=name or kind,
        # What ends by itself begins anew with each connection, which a still picture is no reason
        # for.
        frozen_s=0.0 if capture.is_finite else frozen_s,
        is_finite=capture.is_finite,
        can_wait=capture.can_wait,
        check=capture.check,
        addresses=addresses,
        **more,
    )


def _public() -> AddressRules:
    return AddressRules.public(load_config().allowed_addresses)


def _by_name(kind: str, **settings: Any) -> LiveSource:
    return connected(kind, settings)


camera = partial(_by_name, "camera")
device = partial(_by_name, "device")
images = partial(_by_name, "images")
rtmp = partial(_by_name, "rtmp")
segments = partial(_by_name, "segments")
stream = partial(_by_name, "stream")
webcam = partial(_by_name, "webcam")
youtube = partial(_by_name, "youtube")


def _check_names(kind: str, factory: Any, settings: Mapping[str, Any]) -> None:
    """Raises SettingError for a setting that is not there, or one that is missing."""
    parameters = _parameters(factory)
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return
    known = [name for name in parameters if name != _OF_THE_FEED]
    for key in settings:
        if key not in known:
            raise SettingError(f"source.{key}: {kind} has no such setting; {closest(key, known)}")
    for key in known:
        if parameters[key].default is inspect.Parameter.empty and key not in settings:
            raise SettingError(f"source.{key} is missing; {kind} needs it")


def _parameters(factory: Any) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError) as error:
        raise LabError(f"{factory!r} does not say what settings it takes: {error}") from None
