"""What a worker analyses: a loaded detector for each type of analysis."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.errors import DetectorError, SettingError
from lab.feeds.shared_detector import SharedDetector, SharedModels
from lab.frame import Frame

DEFAULT = "object_detection"
# The types of Media Analyzer, each with the name of its list in an answer and its detector here.
RESULT_KEYS = {"object_detection": "objects", "logo_detection": "logos", "text_detection": "text"}
DETECTORS = {
    "object_detection": "yolo",
    "logo_detection": "logos",
    "text_detection": "ocr",
    "visual_analysis": "visual",
    "scene_classification": "scenes",
}
Make = Callable[[str, Mapping[str, Any]], Detector]


@dataclass(frozen=True)
class Wanted:
    """An analysis that a worker is to offer: its type, its detector and that one's settings."""

    analysis_type: str
    detector: str
    settings: Mapping[str, Any] = field(default_factory=dict)


class Analyses:
    """The detectors of a worker, each loaded once; a context manager.

    Pictures that come at the same time, of whatever request, are given to a model together.

    Raises what making a detector raises; SettingError for a detector that needs frames in their
    order, or two of one type.
    """

    def __init__(self, wanted: Sequence[Wanted], make: Make) -> None:
        self._models = SharedModels(make)
        self._detectors: dict[str, SharedDetector] = {}
        try:
            for one in wanted:
                self._add(one)
        except BaseException:
            self.close()
            raise

    def _add(self, one: Wanted) -> None:
        if one.analysis_type in self._detectors:
            raise SettingError(f"{one.analysis_type} is given twice; give each analysis once")
        detector = self._models.take(one.detector, one.settings)
        if not isinstance(detector, SharedDetector):
            detector.close()
            raise SettingError(
                f"detector {one.detector!r} needs frames in their order, and pictures "
                "come to a worker in any; use it where the clips are"
            )
        self._detectors[one.analysis_type] = detector

    def __enter__(self) -> Analyses:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        for detector in self._detectors.values():
            self._models.release(detector)
        self._detectors = {}

    @property
    def types(self) -> tuple[str, ...]:
        return tuple(self._detectors)

    def detector(self, analysis_type: str) -> SharedDetector:
        """Raises SettingError for a type that this worker does not offer."""
        if analysis_type not in self._detectors:
            raise SettingError(
                f"this worker does not offer {analysis_type!r:.80}; it offers: "
                + ", ".join(self._detectors)
            )
        return self._detectors[analysis_type]

    def detect(self, analysis_type: str, images_bgr: Sequence[Any]) -> list[Detections]:
        """One result for each uint8 (h, w, 3) picture, whatever their sizes, in their order.

        What a detector raises is the failure of its pictures. Blocks until the model's turn.
        """
        detector = self.detector(analysis_type)
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for i, image in enumerate(images_bgr):
            by_shape.setdefault(image.shape, []).append(i)
        results: list[Detections] = [Detections()] * len(images_bgr)
        for places in by_shape.values():
            for start in range(0, len(places), detector.takes_at_once):
                batch = places[start : start + detector.takes_at_once]
                found = self._found(detector, [Frame(images_bgr[i], 0, 0, 0.0) for i in batch])
                for i, one in zip(batch, found, strict=True):
                    results[i] = one
        return results

    def _found(self, detector: Detector, frames: list[Frame]) -> list[Detections]:
        """What fails together is tried one by one: only what cannot be analysed fails."""
        try:
            return detector.detect(frames)
        except Exception as error:  # also of a third-party detector
            if len(frames) > 1:
                return [found for one in frames for found in self._found(detector, [one])]
            is_ours = isinstance(error, DetectorError)
            why = str(error) if is_ours else f"{type(error).__name__}: {error}"[:300]
            return [Detections.failed(why)]

    def info(self) -> dict[str, Any]:
        """Of each type: detector, labels, score_floor, device and recipe."""
        return {
            name: {
                "detector": one.name,
                "labels": list(one.labels),
                "score_floor": one.recipe()["score_floor"],
                "device": one.device,
                "batch_size": one.takes_at_once,
                "recipe": one.recipe(),
            }
            for name, one in self._detectors.items()
        }

    def durations(self) -> dict[str, dict[str, Any]]:
        """See `SharedModels.durations`."""
        return self._models.durations()
