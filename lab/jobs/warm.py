"""Detectors that stay loaded between jobs, while the files that they came from stay the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lab.detectors.detector import Detector
from lab.detectors.weights.loaded import noting_files

Settings = dict[str, Any]
_WORDS = ("labels", "prompt_mode")


class WarmDetectors:
    """The detectors of the last job. One that takes prompts is given others, not loaded again.

    They keep no memory of a job: every pass begins with `Detector.reset`.
    """

    def __init__(self, make: Callable[..., Detector] | None = None) -> None:
        """make: in place of `lab.runs.make_detector`, which keeps what it computes in the store."""
        self._make = make
        self._made: list[tuple[str, Detector]] = []

    def get(
        self, wanted: Sequence[Settings], store: str | Path | None, titles: Sequence[str] = ()
    ) -> list[Detector]:
        """One detector for each of the settings (those of `make_detector`), in their order.

        titles: of their analyses, for error messages.
        """
        # They import the catalog, which a worker for pictures never needs.
        from lab.runs.analyze import naming
        from lab.runs.make_detector import make_detector

        warm, self._made = self._made, []
        taken = [_take(warm, settings) for settings in wanted]
        found: list[Detector] = []
        for _, unwanted in warm:  # makes room before anything is loaded
            unwanted.close()
        for i, settings in enumerate(wanted):
            made = taken[i]
            with naming(titles[i] if len(titles) > 1 else None):
                if made is None:
                    made = (self._make or make_detector)(store=store, **settings)
                elif made.takes_prompts:
                    _ask(made, settings)
                    made.made_from = dict(settings)
            found.append(made)
            self._made.append((_network(settings, made.takes_prompts), made))
        return found


def _ask(made: Detector, settings: Settings) -> None:
    """Give it other prompts; an encoder of texts may be loaded for them."""
    with noting_files() as files:
        made.ask_for(settings.get("labels"), settings.get("prompt_mode"))
    files.check()
    if made.loaded_files is not None:
        made.loaded_files.update(files)


def _is_current(made: Detector) -> bool:
    return made.loaded_files is None or not made.loaded_files.changed()


def _take(warm: list[tuple[str, Detector]], settings: Settings) -> Detector | None:
    """A loaded detector that fits, taken out of the list."""
    for i, (network, made) in enumerate(warm):
        if network == _network(settings, made.takes_prompts) and _is_current(made):
            del warm[i]
            return made
    return None


def _network(settings: Settings, takes_prompts: bool) -> str:
    """What has to be loaded: the settings, without the prompts where they can be changed."""
    kept = {k: v for k, v in settings.items() if not (takes_prompts and k in _WORDS)}
    return json.dumps(kept, sort_keys=True)
