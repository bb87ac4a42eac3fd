"""New samples of a run that goes on, for those who watch: each part of its log is read once."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.score_log.manifest import read_manifest
from lab.score_log.parts import Part, PartProblem, parts_of
from lab.video.source import SKIPPED

_MOST_KEPT = 600
Samples = list[dict[str, Any]]


class KeptSamples:
    """The last samples of a run, from the log or before they were in it.

    all: oldest first, each with `pts_us`, `state` (ok, failed, gated), and `boxes`: label,
    confidence, and xyxy in whole pixels; `why` one is not ok.
    """

    def __init__(self) -> None:
        self.all: Samples = []
        self._known: set[int] = set()

    def add(self, samples: Samples) -> Samples:
        """Those that are new, oldest first."""
        oldest = self.all[0]["pts_us"] if len(self.all) >= _MOST_KEPT else -(2**62)
        new = [
            one
            for one in samples[-_MOST_KEPT:]
            if one["pts_us"] not in self._known and one["pts_us"] > oldest
        ]
        if new:
            both = sorted([*self.all, *new], key=lambda one: int(one["pts_us"]))
            self.all = both[-_MOST_KEPT:]
            self._known = {one["pts_us"] for one in self.all}
        return new


class GrowingLog:
    """Reads what came since the last call, without samples that were skipped. folder: of the run's
    log.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: set[str] | None = None
        self._last_us = -(2**62)
        self._stamp: int | None = None

    def read(self) -> Samples:
        """Samples that were logged since the last call; the first call gives the last part's."""
        try:
            stamp = self._folder.stat().st_mtime_ns
            if stamp == self._stamp:
                return []
            parts = parts_of(self._folder, read_manifest(self._folder))
        except (OSError, LabError):  # it is not there yet, or was removed
            return []
        fresh = parts[-1:] if self._seen is None else [p for p in parts if p.name not in self._seen]
        new: Samples = []
        for part in fresh:
            with suppress(PartProblem):  # a page that opens the run says so
                new += self._samples_of(part)
        self._stamp, self._seen = stamp, {part.name for part in parts}
        return new

    def _samples_of(self, part: Part) -> Samples:
        """Of a part those after the last: a compacted one holds many that were given already."""
        samples, detections = part.read()
        found: dict[int, dict[str, Any]] = {}
        columns = [samples[name].to_pylist() for name in ("pts_us", "status", "reason")]
        for pts_us, state, why in zip(*columns, strict=True):
            if pts_us > self._last_us and why != SKIPPED:
                found[pts_us] = {"pts_us": pts_us, "state": state, "boxes": []}
                if state != "ok":
                    found[pts_us]["why"] = why
        columns = [
            detections[name].to_pylist()
            for name in ("pts_us", "label", "confidence", "x1_px", "y1_px", "x2_px", "y2_px")
        ]
        for pts_us, label, confidence, *box in zip(*columns, strict=True):
            if pts_us in found:
                row = [label, round(confidence, 4), *map(round, box)]
                found[pts_us]["boxes"].append(row)
        self._last_us = max([self._last_us, *found])
        return [found[pts_us] for pts_us in sorted(found)][-_MOST_KEPT:]
