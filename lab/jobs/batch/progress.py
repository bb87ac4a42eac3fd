"""A bar for a batch."""

from __future__ import annotations

import os
from typing import Any

from lab.errors import printable
from lab.jobs.batch.runner import BatchProgress, Report


class batch_reporter:
    """A progress bar, a function, or nothing, as a context that gives the function to call."""

    def __init__(self, progress: bool | Report) -> None:
        self._progress = progress
        self._bar: Any = None

    def __enter__(self) -> Report | None:
        if not isinstance(self._progress, bool):
            return self._progress
        return self._update if self._progress else None

    def _update(self, found: BatchProgress) -> None:
        if self._bar is None:
            from tqdm.auto import tqdm

            # What was done before says nothing about the time that is left; the mean of all does,
            # since the bar is drawn more often than a clip ends.
            self._bar = tqdm(unit="clip", total=found.total, initial=found.ended, smoothing=0)
        self._bar.total = found.total
        self._bar.set_postfix_str(in_words(found), refresh=False)
        self._bar.update(found.ended - self._bar.n)
        self._bar.refresh()

    def __exit__(self, *exc: object) -> None:
        if self._bar is not None:
            self._bar.close()


def in_words(found: BatchProgress) -> str:
    """What a bar does not say: failures, samples a second, and the clips that are analysed now."""
    words = []
    if found.counts["failed"]:
        words.append(f"{found.counts['failed']} failed")
    if found.is_paused:
        words.append("paused; go on with: lab jobs go-on")
    if found.rate_hz:
        words.append(f"{found.rate_hz:.0f} samples/s")
    for path, done, total in found.running[:2]:
        share = f" {100 * done // total}%" if total else ""
        words.append(f"{printable(os.path.basename(path))}{share}")
    return ", ".join(words)
