"""The runs behind a chart, and which stretches of their clips were analysed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone, tzinfo
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from lab.charts.clocks import offset_changes, offsets_us
from lab.charts.stretches import HOUR_US, Stretches, joined, on_clock
from lab.clock import zone_named
from lab.errors import StoreError
from lab.score_log.effort import analysed_spans
from lab.score_log.manifest import read_manifest
from lab.score_log.parts import PartProblem, parts_of
from lab.store.store import Store

_WORTH_READING_US = 60_000_000
_MOST_READ = 200


@dataclass(frozen=True, eq=False)
class Runs:
    """The runs that count, one row each: NumPy arrays of one length.

    clip, clock: numbers of the clip and, in `zones`, of the site's clock. site: "" where it is not
    known. labels: of the recipe, as JSON. start_us: of the clip's time 0 in UTC, 0 where it is not
    known (is_placed false). begin_us, end_us: what was gone through, in media time; share: of it
    that was analysed. has_clock: whether zone or offset are known, else times are in UTC.
    has_log: whether the score log is there.
    """

    run_id: np.ndarray
    media_id: np.ndarray
    protocol: np.ndarray
    site: np.ndarray
    labels: np.ndarray
    start_us: np.ndarray
    is_placed: np.ndarray
    begin_us: np.ndarray
    end_us: np.ndarray
    share: np.ndarray
    every_s: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    has_clock: np.ndarray
    has_log: np.ndarray
    clip: np.ndarray
    clock: np.ndarray
    zones: tuple[tzinfo, ...]

    def __len__(self) -> int:
        return len(self.run_id)

    @classmethod
    def of(cls, table: pa.Table) -> Runs:
        """table: as `Store.chart_runs` gives it."""
        frame = table.to_pandas()
        gone_s = frame[["analysed_s", "failed_s", "gated_s", "gap_s"]].to_numpy().sum(axis=1)
        begin_us = (frame["first_pts_us"] + (1e6 * frame["start_s"]).round()).to_numpy(np.int64)
        zone = frame["zone"].astype(object).where(frame["zone"].notna(), frame["utc_offset_s"])
        clock, names = pd.factorize(zone.fillna("UTC").astype(str))
        start = frame["start_us"]
        return cls(
            run_id=frame["run_id"].to_numpy(object),
            media_id=frame["media_id"].to_numpy(object),
            protocol=frame["protocol_hash"].to_numpy(object),
            site=frame["site"].fillna("").to_numpy(object),
            labels=frame["labels"].to_numpy(object),
            start_us=start.fillna(0).to_numpy(np.int64),
            is_placed=start.notna().to_numpy(),
            begin_us=begin_us,
            end_us=begin_us + np.round(1e6 * gone_s).astype(np.int64),
            share=np.divide(
                frame["analysed_s"].to_numpy(float), gone_s,
                out=np.zeros(len(frame)), where=gone_s > 0,
            ),
            every_s=frame["every_s"].to_numpy(float),
            latitude=frame["latitude"].to_numpy(float),
            longitude=frame["longitude"].to_numpy(float),
            has_clock=zone.notna().to_numpy(),
            has_log=frame["has_log"].to_numpy(bool),
            clip=pd.factorize(frame["media_id"])[0],
            clock=clock,
            zones=tuple(_zone(name) for name in names),
        )  # fmt: skip

    @cached_property
    def sites(self) -> tuple[list[str], np.ndarray]:
        """The sites in order, and the number of that of each run."""
        names, which = np.unique(self.site.astype(str), return_inverse=True)
        return names.tolist(), which

    def searched_for(self, labels: tuple[str, ...]) -> np.ndarray:
        """bool (labels, runs); a detector that declares no labels is searched for all."""
        which, texts = pd.factorize(self.labels)
        found = [json.loads(text) for text in texts]
        known = [[not one or label in one for one in found] for label in labels]
        return np.array(known, bool).reshape(len(labels), len(found))[:, which]

    def offsets_us(self, run: np.ndarray, utc_us: np.ndarray) -> np.ndarray:
        """Of the clocks of runs at times in UTC: int64 (n,). run: positions."""
        clock = self.clock[run]
        offsets = np.zeros(len(run), np.int64)
        for number, zone in enumerate(self.zones):
            at = np.flatnonzero(clock == number)
            offsets[at] = offsets_us(zone, utc_us[at])
        return offsets

    def on_clocks(self, run: np.ndarray, stretches: Stretches) -> Stretches:
        """Stretches in UTC with the offsets of their clocks, cut where these change."""
        if not len(run):
            return stretches
        first_us, last_us = int(stretches.begin_us.min()), int(stretches.end_us.max())
        clock = self.clock[run]
        parts = []
        for number, zone in enumerate(self.zones):
            some = stretches[np.flatnonzero(clock == number)]
            if len(some):
                changes = offset_changes(zone, first_us, last_us)
                parts.append(on_clock(some.of, some.begin_us, some.end_us, some.weight, changes))
        return joined(parts)


def _zone(name: str) -> tzinfo:
    try:
        return timezone(timedelta(seconds=float(name)))
    except ValueError:
        return UTC if name == "UTC" else zone_named(name)


def analysed(store: Store, runs: Runs) -> tuple[Stretches, np.ndarray]:
    """What was analysed of each run, in media time (offset_us is 0), and the runs of which it is
    known only in sum: their holes are spread evenly.

    The catalog knows how long a run's holes are: samples that failed or were held back, gaps. Where
    they lie is read from the log if they take more than a minute of a run that reaches over the
    hour, for the 200 runs with the longest ones.
    """
    everything = np.arange(len(runs))
    whole = Stretches(
        everything, runs.begin_us, runs.end_us, np.zeros(len(runs), np.int64), runs.share
    )
    hole_us = (runs.end_us - runs.begin_us) * (1 - runs.share)
    reaches_on = (runs.start_us + runs.begin_us) // HOUR_US != (
        runs.start_us + runs.end_us
    ) // HOUR_US
    worth = np.flatnonzero((hole_us > _WORTH_READING_US) & reaches_on & runs.is_placed)
    worth = worth[np.argsort(-hole_us[worth], kind="stable")]
    known, parts = [], []
    for run in worth[:_MOST_READ].tolist():
        found = _spans_of(store, runs, run)
        if found is not None:
            known.append(run)
            parts.append(_exactly(run, found))
    if not known:
        return whole, worth
    rest = np.delete(everything, known)
    return joined([whole[rest], *parts]), np.setdiff1d(worth, known)


def _exactly(run: int, spans: np.ndarray) -> Stretches:
    n = len(spans)
    return Stretches(np.full(n, run), spans[:, 0], spans[:, 1], np.zeros(n, np.int64), np.ones(n))


def _spans_of(store: Store, runs: Runs, run: int) -> np.ndarray | None:
    folder = store.log_folder(str(runs.run_id[run]))
    try:
        changed = (folder / "manifest.json").stat().st_mtime_ns
        return _read_spans(folder, changed, int(runs.end_us[run]), float(runs.every_s[run]))
    except (OSError, StoreError, PartProblem):
        return None


@lru_cache(maxsize=2048)
def _read_spans(folder: Path, changed: int, end_us: int, every_s: float) -> np.ndarray:
    """changed: when its manifest was written last, so that a log which is repaired is read anew."""
    tables = [part.read_samples() for part in parts_of(folder, read_manifest(folder))]
    pts_us = np.concatenate([one["pts_us"].to_numpy() for one in tables])
    is_ok = np.concatenate([one["status"].to_numpy() == "ok" for one in tables])
    order = np.argsort(pts_us, kind="stable")
    return analysed_spans(pts_us[order], is_ok[order].astype(bool), end_us, every_s)
