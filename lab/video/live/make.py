"""A live source from the settings that a feed gives it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.access.addresses import PUBLIC_ONLY
from lab.errors import SettingError, closest
from lab.video.live.backoff import Backoff
from lab.video.live.captures.registered import captures
from lab.video.registered import sources
from lab.video.source import LiveSource, Source
from lab.video.sources.live_kinds import connected


def live_kinds() -> list[str]:
    """What `type` of a source may be, apart from the live sources of plugins."""
    return captures.names()


def live_source(
    source: Mapping[str, Any],
    *,
    name: str = "",
    media_id: str = "",
    recording: Path | None = None,
    last_us: int | None = None,
    seen_until_us: int | None = None,
    silent_s: float = 15.0,
    frozen_s: float = 15.0,
    state_folder: Path | None = None,
    backoff: Backoff | None = None,
) -> LiveSource:
    """The source that a feed names: `type`, and the settings of that type.

    name: for people (default: the type). state_folder: where the source may keep what it must know
    over restarts; it is made when it is needed. The others are as in
    `lab.video.sources.live.ConnectedSource`; a plugin's own `LiveSource` is given none of them.

    Raises SettingError for an unknown type or setting, or a value that it does not take, naming the
    key as `source.KEY`; LabError if a plugin cannot be loaded. Nothing is connected yet.
    """
    settings = dict(source)
    kind = settings.pop("type", None)
    if not isinstance(kind, str):
        raise SettingError(f"source.type is missing; {closest('', live_kinds())}")
    if kind not in captures:
        return _of_plugin(kind, settings)
    return connected(
        kind,
        settings,
        name=name,
        state_folder=state_folder,
        frozen_s=frozen_s,
        media_id=media_id,
        recording=recording,
        last_us=last_us,
        seen_until_us=seen_until_us,
        backoff=backoff,
        silent_s=silent_s,
    )


def _of_plugin(kind: str, settings: dict[str, Any]) -> LiveSource:
    known = sorted({*live_kinds(), *sources.names()})
    if settings.pop(PUBLIC_ONLY, False):
        raise SettingError(f"source.type {kind!r} is of a plugin, and cannot be {PUBLIC_ONLY}")
    if kind not in sources:
        raise SettingError(f"source.type {kind!r} is unknown; {closest(kind, known)}")
    made = sources.make(kind, Source, **settings)  # type: ignore[type-abstract]
    if not isinstance(made, LiveSource):
        made.close()
        raise SettingError(f"source.type {kind!r} is no live source; {closest(kind, live_kinds())}")
    return made
