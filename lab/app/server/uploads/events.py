"""What is told of an upload as it goes on, to whoever follows it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

from lab.app.server.uploads.upload import Upload
from lab.errors import NotFoundError

_LOOK_EVERY_S = 0.05
_PROGRESS_EVERY_S = 1.0
_MOST_BYTES = 1 << 20


class Told(NamedTuple):
    """A line of an upload's events. place: where the next one begins; None for what is no line."""

    event: dict[str, Any]
    place: int | None


async def events_of(upload: Upload, place: int = 0) -> AsyncIterator[Told]:
    """What the analysis tells, from a place in its file on, until nothing more will come.

    Between the lines, how far the upload is (`progress`), once a second if it has changed; at the
    end how it ended (`end`), or an `error` that it was deleted.
    """
    try:
        async for told in _events_until_deleted(upload, place):
            yield told
    except NotFoundError as error:
        yield Told({"type": "error", "error": str(error)}, None)


async def _events_until_deleted(upload: Upload, place: int) -> AsyncIterator[Told]:
    told: dict[str, Any] | None = None
    samples: Counter[str] = Counter()  # by run
    next_s = 0.0
    clock = asyncio.get_running_loop().time
    while True:
        is_over = upload.is_over  # before its last lines are read
        lines, place = await asyncio.to_thread(lines_of, upload, place)
        for line in lines:
            samples[str(line.event.get("run_id"))] += line.event.get("type") == "sample"
            yield line
        if not lines or clock() >= next_s:
            now = await asyncio.to_thread(_progress, upload, samples)
            check_there(upload)
            if now != told and clock() >= next_s:
                told, next_s = now, clock() + _PROGRESS_EVERY_S
                yield Told(now, None)
        if is_over and not lines:
            known = await asyncio.to_thread(upload.to_dict)
            check_there(upload)
            yield Told({**known, "type": "end"}, None)
            return
        if not lines:
            await asyncio.sleep(_LOOK_EVERY_S)


def is_there_more(upload: Upload, place: int, heard_end: str) -> bool:
    """Whether something is to be told to who has heard all up to a place, and the end.

    heard_end: the state that it said. Raises NotFoundError if it is deleted.
    """
    is_over, state = upload.is_over, upload.state
    lines, _ = lines_of(upload, place)
    return not is_over or state != heard_end or bool(lines)


def _progress(upload: Upload, told: Mapping[str, int]) -> dict[str, Any]:
    """told: samples of each run so far, of which a worker speaks later than of each one."""
    known = upload.to_dict()
    reported = (known["analysis"] or {}).get("samples", 0)
    samples = max(reported, sum(told.get(run_id, 0) for run_id in known["run_ids"]))
    kept = {name: known[name] for name in ("state", "bytes", "size")}
    return {"type": "progress", **kept, "samples": samples}


def lines_of(upload: Upload, place: int) -> tuple[list[Told], int]:
    """The whole lines from a place on, as many as are read at once. Raises NotFoundError if it is
    deleted.
    """
    try:
        with upload.events_file.open("rb") as file:
            file.seek(place)
            content = file.read(_MOST_BYTES) + file.readline()  # a line may be longer than that
    except OSError:
        content = b""
    check_there(upload)
    found = []
    for line in content.splitlines(keepends=True):
        if not line.endswith(b"\n"):
            break
        place += len(line)
        try:
            found.append(Told(json.loads(line), place))
        except ValueError:  # of a place that is none
            continue
    return found, place


def check_there(upload: Upload) -> None:
    """What was read of it before this is its own, and of no other one that has its id since.

    Raises NotFoundError if it is deleted.
    """
    if upload.is_deleted:
        raise NotFoundError(f"the upload {upload.record.upload_id!r} was deleted")
