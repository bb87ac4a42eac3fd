"""Builders and fakes, in one place."""

from collections.abc import Sequence

import numpy as np

from lab.detection import Detections
from lab.frame import Frame
from lab.rule import Debounce
from lab.tracker import Tracker


def make_frame(index: int = 0, pts_us: int = 0, size_px=(64, 48), error: str | None = None) -> Frame:
    image = None if error else np.full((size_px[1], size_px[0], 3), 90, np.uint8)
    return Frame(image, index, pts_us, 0.0, error)


def make_detections(*found: tuple[str, float, Sequence[float]]) -> Detections:
    return Detections(
        [label for label, _, _ in found],
        np.array([c for _, c, _ in found], np.float32),
        np.array([b for _, _, b in found], np.float32).reshape(-1, 4),
    )


def run_tracker(scores, every_us=1_000_000, reason="end", end_us=None, **settings):
    """All events of one label `x`, a score a sample; None is a sample that failed."""
    tracker = Tracker(Debounce(**{"enter_threshold": 0.5, **settings}))
    events = []
    for i, score in enumerate(scores):
        if score is not None:
            events += tracker.update(i * every_us, {"x": score})
    return events + tracker.finish(reason, end_us)


def closed(events):
    return [event.sighting for event in events if event.kind == "closed"]


class ListSource:
    """Gives the frames it was handed."""

    def __init__(self, frames):
        self.frames = frames

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return None

    def samples(self, every_s, after_us=None):
        return (f for f in self.frames if after_us is None or f.pts_us > after_us)


class ScriptedDetector:
    """Answers with `answers[frame.index]`; an exception there is raised."""

    default_score_floor = 0.05
    default_threshold = 0.4
    batch_size = 1

    def __init__(self, answers, labels=("x",), batch_size=1):
        self.answers, self.labels, self.batch_size = answers, tuple(labels), batch_size
        self.batches = []

    def detect(self, frames):
        self.batches.append([f.index for f in frames])
        out = []
        for frame in frames:
            answer = self.answers[frame.index]
            if isinstance(answer, Exception):
                raise answer
            out.append(answer)
        return out

    def recipe(self):
        return {"detector": "scripted", "labels": list(self.labels), "score_floor": 0.05}

    def close(self):
        pass
