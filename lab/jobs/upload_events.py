"""What the analysis of an upload tells while it goes on: a file with a JSON object a line.

The worker writes it, whoever follows the upload reads it from where they were. Each line has a
`type`: `started` (run_id, labels, media), `sample` (pts_s, state, detections), `sighting` (state
opened, alerted or closed, and what it is at that time), `summary` (all sightings of a run that came
to its end, and its effort) and `error`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from lab.detection import Detections
from lab.frame import FrameStamp
from lab.rules.rule import Rule
from lab.rules.tracker import Tracker
from lab.runs.execute import PlannedRun
from lab.runs.pipeline import LoggedSample
from lab.runs.run import Run
from lab.score_log.score_log import read_log
from lab.sighting import Event
from lab.video.media import Media

Line = dict[str, Any]


class UploadEvents:
    """Writes the file of one upload, from one thread."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        size = os.fstat(self._handle).st_size
        if size and os.pread(self._handle, 1, size - 1) != b"\n":
            os.write(self._handle, b"\n")  # after what a process wrote that was killed
        self._told_s = _last_told(path)
        self._trackers: dict[str, _Decides] = {}

    def begun(self, planned: Sequence[PlannedRun], rules: Sequence[Rule], media: Media) -> None:
        """The runs are in the store. rules: one for each, in order."""
        for one, rule in zip(planned, rules, strict=True):
            size_px = (media.width_px, media.height_px)
            self._trackers[one.run_id] = _Decides(rule, one, size_px)
            facts = ("width_px", "height_px", "frame_rate", "first_pts_us", "end_us", "codec")
            self._write(
                {
                    "type": "started",
                    "run_id": one.run_id,
                    "detector": one.recipe["detector"],
                    "labels": list(one.recipe["labels"]),
                    "every_s": one.recipe["every_s"],
                    "media": {"name": media.name, **{n: getattr(media, n) for n in facts}},
                }
            )

    def logged(self, plan: PlannedRun, sample: LoggedSample) -> None:
        """Not told again is what a process told that died before it was in the log."""
        lines = [_sample_line(plan.run_id, sample.stamp, sample.found)]
        for event in self._trackers[plan.run_id].take(sample.stamp, sample.found):
            lines.append(_sighting_line(plan.run_id, event))
        if lines[0]["pts_s"] > self._told_s.get(plan.run_id, float("-inf")):
            self._write(*lines)

    def ended(self, runs: Sequence[Run], rules: Sequence[Rule]) -> None:
        """The end of each run, with all its sightings by its rule. rules: in their order."""
        for run, rule in zip(runs, rules, strict=True):
            found = sorted(run.find(rule), key=lambda one: (one.onset_us, one.label))
            self._write(
                {
                    "type": "summary",
                    "run_id": run.run_id,
                    "state": run.state,
                    "media_id": run.media["media_id"],
                    "error": run.error,
                    "effort": run.effort().to_dict(),
                    "rule_hash": rule.rule_hash,
                    "sightings": [one.to_dict() for one in found],
                }
            )

    def failed(self, error: str, run_ids: Iterable[str] = ()) -> None:
        self._write({"type": "error", "error": error, "run_ids": list(run_ids)})

    def close(self) -> None:
        os.close(self._handle)

    def _write(self, *lines: Line) -> None:
        text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
        left = memoryview(text.encode())
        while left:
            left = left[os.write(self._handle, left) :]


def _last_told(path: Path) -> dict[str, float]:
    """The last sample of each run, in seconds of media time."""
    found: dict[str, float] = {}
    with path.open("rb") as file:
        for text in file:
            if text.startswith(b'{"type":"sample"'):
                with suppress(ValueError, KeyError):  # of a process that was killed
                    line = json.loads(text)
                    found[line["run_id"]] = line["pts_s"]
    return found


class _Decides:
    """What a rule decides of a run as it grows; what its log holds already is taken first."""

    def __init__(self, rule: Rule, plan: PlannedRun, size_px: tuple[int, int]) -> None:
        self._rule, self._size_px = rule, size_px
        self._tracker = Tracker(rule, every_s=plan.sampling.every_s)
        log = read_log(plan.folder)
        for i, pts_us in enumerate(log.pts_us.tolist()):
            rows = np.flatnonzero(log.sample == i)
            labels = [log.labels[j] for j in log.label[rows].tolist()]
            if log.ok[i]:
                scores = self._scores(labels, log.confidence[rows], log.box_xyxy_px[rows])
                self._tracker.update(pts_us, scores)
            elif log.gated[i]:
                self._tracker.held_back(pts_us)

    def take(self, stamp: FrameStamp, found: Detections) -> list[Event]:
        if stamp.error is not None or found.error is not None:
            return []
        if found.gated is not None:
            self._tracker.held_back(stamp.pts_us)
            return []
        scores = self._scores(found.labels, found.confidence, found.box_xyxy_px)
        return self._tracker.update(stamp.pts_us, scores)

    def _scores(
        self, labels: Sequence[str], confidence: np.ndarray, box_xyxy_px: np.ndarray
    ) -> Mapping[str, float]:
        """By label, the highest confidence of the boxes that its filter lets through."""
        scores: dict[str, float] = {}
        for label in dict.fromkeys(labels):
            rows = np.array([i for i, one in enumerate(labels) if one == label])
            only = self._rule.of(label).box_filter
            if not only.passes_all:
                rows = rows[only.mask(box_xyxy_px[rows], *self._size_px)]
            if len(rows):
                scores[label] = float(confidence[rows].max())
        return scores


def _sample_line(run_id: str, stamp: FrameStamp, found: Detections) -> Line:
    failed = stamp.error or found.error
    state = "failed" if failed else "gated" if found.gated else "ok"
    why = failed or found.gated
    boxes = np.round(found.box_xyxy_px, 1).tolist()
    return {
        "type": "sample",
        "run_id": run_id,
        "frame_index": stamp.index,
        "pts_s": stamp.pts_us / 1e6,
        "state": state,
        **({"why": why} if why else {}),
        "detections": [
            {"label": label, "confidence": round(float(score), 4), "box_xyxy_px": box}
            for label, score, box in zip(found.labels, found.confidence, boxes, strict=True)
        ],
    }


def _sighting_line(run_id: str, event: Event) -> Line:
    known = {"type": "sighting", "run_id": run_id, "state": event.kind}
    return known | event.sighting.to_dict()
