"""One loaded model for all feeds with the same detector, batched across them."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.errors import DetectorError
from lab.frame import Frame
from lab.runs.pipeline import run_detector

Make = Callable[[str, Mapping[str, Any]], Detector]
DURATIONS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass
class _Asked:
    frames: list[Frame]
    done: threading.Event = field(default_factory=threading.Event)
    found: list[Detections] = field(default_factory=list)
    error: Exception | None = None


class SharedModel:
    """A model with a thread of its own.

    Each feed has one request at a time, and requests are served in the order in which they came,
    so that none waits longer than one round of all. Pictures of one shape that wait are given to
    the model together.

    durations: how often a call took up to each of `DURATIONS_S`, and longer; spent_s, calls: of
    all. last_s: of the last one.
    """

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self._waiting: deque[_Asked] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self.users = 0
        self.durations = [0] * (len(DURATIONS_S) + 1)
        self.spent_s, self.calls, self.last_s = 0.0, 0, 0.0
        self._thread = threading.Thread(target=self._serve, daemon=True, name="model")
        self._thread.start()

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Waits for its turn. Raises what the model raised, DetectorError once it is closed."""
        asked = _Asked(list(frames))
        with self._changed:
            if self._is_closed:
                raise DetectorError("the model was closed")
            self._waiting.append(asked)
            self._changed.notify()
        asked.done.wait()
        if asked.error is not None:
            raise asked.error
        return asked.found

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()
        self.detector.close()

    def _serve(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._is_closed:
                    self._changed.wait()
                if not self._waiting:
                    return
                batch = self._next_batch()
            self._run(batch)

    def _next_batch(self) -> list[_Asked]:
        """The one that has waited longest, with those of its shape as far as a batch has room."""
        first = self._waiting.popleft()
        batch, room = [first], self.detector.batch_size - len(first.frames)
        for asked in list(self._waiting):
            if len(asked.frames) <= room and _shape(asked) == _shape(first):
                self._waiting.remove(asked)
                batch.append(asked)
                room -= len(asked.frames)
        return batch

    def _run(self, batch: Sequence[_Asked]) -> None:
        begun = time.monotonic()
        try:
            self._answer(batch)
        except Exception as error:
            # Whatever a model raises: these samples failed, and not those of other feeds.
            if len(batch) == 1:
                batch[0].error = error
            for one in batch if len(batch) > 1 else ():
                try:
                    self._answer([one])
                except Exception as of_one:
                    one.error = of_one
        self._note(time.monotonic() - begun)
        for one in batch:
            one.done.set()

    def _answer(self, batch: Sequence[_Asked]) -> None:
        found = iter(run_detector(self.detector, [f for one in batch for f in one.frames]))
        for one in batch:
            one.found = [next(found) for _ in one.frames]

    def _note(self, spent_s: float) -> None:
        self.last_s = spent_s
        self.spent_s += spent_s
        self.calls += 1
        place = next((i for i, most in enumerate(DURATIONS_S) if spent_s <= most), -1)
        self.durations[place] += 1


class SharedDetector(Detector):
    """What a feed has of a shared model: a detector like any other, without a memory.

    Its batch_size is 1, so that a live feed never waits for more pictures.
    """

    def __init__(self, model: SharedModel) -> None:
        self.model = model
        inner = model.detector
        self.default_score_floor = inner.default_score_floor
        self.default_threshold = inner.default_threshold
        self.labels, self.device = inner.labels, inner.device
        self.made_from, self.weights_path = inner.made_from, inner.weights_path
        self.loaded_files = inner.loaded_files

    @property
    def name(self) -> str:
        return self.model.detector.name

    @property
    def takes_at_once(self) -> int:
        """How many pictures the model takes at a time where they are there already."""
        return max(1, self.model.detector.batch_size)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return self.model.detect(frames)

    def recipe(self) -> dict[str, Any]:
        return self.model.detector.recipe()

    def reset(self) -> None:
        """There is nothing to forget."""


class SharedModels:
    """Makes each model once, and closes it when no feed uses it any more. Thread-safe.

    make: makes a detector by its name and settings.
    """

    def __init__(self, make: Make) -> None:
        self._make = make
        self._models: dict[str, SharedModel] = {}
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}

    def take(self, name: str, settings: Mapping[str, Any]) -> Detector:
        """To be given back by `release`. Raises as `lab.make_detector` does.

        One that has a memory, or takes windows of frames, is made for each feed by itself.
        """
        key = json.dumps([name, settings], sort_keys=True, default=str)
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            model = self._taken(key)
            if model is None:
                detector = self._make(name, settings)
                if detector.is_stateful or detector.takes_windows:
                    return detector
                _warm_up(detector)
                model = SharedModel(detector)
                with self._lock:
                    self._models[key] = model
                    model.users = 1
        return SharedDetector(model)

    def _taken(self, key: str) -> SharedModel | None:
        """Looked up and taken at once, so that nobody closes it in between."""
        with self._lock:
            model = self._models.get(key)
            if model is not None:
                model.users += 1
            return model

    def release(self, detector: Detector) -> None:
        if not isinstance(detector, SharedDetector):
            detector.close()
            return
        model = detector.model
        with self._lock:
            model.users -= 1
            if model.users:
                return
            self._models = {key: one for key, one in self._models.items() if one is not model}
        model.close()

    def durations(self) -> dict[str, dict[str, Any]]:
        """By detector's name: `count`, `sum_s` and `buckets` (at most so many seconds, calls)."""
        with self._lock:
            models = list(self._models.values())
        found: dict[str, dict[str, Any]] = {}
        for model in models:
            one = found.setdefault(
                model.detector.name,
                {"count": 0, "sum_s": 0.0, "buckets": [[most, 0] for most in DURATIONS_S]},
            )
            one["count"] += model.calls
            one["sum_s"] += model.spent_s
            total = 0
            for bucket, count in zip(one["buckets"], model.durations, strict=False):
                total += count
                bucket[1] += total
        return found


def _warm_up(detector: Detector) -> None:
    """The first call takes seconds, by which time the first frames of a feed would be gone."""
    image = np.zeros((360, 640, 3), np.uint8)
    with suppress(Exception):  # what is wrong shows on the first frame
        detector.detect([Frame(image, 0, 0, 0.0)])


def _shape(asked: _Asked) -> tuple[int, ...] | None:
    image = asked.frames[0].image_bgr if asked.frames else None
    return None if image is None else image.shape
