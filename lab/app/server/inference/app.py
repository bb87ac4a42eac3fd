"""The routes of a worker: `/ai/analyze`, `/ai/batch`, `/ai/health`, `/ai/info`, `/metrics`.

`/ai/analyze`, `/ai/health` and `/ai/info` are those of Media Analyzer
(https://github.com/buenosairesam/media-analyzer, `ai_processing/remote_worker.py`); `/ai/batch` is
described in `lab.detectors.services.frame_batch`.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from lab import __version__
from lab.app.server.inference.access import Access
from lab.app.server.inference.analyses import DEFAULT, RESULT_KEYS, Analyses
from lab.app.server.inference.pictures import decoded, from_base64
from lab.app.server.problem import problem
from lab.detection import Detections
from lab.detectors.services.frame_batch import (
    FORMATS,
    MAX_FRAMES,
    MEDIA_TYPE,
    PATH,
    read_batch,
    result_of,
)
from lab.detectors.services.response import InvalidResponse, confidence_of, words
from lab.errors import SettingError
from lab.feeds.metrics import CONTENT_TYPE, counter, gauge, inference_durations, text_of


@dataclass(frozen=True)
class Limits:
    """What a worker takes at most.

    body_bytes: of a request (413 beyond). pixels: of a picture (422). waiting: pictures that wait
    for a model (503 beyond, with Retry-After). silence_s: while a body is sent (408).
    """

    body_bytes: int = 256 << 20
    pixels: int = 64_000_000
    waiting: int = 256
    silence_s: float = 15.0


@dataclass
class Counts:
    """What was done since the start; thread-safe."""

    frames: dict[tuple[str, str], int] = field(default_factory=dict)
    waiting: int = 0
    limit: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def taking(self, pictures: int) -> Any:
        """Raises HTTPException 503 if too many wait already."""
        with self._lock:
            if self.waiting and self.waiting + pictures > self.limit:
                raise HTTPException(
                    503, f"{self.waiting} pictures wait already", {"Retry-After": "1"}
                )
            self.waiting += pictures
        try:
            yield
        finally:
            with self._lock:
                self.waiting -= pictures

    def note(self, analysis_type: str, found: list[Detections]) -> None:
        with self._lock:
            for one in found:
                outcome = "ok" if one.error is None and one.gated is None else "failed"
                key = (analysis_type, "gated" if one.gated is not None else outcome)
                self.frames[key] = self.frames.get(key, 0) + 1


def worker_app(
    analyses: Analyses,
    *,
    token: str | None = None,
    is_open: bool = False,
    limits: Limits | None = None,
) -> Starlette:
    """The routes over loaded detectors. token, is_open: see `inference.access.Access`."""
    here = _Routes(analyses, limits or Limits())
    return Starlette(
        routes=[
            Route("/ai/analyze", here.analyze, methods=["POST"]),
            Route(PATH, here.batch, methods=["POST"]),
            Route("/ai/health", here.health),
            Route("/ai/info", here.info),
            Route("/metrics", here.metrics),
            Route("/livez", here.alive),
            Route("/readyz", here.alive),
        ],
        middleware=[Middleware(Access, token=token, is_open=is_open)],
        exception_handlers={HTTPException: _refused, Exception: _failed},
    )


class _Routes:
    def __init__(self, analyses: Analyses, limits: Limits) -> None:
        self._analyses, self._limits = analyses, limits
        self._counts = Counts(limit=limits.waiting)
        # Decoding and waiting for the model; the models' own threads are not among these.
        self._threads = anyio.CapacityLimiter(64)

    async def alive(self, request: Request) -> Response:
        return PlainTextResponse("ok")

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "healthy", "waiting": self._counts.waiting})

    async def info(self, request: Request) -> Response:
        types = self._analyses.info()
        first = types.get(DEFAULT) or next(iter(types.values()))
        return JSONResponse(
            {
                "service": "sighting-lab",
                "version": __version__,
                "model": first["recipe"].get("weights") or first["detector"],
                "labels": first["labels"] if len(types) == 1 and first["labels"] else None,
                "score_floor": first["score_floor"],
                "bbox_format": "xywh_fraction",
                "gpu_available": first["device"] != "cpu",
                "analysis_types": list(types),
                "analyses": types,
                "batch": {"path": PATH, "formats": list(FORMATS), "max_frames": MAX_FRAMES},
            }
        )

    async def metrics(self, request: Request) -> Response:
        text = await anyio.to_thread.run_sync(text_of, _Figures(self._analyses, self._counts))
        return Response(text, media_type=CONTENT_TYPE)

    async def analyze(self, request: Request) -> Response:
        return await self._answered(request, self._analyze)

    async def batch(self, request: Request) -> Response:
        if request.headers.get("content-type") != MEDIA_TYPE:
            raise HTTPException(415, f"send {MEDIA_TYPE}")
        return await self._answered(request, self._batch)

    async def _answered(self, request: Request, answer: Callable[[bytes], Any]) -> Response:
        body = await self._body(request)
        try:
            value = await anyio.to_thread.run_sync(answer, body, limiter=self._threads)
        except (InvalidResponse, SettingError) as error:
            raise HTTPException(422, str(error)) from None
        return JSONResponse(value)

    async def _body(self, request: Request) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            stream = aiter(request.stream())
            while True:
                with anyio.fail_after(self._limits.silence_s):
                    part = await anext(stream, None)
                if part is None:
                    return b"".join(parts)
                parts.append(part)
                size += len(part)
                if size > self._limits.body_bytes:
                    raise HTTPException(
                        413, f"at most {self._limits.body_bytes} bytes are taken; send less at once"
                    )
        except TimeoutError:
            raise HTTPException(408, "nothing came for too long") from None
        except ClientDisconnect:
            raise HTTPException(400, "the client went away") from None

    def _analyze(self, body: bytes) -> dict[str, Any]:
        begun = time.perf_counter()
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError):
            raise InvalidResponse("the body is not JSON") from None
        if not isinstance(asked, dict):
            raise InvalidResponse("the body is not an object")
        types = asked.get("analysis_types", [DEFAULT])
        if not isinstance(types, list) or not types or len(types) > 16:
            raise InvalidResponse("analysis_types must be a list of names")
        names = [words(one, "a name in analysis_types") for one in dict.fromkeys(map(str, types))]
        least = confidence_of(asked.get("confidence_threshold", 0.0), "confidence_threshold")
        for name in names:
            self._analyses.detector(name)
        image = decoded(from_base64(asked.get("image")), self._limits.pixels)
        answer: dict[str, Any] = {"detections": []}
        with self._counts.taking(len(names)):
            for name in names:
                (found,) = self._found(name, [image])
                if found.error is not None:
                    return {"error": found.error, "detections": [], "analysis_type": name}
                listed = _rows(found, image, least)
                answer[RESULT_KEYS.get(name, name)] = listed
                answer["detections"] += [row | {"analysis_type": name} for row in listed]
        answer["processing_time"] = time.perf_counter() - begun
        return answer

    def _batch(self, body: bytes) -> dict[str, Any]:
        header, pictures = read_batch(body)
        name = words(header.get("analysis_type", DEFAULT), "analysis_type")
        least = confidence_of(header.get("confidence_threshold", 0.0), "confidence_threshold")
        self._analyses.detector(name)
        results: list[Any] = [None] * len(pictures)
        images, places = [], []
        for i, picture in enumerate(pictures):
            try:
                images.append(decoded(picture, self._limits.pixels))
                places.append(i)
            except InvalidResponse as error:
                results[i] = {"error": str(error)}
        with self._counts.taking(len(images)):
            for i, found in zip(places, self._found(name, images), strict=True):
                results[i] = result_of(_at_least(found, least))
        return {"results": results}

    def _found(self, name: str, images: list[np.ndarray]) -> list[Detections]:
        found = self._analyses.detect(name, images)
        self._counts.note(name, found)
        return found


class _Figures:
    def __init__(self, analyses: Analyses, counts: Counts) -> None:
        self._analyses, self._counts = analyses, counts

    def collect(self) -> Iterator[Any]:
        yield gauge("build_info", "The version that runs.", ["version"], [([__version__], 1)])
        waiting = float(self._counts.waiting)
        yield gauge("worker_waiting_frames", "Pictures under way.", [], [([], waiting)])
        rows = [(list(key), float(n)) for key, n in dict(self._counts.frames).items()]
        yield counter(
            "worker_frames", "Pictures by what became of them.", ["analysis", "outcome"], rows
        )
        yield inference_durations(self._analyses.durations())


def _at_least(found: Detections, least: float) -> Detections:
    keep = found.confidence >= least
    if keep.all():
        return found
    chosen = np.flatnonzero(keep).tolist()
    return Detections(
        [found.labels[i] for i in chosen],
        found.confidence[keep],
        found.box_xyxy_px[keep],
        None if found.text is None else [found.text[i] for i in chosen],
    )


def _rows(found: Detections, image: np.ndarray, least: float) -> list[dict[str, Any]]:
    """Detections as Media Analyzer writes them: boxes in fractions, from the upper left corner."""
    height, width = image.shape[:2]
    kept = _at_least(found, least)
    rows = []
    for i, (label, confidence, box) in enumerate(
        zip(kept.labels, kept.confidence.tolist(), kept.box_xyxy_px.tolist(), strict=True)
    ):
        left, top, right, bottom = box
        row = {
            "label": label,
            "confidence": confidence,
            "bbox": {
                "x": left / width,
                "y": top / height,
                "width": (right - left) / width,
                "height": (bottom - top) / height,
            },
        }
        if kept.text is not None and kept.text[i] is not None:
            row["text"] = kept.text[i]
        rows.append(row)
    return rows


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, error.detail, error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    return problem(500, "the worker failed; its own log says why")
