"""Detector `cloud-vision`: Google Cloud Vision, over its REST interface.

The wire format is that of `images.annotate` v1
(https://cloud.google.com/vision/docs/reference/rest/v1/images/annotate). Values that are zero or
empty are left out of its JSON.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.services.address import check_url, secret_from
from lab.detectors.services.client import Service, ServiceError
from lab.detectors.services.cloud_vision_response import (
    FEATURES,
    LabelFilter,
    picture_error,
    read_picture,
)
from lab.detectors.services.image_encoding import picture_base64
from lab.detectors.services.response import InvalidResponse, mapping, rows
from lab.errors import SettingError, closest
from lab.frame import Frame

PROCESSING_VERSION = 1
GOOGLE_URL = "https://vision.googleapis.com/v1/images:annotate"
KEY_ENV = "GOOGLE_API_KEY"
JPEG_QUALITY = 95
MAX_RESULTS = 50
MAX_PICTURES = 16  # of one request, as the service allows
MAX_REQUEST_BYTES = 9_500_000  # it allows 10 MB of JSON


class CloudVision(Detector):
    """Asks Google Cloud Vision for objects, logos and text. Each picture and feature is billed.

    features: any of `objects`, `logos`, `text`.
    labels: names of objects and logos, single words and `/regular expressions/` of text,
        whatever their case; None for all, where text has the label `text`.
    key_env: the name of the environment variable with the API key.
    budget_requests: the largest number of billed units (pictures times features) that this
        detector spends; every further frame fails. A try without an answer counts as billed.
    endpoint: another address with the same interface; http only on this machine.
    timeout_s, retries, retry_wait_s: see `lab.detectors.services.client.Service`.

    The service may change its model at any time: the recipe cannot pin it.

    Raises SettingError for a setting out of range, DetectorError if there is no key.
    """

    default_score_floor = 0.05
    default_threshold = 0.5
    batch_size = MAX_PICTURES

    def __init__(
        self,
        *,
        features: Sequence[str] = ("objects",),
        labels: Sequence[str] | None = None,
        key_env: str = KEY_ENV,
        budget_requests: int = 1000,
        score_floor: float | None = None,
        endpoint: str = GOOGLE_URL,
        timeout_s: float = 10.0,
        retries: int = 3,
        retry_wait_s: float = 2.0,
    ) -> None:
        floor = self.default_score_floor if score_floor is None else score_floor
        if isinstance(floor, bool) or not isinstance(floor, (int, float)) or not 0 < floor < 1:
            raise SettingError(f"score_floor must be in (0, 1), got {floor!r}")
        self._features = _known_features(features)
        self._filter = LabelFilter(labels, self._features)
        self._floor, self._budget = floor, _Budget(budget_requests)
        address = check_url("endpoint", endpoint, http_only_on_loopback=True)
        key = secret_from("key_env", key_env, "an API key of Google Cloud with the Vision API")
        self._service = Service(
            address,
            kind="service",
            headers={"x-goog-api-key": key},
            secret=key,
            timeout_s=timeout_s,
            retries=retries,
            retry_wait_s=retry_wait_s,
        )
        self._refusal: str | None = None
        self.labels = self._filter.labels
        self._recipe = {
            "detector": "cloud-vision",
            "endpoint": address,
            "features": list(self._features),
            "most_results": MAX_RESULTS,
            "image_format": "jpeg",
            "jpeg_quality": JPEG_QUALITY,
            "processing_version": PROCESSING_VERSION,
            "labels": list(self.labels),
            "score_floor": floor,
        }

    @property
    def spent_requests(self) -> int:
        """Billed units so far: pictures times features."""
        return self._budget.spent

    def recipe(self) -> dict[str, Any]:
        return dict(self._recipe)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `lab.detectors.detector.Detector`. Up to 16 frames go in one request."""
        results: list[Detections] = []
        for batch in _requests(frames):
            results += self._ask(batch)
        return results

    def close(self) -> None:
        self._service.close()

    def _ask(self, batch: list[tuple[Frame, str]]) -> list[Detections]:
        """Results of the frames of one request; those beyond the budget fail."""
        units = len(self._features)
        allowed = [] if self._refusal else batch[: self._budget.left // units]
        results = [
            self._read(frame, answer)
            for (frame, _), answer in zip(allowed, self._answers(allowed), strict=True)
        ]
        reason = self._refusal or self._budget.used_up
        return results + [Detections.failed(reason)] * (len(batch) - len(allowed))

    def _answers(self, batch: list[tuple[Frame, str]]) -> list[Any]:
        """The response for each frame, or one reason for all of them."""
        if not batch:
            return []
        features = [{"type": FEATURES[name], "maxResults": MAX_RESULTS} for name in self._features]
        body = {
            "requests": [{"image": {"content": data}, "features": features} for _, data in batch]
        }
        units = len(batch) * len(features)
        try:
            answer = self._service.post(
                "",
                body,
                before_try=lambda: self._budget.spend(units),
                refused=lambda: self._budget.give_back(units),
            )
            answers = rows(mapping(answer, "the answer").get("responses"), "responses")
            if len(answers) != len(batch):
                raise InvalidResponse(f"it has {len(answers)} responses to {len(batch)} pictures")
        except ServiceError as error:
            if error.status in (401, 403) or (error.status == 400 and "API key" in str(error)):
                self._refusal = str(error)
            return [str(error)] * len(batch)
        except InvalidResponse as error:
            return [self._not_valid(error)] * len(batch)
        return list(answers)

    def _read(self, frame: Frame, answer: Any) -> Detections:
        """Detections from one picture's response, or from the reason why there is none."""
        if isinstance(answer, str):
            return Detections.failed(answer)
        assert frame.image_bgr is not None
        height_px, width_px = frame.image_bgr.shape[:2]
        try:
            if why := picture_error(answer):
                return Detections.failed(
                    self._service.redact(f"{self._service.name} answered {why}")
                )
            found = read_picture(
                answer, self._features, self._filter, width_px, height_px, self._floor
            )
        except InvalidResponse as error:
            return Detections.failed(self._not_valid(error))
        return found.detections(with_text="text" in self._features)

    def _not_valid(self, error: InvalidResponse) -> str:
        return self._service.redact(f"{self._service.name} answered wrongly: {error}")


class _Budget:
    """The billed units that may still be spent."""

    def __init__(self, limit: Any) -> None:
        if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
            raise SettingError(f"budget_requests must be a whole number, 1 or more, got {limit!r}")
        self._limit, self.spent, self._lock = limit, 0, threading.Lock()
        self.used_up = f"the budget of {limit} requests is used up; raise budget_requests"

    @property
    def left(self) -> int:
        return self._limit - self.spent

    def spend(self, units: int) -> None:
        """Raises ServiceError if fewer are left."""
        with self._lock:
            if units > self.left:
                raise ServiceError(self.used_up)
            self.spent += units

    def give_back(self, units: int) -> None:
        with self._lock:
            self.spent -= units


def _known_features(features: Any) -> tuple[str, ...]:
    if isinstance(features, str) or not all(isinstance(name, str) for name in features):
        raise SettingError(f"features must be a list of {', '.join(FEATURES)}, got {features!r}")
    for name in features:
        if name not in FEATURES:
            raise SettingError(f"unknown feature {name!r}; {closest(name, list(FEATURES))}")
    if not features:
        raise SettingError(f"no feature given; name one or more of {', '.join(FEATURES)}")
    return tuple(name for name in FEATURES if name in features)


def _requests(frames: Sequence[Frame]) -> Iterator[list[tuple[Frame, str]]]:
    """Frames with their pictures in base64, as many as fit into a request."""
    batch: list[tuple[Frame, str]] = []
    size_bytes = 0
    for frame in frames:
        if frame.image_bgr is None:
            raise ValueError("a batch holds frames with pictures, got one without")
        data = picture_base64(frame.image_bgr, "jpeg", JPEG_QUALITY)
        if batch and (len(batch) == MAX_PICTURES or size_bytes + len(data) > MAX_REQUEST_BYTES):
            yield batch
            batch, size_bytes = [], 0
        batch.append((frame, data))
        size_bytes += len(data)
    if batch:
        yield batch
