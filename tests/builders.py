"""Builders and fakes, in one place."""

import dataclasses
import hashlib
import time
from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.make import as_detector
from lab.frame import Frame
from lab.rules.rule import Debounce
from lab.rules.tracker import Tracker
from lab.runs.pipeline import AnalysisTask, run_tasks
from lab.video.sampling import EVERY_FRAME, WindowSampler
from lab.video.source import Sample, Source


def make_frame(
    index: int = 0, pts_us: int = 0, size_px=(64, 48), error: str | None = None
) -> Frame:
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


class ListSource(Source):
    """Gives the frames it was handed, as if their times were microseconds of a clip."""

    name = "frames in a list"
    can_seek = True

    def __init__(self, frames):
        self.listed = frames

    def media(self):
        times = [f.pts_us for f in self.listed] or [0]
        media = make_media(self.name, (times[-1] + 1) / 1e6)
        return dataclasses.replace(media, first_pts_us=times[0], end_us=times[-1] + 1)

    def samples(self, samplings, after_us=None):
        after_us = after_us or [None] * len(samplings)
        samplers = [WindowSampler(one, Fraction(1, 1_000_000)) for one in samplings]
        due = {
            f.index: tuple(sampler.take(f.index, f.pts_us) for sampler in samplers)
            for f in self.listed
        }
        times = {f.index: f.pts_us for f in self.listed}
        due = {
            i: tuple(
                w if after is None or times[i] > after else None
                for w, after in zip(windows, after_us)
            )
            for i, windows in due.items()
        }
        needed = {i for windows in due.values() for w in windows if w for i in w}
        for frame in self.listed:
            if frame.index in needed:
                yield Sample(frame, due[frame.index])

    def reopen(self):
        return ListSource(self.listed)

    def frames_at(self, pts_us):
        times = [f.pts_us for f in self.listed]
        chosen = sorted({max(0, bisect_right(times, t) - 1) for t in pts_us})
        return (self.listed[i] for i in chosen)

    def frames_by_index(self, indices):
        return (f for f in self.listed if f.index in set(indices))

    def stretches(self, indices, max_frames):
        return [list(indices[i : i + max_frames]) for i in range(0, len(indices), max_frames)]


def analyse(source, detector, log, **options):
    """Every frame of a source through a detector into a log; the task when it is done."""
    task = AnalysisTask(as_detector(detector), log, EVERY_FRAME, **options)
    run_tasks(source.samples([EVERY_FRAME], [task.shown_after_us]), [task])
    return task


class ScriptedDetector(Detector):
    """Answers with `answers[frame.index]`; an exception there is raised."""

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


def scores_of(n, seen, high=0.9, low=0.0):
    """n scores: `high` from sample a to b, both included, of each (a, b)."""
    scores = np.full(n, low, np.float32)
    for a, b in seen:
        scores[a : b + 1] = high
    return scores


def make_media(name="clip", duration_s=60.0, frame_rate=10.0):
    """Facts of a clip that is nowhere."""
    from lab.video.media import Media

    return Media(
        media_id=hashlib.blake2b(name.encode(), digest_size=8).hexdigest(),
        path=f"/nowhere/{name}.mp4",
        size_bytes=1000,
        container="mp4",
        codec="h264",
        width_px=100,
        height_px=100,
        rotation_deg=0,
        frames=round(duration_s * frame_rate),
        frame_rate=frame_rate,
        is_variable_rate=False,
        first_pts_us=0,
        end_us=round(duration_s * 1e6),
        is_browser_playable=True,
        warning=None,
    )


def make_run(folder, scores, every_s=0.2, name="clip", label="x", site=None, floor=0.05, **recipe):
    """A finished run in a real store, whose detector gave these scores (NaN: it failed).

    scores: one array for `label`, or a mapping of labels to arrays.
    """
    from lab.formats.detections.earlier import Sample
    from lab.formats.detections.write_run import write_run
    from lab.store.store import Store

    by_label = scores if isinstance(scores, dict) else {label: scores}
    by_label = {k: np.asarray(v, np.float32) for k, v in by_label.items()}
    n, step_us = len(next(iter(by_label.values()))), round(every_s * 1e6)
    samples = []
    for i in range(n):
        failed = any(np.isnan(s[i]) for s in by_label.values())
        seen = (
            []
            if failed
            else [(k, float(s[i]), (10, 10, 30, 30)) for k, s in by_label.items() if s[i] > 0]
        )
        samples.append(
            Sample(i, i * step_us, make_detections(*seen), "made to fail" if failed else None)
        )
    store = Store(Path(folder) / "store")
    detector = {"detector": "made", "labels": sorted(by_label), "score_floor": floor, **recipe}
    media = make_media(name, n * every_s)
    run = write_run(store, media, detector, samples, every_s=every_s, threshold=0.5)
    if site is not None:
        store.edit_media(media.media_id, site=site)
        run = run.refresh()
    return run


def make_box_run(folder, found, labels, every_s=0.2, media=None, **recipe):
    """A finished run in a real store whose detector found these boxes.

    found: for each sample, its boxes as (label, confidence, (x1, y1, x2, y2)). media: the clip; by
    default one that is nowhere.
    """
    from lab.formats.detections.earlier import Sample
    from lab.formats.detections.write_run import write_run
    from lab.store.store import Store

    media = media or make_media("boxes", len(found) * every_s)
    step_us = round(every_s * 1e6)
    samples = [
        Sample(i, media.first_pts_us + i * step_us, make_detections(*boxes))
        for i, boxes in enumerate(found)
    ]
    detector = {"detector": "made", "labels": list(labels), "score_floor": 0.05, **recipe}
    store = Store(Path(folder) / "store")
    return write_run(store, media, detector, samples, every_s=every_s, threshold=0.5)


def make_truth(run, *present, label="x"):
    """Truth of a run whose whole media was watched; present: (start_s, end_s)."""
    from lab.annotation import Annotation
    from lab.evaluation.truth import Truth
    from lab.formats.placing import whole

    marks = [
        Annotation(
            media_id=run.media["media_id"],
            label=label,
            start_us=round(a * 1e6),
            end_us=round(b * 1e6),
        )
        for a, b in present
    ]
    return Truth.from_records(marks, [whole(run.media, label)])


def make_footage(scores, present, every_s=1.0, name="clip", site=None, covered=None, night=None):
    """Footage of one label: scores at each `every_s`, presences and coverage in seconds."""
    from lab.evaluation.truth import LabelTruth
    from lab.tuning.footage import Footage

    step_us = round(every_s * 1e6)
    end_us = len(scores) * step_us
    spans = np.round(np.array(present, float).reshape(-1, 2) * 1e6).astype(np.int64)
    watched = (
        np.array([[0, end_us]]) if covered is None else np.round(np.array(covered, float) * 1e6)
    )
    truth = LabelTruth(spans, np.zeros(len(spans), bool), watched.astype(np.int64), spans[:0])
    return Footage.made(
        name,
        np.arange(len(scores), dtype=np.int64) * step_us,
        np.asarray(scores, np.float32),
        truth,
        start_us=0,
        end_us=end_us,
        interval_us=step_us,
        site=site,
        night=night,
    )


def assert_same_log(one, other):
    """Two logs say the same of the same samples, bit for bit."""
    columns = (
        "pts_us",
        "frame_index",
        "ok",
        "gated",
        "sample",
        "label",
        "confidence",
        "box_xyxy_px",
    )
    for name in columns:
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    clocks = [log.camera_time for log in (one, other)]
    assert (clocks[0] is None) == (clocks[1] is None)
    assert clocks[0] is None or np.array_equal(*clocks, equal_nan=True)
    assert (one.labels, dict(one.reasons)) == (other.labels, dict(other.reasons))


def ended_jobs(app_state, seconds=120):
    """The jobs of an app's queue, in the order in which they were added, once all have ended."""
    end = time.monotonic() + seconds
    while True:
        queue = app_state.analyses.queue
        counts = queue.counts() if queue is not None else {"waiting": 1, "running": 0}
        if not counts["waiting"] and not counts["running"]:
            return sorted(queue.jobs(), key=lambda job: job.job_id)
        assert time.monotonic() < end, counts
        time.sleep(0.05)
