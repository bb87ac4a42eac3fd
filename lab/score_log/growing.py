"""A score log that another process writes: each of its samples once, in order, as it is written."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lab.arrow_columns import numbers
from lab.detection import Detections
from lab.errors import LabError
from lab.frame import FrameStamp
from lab.score_log.manifest import read_manifest
from lab.score_log.parts import Part, PartProblem, parts_of
from lab.video.source import SKIPPED

# Times of files are those of the system's last tick: within it a folder may change once more.
_TICK_NS = 100_000_000
_BEFORE_ALL_US = -(2**62)
_BOX = ("x1_px", "y1_px", "x2_px", "y2_px")
_Identity = tuple[str, int, int, int]


@dataclass(frozen=True, eq=False)
class NewSample:
    """A sample, and what was found on it.

    Why it failed or was gated is in `found`, also where its frame could not be decoded.
    """

    stamp: FrameStamp
    found: Detections


@dataclass
class _Step:
    """What one look at the folder gave, before it is known to be of one state of the log."""

    samples: list[NewSample]
    seen: frozenset[_Identity]
    last_us: int
    damaged: list[str]


class GrowingLog:
    """Reads what came since the last call; where nothing came, that costs a look at the folder.

    Samples are given once although their parts are made one, and in order: what is written again
    because it was damaged, and lies before the last that was given, is not given again. Samples
    that a live source passed over are left out. folder: of the log. latest: how many of those that
    are there already the first call gives; None for all of them.

    damaged: parts that are not what was written, and why; their samples are left out.
    last_us: time of the last sample that is known.
    """

    def __init__(self, folder: Path, *, latest: int | None = None) -> None:
        self._folder, self._latest = folder, latest
        self._seen: frozenset[_Identity] = frozenset()
        self._stamp: int | None = None
        self.last_us = _BEFORE_ALL_US
        self.damaged: list[str] = []

    def read(self) -> list[NewSample]:
        """New samples, oldest first; none while there is no log."""
        now_ns = time.time_ns()
        try:
            stamp = self._folder.stat().st_mtime_ns
            if stamp == self._stamp:
                return []
            step = self._whole_step()
        except (OSError, LabError):  # it is not there yet, or was removed
            return []
        self._stamp = stamp if now_ns - stamp > _TICK_NS else None
        self._seen, self.last_us, self._latest = step.seen, step.last_us, None
        self.damaged += step.damaged
        return step.samples

    def _whole_step(self) -> _Step:
        """Of one state of the log: parts go, and are made one, after the manifest says so."""
        manifest = read_manifest(self._folder)
        while True:
            step = self._step(parts_of(self._folder, manifest))
            now = read_manifest(self._folder)
            if now == manifest:
                return step
            manifest = now

    def _step(self, parts: list[Part]) -> _Step:
        known = [(part, _identity(part)) for part in parts]
        step = _Step([], frozenset(one for _, one in known), self.last_us, [])
        fresh = [part for part, identity in known if identity not in self._seen]
        if self._latest is not None:
            step.samples = self._last_of(fresh, self._latest, step)
            return step
        for part in fresh:
            step.samples += self._of(part, step, step.last_us)
        return step

    def _last_of(self, parts: list[Part], count: int, step: _Step) -> list[NewSample]:
        """The last samples of all; parts before them are not read."""
        found: list[NewSample] = []
        for part in reversed(parts):
            found = [*self._of(part, step, self.last_us, count - len(found)), *found]
            if len(found) >= count and step.last_us > self.last_us:
                break
        return found

    def _of(
        self, part: Part, step: _Step, after_us: int, most: int | None = None
    ) -> list[NewSample]:
        """Those of a part after a time: a compacted part holds many that were given. most: only so
        many, the last.
        """
        try:
            samples = part.read_samples()
            fresh = samples.filter(pc.greater(samples["pts_us"], after_us))
            if not len(fresh):
                return []
            told = [i for i, why in enumerate(fresh["reason"].to_pylist()) if why != SKIPPED]
            if most is not None:
                told = told[max(0, len(told) - most) :]
            found = list(_read(fresh.take(pa.array(told, pa.int64())), part))
        except PartProblem as problem:
            step.damaged.append(str(problem))
            return []
        step.last_us = max(step.last_us, int(pc.max(fresh["pts_us"]).as_py()))
        return found


def _identity(part: Part) -> _Identity:
    """Of a part as it is now: a name may come again, after what had it was set aside."""
    try:
        found = part.samples.stat()
    except OSError:
        return part.name, 0, 0, 0
    return part.name, found.st_ino, found.st_mtime_ns, found.st_size


def _read(samples: pa.Table, part: Part) -> Iterator[NewSample]:
    """These samples of a part with their detections. Raises PartProblem."""
    if not len(samples):
        return
    detections = part.read_detections()
    times = numbers(samples["pts_us"])
    fresh = detections.filter(pc.greater_equal(detections["pts_us"], int(times[0])))
    fresh = fresh.sort_by("pts_us")
    own = numbers(fresh["pts_us"])
    firsts = np.searchsorted(own, times, "left").tolist()
    ends = np.searchsorted(own, times, "right").tolist()
    labels = fresh["label"].to_pylist()
    read = fresh["text"].to_pylist() if "text" in fresh.column_names else None
    confidence = numbers(fresh["confidence"])
    boxes = np.stack([numbers(fresh[name]) for name in _BOX], axis=1)
    for row, first, end in zip(samples.to_pylist(), firsts, ends, strict=True):
        texts = None if read is None else read[first:end]
        stamp = FrameStamp(
            row["frame_index"],
            row["pts_us"],
            row["wall_time"],
            camera_time=row.get("camera_time"),
        )
        yield NewSample(
            stamp,
            Detections(
                labels[first:end],
                confidence[first:end],
                boxes[first:end],
                texts if texts is not None and any(one is not None for one in texts) else None,
                error=row["reason"] if row["status"] == "failed" else None,
                gated=row["reason"] if row["status"] == "gated" else None,
            ),
        )
