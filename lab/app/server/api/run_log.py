"""A run's log: its samples and detections as tables, and its files as they are."""

from __future__ import annotations

import os
import tarfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import numpy as np
import pyarrow as pa
from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from starlette.responses import StreamingResponse

from lab.app.server.api.answers import (
    ARROW,
    BATCH_ROWS,
    JSON,
    Batches,
    accepted,
    arrow_answer,
    check_whole,
)
from lab.app.server.api.route import StrictRoute
from lab.app.server.api.runs import run_row
from lab.app.server.api.shared import READS, Cursor, Here, Limit, Page, cursor_of, key_at, page
from lab.app.server.threads import run_in_threadpool
from lab.errors import LogRemovedError, NotFoundError, SettingError
from lab.runs.log_exchange import files_of_log
from lab.score_log.removal import removed_text
from lab.score_log.score_log import ScoreLog, log_fingerprint

router = APIRouter(prefix="/runs", tags=["runs"], route_class=StrictRoute)
_BLOCK = 1 << 20
_STRETCH_S = 2.0**40 / 1e6
Seconds = Annotated[float | None, Query(ge=-_STRETCH_S, le=_STRETCH_S)]
Table = Callable[[ScoreLog, int, int], pa.RecordBatch]
_SAMPLES = pa.schema(
    [
        ("pts_us", pa.int64()),
        ("frame_index", pa.int64()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("camera_time", pa.float64()),
    ]
)
_DETECTIONS = pa.schema(
    [
        ("pts_us", pa.int64()),
        ("label", pa.string()),
        ("confidence", pa.float32()),
        ("x1_px", pa.float32()),
        ("y1_px", pa.float32()),
        ("x2_px", pa.float32()),
        ("y2_px", pa.float32()),
        ("text", pa.string()),
    ]
)
_FORMS: dict[int | str, dict[str, Any]] = {
    200: {"description": "A page as JSON, or all of it as a stream of Arrow.",
          "content": {ARROW: {"schema": {"type": "string", "format": "binary"}}}}
}  # fmt: skip


class Sample(BaseModel):
    """A picture that was analysed. status: `ok`, `failed` or `gated`, with the reason."""

    model_config = ConfigDict(extra="forbid")

    pts_us: int
    frame_index: int
    status: str
    reason: str | None
    camera_time: float | None


class Detection(BaseModel):
    """A box, in pixels of the upright picture."""

    pts_us: int
    label: str
    confidence: float
    x1_px: float
    y1_px: float
    x2_px: float
    y2_px: float
    text: str | None


@router.get(
    "/{run_id}/samples", dependencies=READS, responses=_FORMS, response_model=Page[Sample],
    summary="The samples of a run, in order of time",
)  # fmt: skip
async def samples(
    run_id: str, request: Request, here: Here, limit: Limit = 100, cursor: Cursor = None,
    from_s: Seconds = None, to_s: Seconds = None,
) -> Any:  # fmt: skip
    log = await _log(here, run_id)
    first, last = _between(log.pts_us, from_s, to_s)
    return await _answer(request, log, (first, last), _sample_batch, _SAMPLES, limit,
                         (cursor, "samples", run_id, from_s, to_s))  # fmt: skip


@router.get(
    "/{run_id}/detections", dependencies=READS, responses=_FORMS, response_model=Page[Detection],
    summary="The boxes of a run, in order of time",
)  # fmt: skip
async def detections(
    run_id: str, request: Request, here: Here, limit: Limit = 100, cursor: Cursor = None,
    from_s: Seconds = None, to_s: Seconds = None,
) -> Any:  # fmt: skip
    log = await _log(here, run_id)
    first, last = _between(log.pts_us, from_s, to_s)
    rows = log.rows_between(first, last)
    return await _answer(
        request, log, (0, len(rows)), lambda log, a, b: _box_batch(log, rows[a:b]), _DETECTIONS,
        limit, (cursor, "detections", run_id, from_s, to_s),
    )  # fmt: skip


@router.get(
    "/{run_id}/log.tar", dependencies=READS, response_class=Response,
    responses={200: {"content": {"application/x-tar": {}}}, 304: {"description": "As before."}},
    summary="The files of a run's log, byte for byte",
)  # fmt: skip
async def log_files(run_id: str, request: Request, here: Here) -> Response:
    """Parquet parts, manifests, and the facts of the run, as they lie in the store."""
    row = await run_in_threadpool(run_row, here, run_id)
    if row["log_removed_utc"] is not None:
        raise LogRemovedError(removed_text(run_id, row["log_removed_utc"]))
    folder = here.run_folder(run_id)
    tag = f'"{await run_in_threadpool(log_fingerprint, folder)}-{row["state"]}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    files = await run_in_threadpool(lambda: list(files_of_log(folder)))
    return StreamingResponse(_tar(folder, files), media_type="application/x-tar", headers=headers)


async def _log(here: Here, run_id: str) -> ScoreLog:
    def read() -> ScoreLog:
        run_row(here, run_id)
        return here.run(run_id).log

    return await run_in_threadpool(read)


async def _answer(
    request: Request, log: ScoreLog, stretch: tuple[int, int], batch: Table, schema: pa.Schema,
    limit: int, place: tuple[Any, ...],
) -> Any:  # fmt: skip
    first, last = stretch
    if accepted(request, JSON, ARROW) == ARROW:
        check_whole(request)

        def batches() -> Batches:
            for i in range(first, last, BATCH_ROWS):
                yield batch(log, i, min(last, i + BATCH_ROWS))

        return await arrow_answer(batches, schema)
    cursor, *conditions = place
    after = key_at(cursor, (int,), *conditions)
    if after is not None:
        first = max(first, after[0])
    rows = await run_in_threadpool(
        lambda: batch(log, first, min(last, first + limit + 1)).to_pylist()
    )
    return page(rows, limit, cursor_of([first + limit], *conditions))


def _between(pts_us: np.ndarray, from_s: float | None, to_s: float | None) -> tuple[int, int]:
    """The samples of a stretch, both ends included, as positions."""
    first = 0 if from_s is None else int(np.searchsorted(pts_us, from_s * 1e6, "left"))
    last = len(pts_us) if to_s is None else int(np.searchsorted(pts_us, to_s * 1e6, "right"))
    if from_s is not None and to_s is not None and from_s > to_s:
        raise SettingError(f"from_s must not be after to_s, got {from_s:g} and {to_s:g}")
    return first, last


def _sample_batch(log: ScoreLog, first: int, last: int) -> pa.RecordBatch:
    at = range(first, max(first, last))
    ok, gated = log.ok[first:last], log.gated[first:last]
    status = np.where(ok, "ok", np.where(gated, "gated", "failed"))
    clock = log.camera_time
    camera = [None] * len(at) if clock is None else clock[first:last]
    columns = [
        pa.array(log.pts_us[first:last]),
        pa.array(log.frame_index[first:last]),
        pa.array(status.tolist(), pa.string()),
        pa.array([log.reasons.get(i) for i in at], pa.string()),
        pa.array(camera, pa.float64(), from_pandas=True),
    ]
    return pa.record_batch(columns, schema=_SAMPLES)


def _box_batch(log: ScoreLog, rows: np.ndarray) -> pa.RecordBatch:
    names = np.array(log.labels or ("",), object)
    text = [None] * len(rows) if log.text is None else log.text[rows]
    columns = [
        pa.array(log.pts_us[log.sample[rows]]),
        pa.array(names[log.label[rows]], pa.string()),
        pa.array(log.confidence[rows]),
        *(pa.array(np.ascontiguousarray(log.box_xyxy_px[rows, i])) for i in range(4)),
        pa.array(text, pa.string(), from_pandas=True),
    ]
    return pa.record_batch(columns, schema=_DETECTIONS)


async def _tar(folder: Path, files: list[str]) -> AsyncIterator[bytes]:
    """The files of a folder. Those of a log that grows may be gone by now: they are left out."""
    for name in files:
        try:
            file = await run_in_threadpool(lambda path: path.open("rb"), folder / name)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise NotFoundError(f"{name} cannot be read: {error.strerror}") from None
        with file:
            async for block in _member(name, file):
                yield block
    yield bytes(2 * tarfile.BLOCKSIZE)


async def _member(name: str, file: BinaryIO) -> AsyncIterator[bytes]:
    """A block of a file in memory at a time. Raises LabError for one that grows shorter."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = os.fstat(file.fileno()).st_size, 0o644
    yield info.tobuf(tarfile.PAX_FORMAT)
    left = info.size
    while left:
        block = await run_in_threadpool(file.read, min(left, _BLOCK))
        if not block:  # the client sees that the answer breaks off
            raise NotFoundError(f"{name} has become shorter")
        left -= len(block)
        yield block
    yield bytes(-info.size % tarfile.BLOCKSIZE)
