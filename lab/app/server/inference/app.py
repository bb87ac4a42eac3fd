"""The routes of a worker: `/ai/analyze`, `/ai/batch`, `/ai/health`, `/ai/info`, `/metrics`.

`/ai/analyze`, `/ai/health` and `/ai/info` are those of Media Analyzer
(https://github.com/buenosairesam/media-analyzer, `ai_processing/remote_worker.py`); `/ai/batch` is
described in `lab.detectors.services.frame_batch`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
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
from lab.app.server.inference.answers import at_least, rows_of
from lab.app.server.inference.bounds import Counts, Limits, Room
from lab.app.server.inference.pictures import checked_pixels, decoded, from_base64
from lab.app.server.problem import problem
from lab.detection import Detections
from lab.detectors.services.frame_batch import (
    FORMATS,
    MAX_FRAMES,
    MEDIA_TYPE,
    PATH,
    Picture,
    read_batch,
    result_of,
)
from lab.detectors.services.response import InvalidResponse, confidence_of, words
from lab.errors import SettingError
from lab.feeds.metrics import CONTENT_TYPE, counter, gauge, inference_durations, text_of


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
        self._room = Room(limits.decoded_pixels)
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
        picture = from_base64(asked.get("image"))
        pixels = checked_pixels(picture, self._limits.pixels)
        answer: dict[str, Any] = {"detections": []}
        with self._counts.taking(len(names)), self._room.taken(pixels):
            image = decoded(picture)
            for name in names:
                (found,) = self._found(name, [image])
                if found.error is not None:
                    return {"error": found.error, "detections": [], "analysis_type": name}
                listed = rows_of(found, image, least)
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
        with self._counts.taking(len(pictures)):
            for places, pixels in self._groups(pictures, results):
                with self._room.taken(pixels):
                    for i, found in self._of_group(name, pictures, places):
                        results[i] = result_of(at_least(found, least))
        return {"results": results}

    def _groups(
        self, pictures: Sequence[Picture], results: list[Any]
    ) -> Iterator[tuple[list[int], int]]:
        """Which pictures are decoded together, and their pixels: no more than one may have. What
        is no picture has its result at once.
        """
        places: list[int] = []
        held = 0
        for i, picture in enumerate(pictures):
            try:
                pixels = checked_pixels(picture, self._limits.pixels)
            except InvalidResponse as error:
                results[i] = {"error": str(error)}
                continue
            if places and held + pixels > self._limits.pixels:
                yield places, held
                places, held = [], 0
            places.append(i)
            held += pixels
        if places:
            yield places, held

    def _of_group(
        self, name: str, pictures: Sequence[Picture], places: Sequence[int]
    ) -> list[tuple[int, Detections]]:
        images: dict[int, np.ndarray] = {}
        failed = []
        for i in places:
            try:
                images[i] = decoded(pictures[i])
            except InvalidResponse as error:
                failed.append((i, Detections.failed(str(error))))
        return failed + list(zip(images, self._found(name, list(images.values())), strict=True))

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


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, error.detail, error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    return problem(500, "the worker failed; its own log says why")
