"""Detector `remote`: a worker elsewhere that analyses pictures sent over HTTP.

The wire format is that of Media Analyzer (https://github.com/buenosairesam/media-analyzer,
`ai_processing/remote_worker.py`): `POST /ai/analyze`, `GET /ai/health`, `GET /ai/info`. What is
accepted is described in docs/guide/remote.md; anything else is a failed frame, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.services.address import check_url, secret_from
from lab.detectors.services.client import Service, ServiceError, check_retries
from lab.detectors.services.frame_batch import (
    MEDIA_TYPE,
    Picture,
    detections_of,
    picture_of,
    write_batch,
)
from lab.detectors.services.frame_batch import PATH as BATCH_PATH
from lab.detectors.services.image_encoding import IMAGE_FORMATS, json_with_picture, picture_file
from lab.detectors.services.response import (
    Found,
    InvalidResponse,
    confidence_of,
    mapping,
    rows,
    words,
)
from lab.detectors.services.worker_boxes import BoxScale
from lab.detectors.services.worker_info import (
    box_format_of,
    chosen_labels,
    difference_of,
    first_text,
    labels_of,
    of_type,
    takes_batches,
)
from lab.detectors.services.workers import Workers
from lab.errors import DetectorError, SettingError, closest
from lab.frame import Frame

PROCESSING_VERSION = 1
_MOST_AT_ONCE = 64
_RESULT_KEYS = {"object_detection": "objects", "logo_detection": "logos", "text_detection": "text"}


class Remote(Detector):
    """Sends each frame to a worker, whose response gives the detections.

    url: where the worker is, without `/ai/analyze`; several that do the same, in a list or
        separated by commas: each frame goes to one of them, and to another if that one fails.
    labels: those to keep; None for those that `/ai/info` names, or any if it names none.
    analysis_type: sent as it is; `object_detection`, `logo_detection` and `text_detection` are
        those of Media Analyzer.
    timeout_s: for one answer. retries, retry_wait_s: see `lab.detectors.services.workers.Workers`.
    batch_size: how many frames are sent at the same time, for each worker.
    image_format: `jpeg`, `png`, or `bgr`: the values as they are, where the worker takes them.
    jpeg_quality: 1 to 100.
    token_env: the name of an environment variable with a token, sent as `Authorization: Bearer`.

    A worker that takes many pictures in one request (`lab worker`) gets them so; what is found is
    the same.

    Raises SettingError for a setting out of range, a label that the worker does not name, or
    workers that differ; DetectorError if no worker answers, or says that it is healthy.
    """

    default_score_floor = 0.05
    default_threshold = 0.4

    def __init__(
        self,
        *,
        url: str | Sequence[str] | None = None,
        labels: Sequence[str] | None = None,
        analysis_type: str = "object_detection",
        score_floor: float | None = None,
        timeout_s: float = 10.0,
        retries: int = 3,
        retry_wait_s: float = 2.0,
        batch_size: int = 8,
        image_format: str = "jpeg",
        jpeg_quality: int = 95,
        token_env: str | None = None,
    ) -> None:
        floor = self.default_score_floor if score_floor is None else score_floor
        _check(floor, analysis_type, batch_size, image_format, jpeg_quality)
        check_retries(retries, retry_wait_s)
        addresses = _addresses(url)
        token = (
            None if token_env is None else secret_from("token_env", token_env, "the worker's token")
        )
        self._floor, self._analysis_type, self._token = floor, analysis_type, token
        self._image_format, self._jpeg_quality = image_format, jpeg_quality
        services = [
            Service(
                address,
                kind="worker",
                headers={"Authorization": f"Bearer {token}"} if token else None,
                secret=token,
                timeout_s=timeout_s,
                retries=0,
                connections=batch_size * len(addresses),
            )
            for address in addresses
        ]
        self._service = services[0]  # of what is said of all of them
        self._workers = Workers(services, retries, retry_wait_s)
        try:
            info = self._agreed()
            self._known = labels_of(of_type(info, analysis_type))
            self._box_format = box_format_of(info, "xywh_fraction")
            self._takes_batches = takes_batches(info, image_format)
            self.labels = chosen_labels(labels, self._known)
        except (ServiceError, InvalidResponse) as error:
            self._workers.close()
            why = self._service.redact(str(error))
            raise DetectorError(f"{why}; start a worker there, or give its url") from None
        except SettingError:
            self._workers.close()
            raise
        self.batch_size = min(batch_size * len(addresses), _MOST_AT_ONCE)
        self._pool = ThreadPoolExecutor(self.batch_size, "remote")
        self._recipe = {
            "detector": "remote",
            "url": ",".join(addresses),
            "analysis_type": analysis_type,
            "worker_model": first_text(info, "model", "model_name", "model_identifier"),
            "worker_version": first_text(info, "model_version", "version"),
            "image_format": image_format,
            **({"jpeg_quality": jpeg_quality} if image_format == "jpeg" else {}),
            "processing_version": PROCESSING_VERSION,
            "labels": list(self.labels),
            "score_floor": floor,
        }

    def recipe(self) -> dict[str, Any]:
        return dict(self._recipe)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """See `lab.detectors.detector.Detector`. The frames are sent at the same time."""
        if not frames:
            return []
        if not self._takes_batches:
            if len(frames) == 1:
                return [self._infer(frames[0])]
            return list(self._pool.map(self._infer, frames))
        size = -(-len(frames) // self._workers.ready)
        parts = [frames[i : i + size] for i in range(0, len(frames), size)]
        return [one for found in self._pool.map(self._infer_batch, parts) for one in found]

    def close(self) -> None:
        self._workers.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _agreed(self) -> dict[str, Any]:
        """What `/ai/info` says, of all workers alike."""
        infos = self._workers.infos()
        for other in infos[1:]:
            if difference := difference_of(infos[0], other):
                raise SettingError(
                    f"the workers differ in {difference}, so that a clip would be analysed in "
                    "several ways; give each the same detector and settings"
                )
        least = of_type(infos[0], self._analysis_type).get("score_floor")
        if isinstance(least, (int, float)) and least > self._floor:
            raise SettingError(
                f"score_floor is {self._floor:g}, and the worker keeps nothing below {least:g}; "
                "give that, or start the worker with a lower --score-floor"
            )
        return infos[0]

    def _infer(self, frame: Frame) -> Detections:
        try:
            image = frame.image_bgr
            if image is None:
                raise ServiceError("the frame has no picture")
            data = json_with_picture(
                picture_file(image, self._image_format, self._jpeg_quality),
                analysis_types=[self._analysis_type],
                confidence_threshold=self._floor,
            )
            answer = self._workers.call(lambda at: at.post_once("/ai/analyze", data))
            return self._read(answer, image.shape[1], image.shape[0])
        except ServiceError as error:
            return Detections.failed(str(error))
        except InvalidResponse as error:
            return Detections.failed(self._wrong(error))

    def _infer_batch(self, frames: Sequence[Frame]) -> list[Detections]:
        """What becomes of a request becomes of all of its frames."""
        sent = [(i, frame.image_bgr) for i, frame in enumerate(frames)]
        images = [(i, image) for i, image in sent if image is not None]
        results = [Detections.failed("the frame has no picture") for _ in frames]
        if not images:
            return results
        try:
            pictures = [self._picture(image) for _, image in images]
            body = b"".join(write_batch(pictures, self._analysis_type, self._floor))
            answer = self._workers.call(lambda at: at.post_once(BATCH_PATH, body, MEDIA_TYPE))
            listed = mapping(answer, "the answer").get("results")
            if not isinstance(listed, list) or len(listed) != len(images):
                raise InvalidResponse(f"results must be {len(images)}")
        except (ServiceError, InvalidResponse) as error:
            why = str(error) if isinstance(error, ServiceError) else self._wrong(error)
            return [Detections.failed(why) for _ in frames]
        for (i, image), result in zip(images, listed, strict=True):
            results[i] = self._one(result, i, image)
        return results

    def _one(self, result: Any, place: int, image: np.ndarray) -> Detections:
        height, width = image.shape[:2]
        try:
            room = Found(width, height, self._floor)
            what = f"results[{place}]"
            found = detections_of(result, what, room, self._known or (), self.labels)
        except InvalidResponse as error:
            return Detections.failed(self._wrong(error))
        if found.error is not None:
            return Detections.failed(self._service.redact(found.error))
        return found

    def _picture(self, image: np.ndarray) -> Picture:
        if self._image_format == "bgr":
            return picture_of(image)
        return Picture(
            self._image_format, picture_file(image, self._image_format, self._jpeg_quality)
        )

    def _wrong(self, error: Exception) -> str:
        return self._service.redact(f"{self._service.name} answered wrongly: {error}")

    def _read(self, answer: Any, width_px: int, height_px: int) -> Detections:
        answer = mapping(answer, "the answer")
        if answer.get("error"):
            raise ServiceError(
                self._service.redact(
                    f"{self._service.name} answered with an error: {answer['error']}"
                )
            )
        names = ("detections", _RESULT_KEYS.get(self._analysis_type, self._analysis_type))
        key = next((name for name in names if name in answer), None)
        if key is None:
            raise InvalidResponse(f"it has neither {' nor '.join(repr(n) for n in names)}")
        found = Found(width_px, height_px, self._floor)
        scale = BoxScale(box_format_of(answer, self._box_format), answer, width_px, height_px)
        for i, row in enumerate(rows(answer[key], key)):
            what = f"{key}[{i}]"
            label = words(row.get("label"), f"{what}.label")
            confidence = confidence_of(row.get("confidence"), f"{what}.confidence")
            box = scale.box_xyxy_px(row.get("bbox"), f"{what}.bbox")
            if self._known is not None and label not in self._known:
                raise InvalidResponse(
                    f"{what}.label is {label!r}, which its /ai/info does not name"
                )
            text = row.get("text")
            if not self.labels or label in self.labels:
                found.add(label, confidence, box, what, text if isinstance(text, str) else None)
        return found.detections(with_text=any(text is not None for text in found.text))


def _check(
    floor: Any, analysis_type: Any, batch_size: Any, image_format: Any, jpeg_quality: Any
) -> None:
    if isinstance(floor, bool) or not isinstance(floor, (int, float)) or not 0 < floor < 1:
        raise SettingError(f"score_floor must be in (0, 1), got {floor!r}")
    if not isinstance(analysis_type, str) or not analysis_type.strip():
        raise SettingError(
            f"analysis_type must be a word such as object_detection, got {analysis_type!r}"
        )
    for name, value, maximum in (
        ("batch_size", batch_size, 64),
        ("jpeg_quality", jpeg_quality, 100),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= maximum:
            raise SettingError(f"{name} must be a whole number from 1 to {maximum}, got {value!r}")
    known = [*IMAGE_FORMATS, "bgr"]
    if image_format not in known:
        raise SettingError(
            f"unknown image_format {image_format!r}; {closest(str(image_format), known)}"
        )


def _addresses(url: str | Sequence[str] | None) -> list[str]:
    """One for each worker, in the order in which they were given. Raises SettingError."""
    given = (url or "").split(",") if url is None or isinstance(url, str) else list(url)
    found = [check_url("url", one).removesuffix("/ai") for one in given]
    if not found or len(found) != len(set(found)):
        raise SettingError(f"url must name each worker once, got {url!r:.200}")
    return found
