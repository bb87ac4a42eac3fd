"""Reads a run that may go on, for those who follow it."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from lab.app.server.live_results.messages import told_sample
from lab.app.server.live_results.topic import RECENT, News
from lab.errors import SettingError, StoreError
from lab.feeds.newest_samples import Sample, sample_of
from lab.runs.growing import GrowingRun, NewSample
from lab.runs.state_words import state_in_words
from lab.store.run_facts import read_run_facts
from lab.store.store import Store

_PAUSE_S = 0.05
_REST_S = 0.5
Row = dict[str, Any]


class RunReader:
    """See `lab.app.server.live_results.topic.Reader`. Raises NotFoundError, StoreError."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store = store
        self._run = GrowingRun(store, run_id, latest=RECENT)
        self._row, self._media = self._facts()
        self._told = self._state()

    @property
    def pause_s(self) -> float:
        return _REST_S if self._run.is_over else _PAUSE_S

    def open(self) -> News:
        samples = self._samples(self._run.updates())
        self._told = self._state()
        return News(samples, state=self._told)

    def read(self) -> list[News]:
        if "start_utc" not in self._media:  # it had just begun
            with suppress(StoreError):
                self._row, self._media = self._facts()
        samples = self._samples(self._run.updates())
        before, self._told = self._told, self._state()
        if self._told == before and not samples:
            return []
        return [News(samples, state=None if self._told == before else self._told)]

    def close(self) -> None:
        pass

    def _facts(self) -> tuple[Row, Row]:
        """Of the run and its clip; of one that begins, the catalog may not know yet."""
        run_id = self._run.run_id
        facts = read_run_facts(self._store.log_folder(run_id))
        try:
            ((row, media),) = self._store.runs_with_media([run_id])
        except SettingError:
            if facts is None:
                raise
            return facts, facts["media"].to_dict()
        return row, media

    def _state(self) -> Row:
        row = {**self._row, "state": self._run.state, "error": self._run.error}
        return {"state": state_in_words(row), "reason": self._run.error}

    def _samples(self, samples: list[NewSample]) -> list[Sample]:
        size_px = size_of(self._media)
        start = start_of(self._media)
        return [
            told_sample(
                sample_of(one.stamp, one.found),
                size_px,
                None if start is None else start + one.stamp.pts_us / 1e6,
            )
            for one in samples
        ]


def size_of(media: Row) -> tuple[int, int] | None:
    """Width and height, None before the first picture of a feed."""
    size_px = int(media.get("width_px") or 0), int(media.get("height_px") or 0)
    return size_px if all(size_px) else None


def start_of(media: Row) -> float | None:
    """Unix seconds of media time 0, None where that is not known."""
    start: datetime | None = media.get("start_utc")
    if start is None:
        return None
    return start.replace(tzinfo=UTC).timestamp() + float(media.get("clock_correction_s") or 0.0)
