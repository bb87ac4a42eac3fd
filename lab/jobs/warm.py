"""Detectors that stay loaded between jobs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

Settings = dict[str, Any]
_WORDS = ("labels", "prompt_mode")


class WarmDetectors:
    """The detectors of the last job. One that takes prompts is asked for others, not loaded again."""

    def __init__(self) -> None:
        self._made: list[tuple[str, Any]] = []

    def get(
        self, wanted: Sequence[Settings], store: str | Path | None, titles: Sequence[str] = ()
    ) -> list[Any]:
        """One detector for each of the settings (those of `make_detector`), in their order.

        titles: of the analyses they are for, so that an error says which one it is of.
        """
        from lab.detectors.make import make_detector
        from lab.runs.analyze import naming

        warm, self._made = self._made, []
        found = [_take(warm, settings) for settings in wanted]
        for _, unwanted in warm:  # makes room before anything is loaded
            unwanted.close()
        for i, settings in enumerate(wanted):
            made = found[i]
            with naming(titles[i] if len(titles) > 1 else None):
                if made is None:
                    made = found[i] = make_detector(store=store, **settings)
                elif made.takes_prompts:
                    made.ask_for(settings.get("labels"), settings.get("prompt_mode"))
                    made.made_from = dict(settings)
            self._made.append((_network(settings, made.takes_prompts), made))
        return found


def _take(warm: list[tuple[str, Any]], settings: Settings) -> Any | None:
    """A loaded detector that fits, taken out of the list."""
    for i, (network, made) in enumerate(warm):
        if network == _network(settings, made.takes_prompts):
            del warm[i]
            return made
    return None


def _network(settings: Settings, takes_prompts: bool) -> str:
    """What has to be loaded: the settings, without the prompts where they can be changed."""
    kept = {k: v for k, v in settings.items() if not (takes_prompts and k in _WORDS)}
    return json.dumps(kept, sort_keys=True)
