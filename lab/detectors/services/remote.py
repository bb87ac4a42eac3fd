"""Detector `remote`: a worker elsewhere that analyses pictures sent over HTTP.

The wire format is that of Media Analyzer (https://github.com/buenosairesam/media-analyzer,
`ai_processing/remote_worker.py`): `POST /ai/analyze`, `GET /ai/health`, `GET /ai/info`. What is
accepted is described in docs/guide/remote.md; anything else is a failed frame, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.services.address import check_url, secret_from
from lab.detectors.services.client import Service, ServiceError
from lab.detectors.services.image_encoding import IMAGE_FORMATS, picture_base64
from lab.detectors.services.response import (
    Found,
    InvalidResponse,
    confidence_of,
    mapping,
    number,
    rows,
    words,
)
from lab.detectors.settings import check_known, wanted
from lab.errors import DetectorError, SettingError, closest
from lab.frame import Frame

PROCESSING_VERSION = 1
BOX_FORMATS = ("xywh_fraction", "xywh_px", "xyxy_fraction", "xyxy_px")
_RESULT_KEYS = {"object_detection": "objects", "logo_detection": "logos", "text_detection": "text"}


class Remote(Detector):
    """Sends each frame to a worker, whose response gives the detections.

    url: where the worker is, without `/ai/analyze`.
    labels: those to keep; None for those that `/ai/info` names, or any if it names none.
    analysis_type: sent as it is; `object_detection`, `logo_detection` and `text_detection` are
        those of Media Analyzer.
    timeout_s: for one answer. retries, retry_wait_s: see `lab.detectors.services.client.Service`.
    batch_size: how many frames are sent at the same time.
    image_format: `jpeg` or `png`. jpeg_quality: 1 to 100.
    token_env: the name of an environment variable with a token, sent as `Authorization: Bearer`.

    Raises SettingError for a setting out of range or a label that the worker does not name;
    DetectorError if the worker does not answer, or says that it is not healthy.
    """

    default_score_floor = 0.05
    default_threshold = 0.4

    def __init__(
        self,
        *,
        url: str | None = None,
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
        address = check_url("url", "" if url is None else url).removesuffix("/ai")
        token = (
            None if token_env is None else secret_from("token_env", token_env, "the worker's token")
        )
        self._floor, self._analysis_type = floor, analysis_type
        self._image_format, self._jpeg_quality = image_format, jpeg_quality
        self.batch_size = batch_size
        self._service = Service(
            address,
            kind="worker",
            headers={"Authorization": f"Bearer {token}"} if token else None,
            secret=token,
            timeout_s=timeout_s,
            retries=retries,
            retry_wait_s=retry_wait_s,
            connections=batch_size,
        )
        try:
            info = self._introduction()
            self._known = _labels_of(info)
            self._box_format = _box_format_of(info, "xywh_fraction")
            self.labels = _chosen_labels(labels, self._known)
        except (ServiceError, InvalidResponse) as error:
            self._service.close()
            why = self._service.redact(str(error))
            raise DetectorError(f"{why}; start a worker there, or give its url") from None
        except SettingError:
            self._service.close()
            raise
        self._pool = ThreadPoolExecutor(batch_size, "remote")
        self._recipe = {
            "detector": "remote",
            "url": address,
            "analysis_type": analysis_type,
            "worker_model": _first_text(info, "model", "model_name", "model_identifier"),
            "worker_version": _first_text(info, "model_version", "version"),
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
        return list(self._pool.map(self._infer, frames)) if frames else []

    def close(self) -> None:
        self._service.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _introduction(self) -> dict[str, Any]:
        """What `/ai/info` says, of a worker that says it is healthy."""
        health = mapping(self._service.get("/ai/health"), f"/ai/health of the {self._service.name}")
        status = health.get("status", "healthy")
        if status not in ("healthy", "ok"):
            raise InvalidResponse(f"{self._service.name} says that its status is {status!r}")
        return mapping(self._service.get("/ai/info"), f"/ai/info of the {self._service.name}")

    def _infer(self, frame: Frame) -> Detections:
        try:
            image = frame.image_bgr
            if image is None:
                raise ServiceError("the frame has no picture")
            body = {
                "image": picture_base64(image, self._image_format, self._jpeg_quality),
                "analysis_types": [self._analysis_type],
                "confidence_threshold": self._floor,
            }
            answer = self._service.post("/ai/analyze", body)
            return self._read(answer, image.shape[1], image.shape[0])
        except ServiceError as error:
            return Detections.failed(str(error))
        except InvalidResponse as error:
            return Detections.failed(
                self._service.redact(f"{self._service.name} answered wrongly: {error}")
            )

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
        scale = _Scale(_box_format_of(answer, self._box_format), answer, width_px, height_px)
        for i, row in enumerate(rows(answer[key], key)):
            what = f"{key}[{i}]"
            label = words(row.get("label"), f"{what}.label")
            confidence = confidence_of(row.get("confidence"), f"{what}.confidence")
            box = scale.box_xyxy_px(row.get("bbox"), f"{what}.bbox")
            if self._known is not None and label not in self._known:
                raise InvalidResponse(
                    f"{what}.label is {label!r}, which its /ai/info does not name"
                )
            if not self.labels or label in self.labels:
                found.add(label, confidence, box, what)
        return found.detections()


class _Scale:
    """Boxes of an answer, in pixels of the picture that was sent."""

    def __init__(
        self, box_format: str, answer: dict[str, Any], width_px: int, height_px: int
    ) -> None:
        self._corners, self._fractions = (
            box_format.startswith("xyxy"),
            box_format.endswith("fraction"),
        )
        self._format = box_format
        self._factors = [float(width_px), float(height_px)]
        if not self._fractions:
            for i, name in enumerate(("image_width", "image_height")):
                size = number(answer[name], name) if name in answer else self._factors[i]
                if size < 1:
                    raise InvalidResponse(f"{name} is {size:g}")
                self._factors[i] /= size

    def box_xyxy_px(self, value: Any, what: str) -> list[float]:
        a, b, c, d = self._numbers(value, what)
        if not self._corners:
            if c < 0 or d < 0:
                raise InvalidResponse(f"{what} has a negative size")
            c, d = a + c, b + d
        if self._fractions and any(abs(v) > 2 for v in (a, b, c, d)):
            raise InvalidResponse(
                f"{what} is not a fraction of the picture; a worker that answers in pixels "
                "says so in bbox_format"
            )
        x, y = self._factors
        return [a * x, b * y, c * x, d * y]

    def _numbers(self, value: Any, what: str) -> list[float]:
        if self._corners:
            if not isinstance(value, list) or len(value) != 4:
                raise InvalidResponse(
                    f"{what} is not a list of four numbers, as its bbox_format {self._format} says"
                )
            return [number(v, f"{what}[{i}]") for i, v in enumerate(value)]
        box = mapping(value, what)
        return [number(box.get(name), f"{what}.{name}") for name in ("x", "y", "width", "height")]


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
    if image_format not in IMAGE_FORMATS:
        raise SettingError(
            f"unknown image_format {image_format!r}; "
            f"{closest(str(image_format), list(IMAGE_FORMATS))}"
        )


def _box_format_of(response: dict[str, Any], otherwise: str) -> str:
    given = response.get("bbox_format", otherwise)
    if given not in BOX_FORMATS:
        raise InvalidResponse(f"bbox_format is {given!r}; known: {', '.join(BOX_FORMATS)}")
    return str(given)


def _labels_of(info: dict[str, Any]) -> tuple[str, ...] | None:
    if info.get("labels") is None:
        return None
    if not isinstance(info["labels"], list):
        raise InvalidResponse("labels in /ai/info is not a list")
    return (
        tuple(dict.fromkeys(words(label, "a label in /ai/info") for label in info["labels"]))
        or None
    )


def _chosen_labels(labels: Sequence[str] | None, known: tuple[str, ...] | None) -> tuple[str, ...]:
    requested = wanted(labels)
    if requested is None:
        return known or ()
    if known is not None:
        check_known(requested, known, "the worker does not know")
    return tuple(requested)


def _first_text(info: dict[str, Any], *names: str) -> str | None:
    """What the worker calls its model; a name or a number."""
    given = [info[name] for name in names if isinstance(info.get(name), (str, int, float))]
    return str(given[0])[:200] if given else None
