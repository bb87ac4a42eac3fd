"""Reviewing sightings by keyboard: their stretch with boxes, what is said of them, and undo."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lab.app.server.access import OurHandler
from lab.app.server.body import check_name, json_object, name
from lab.app.server.clip_address import clip_address
from lab.app.server.recording_routes import is_recording, recording_folder, segment_at
from lab.app.server.state import AppState
from lab.app.server.threads import run_in_threadpool
from lab.errors import LabError, NotFoundError, SettingError
from lab.rules.rule import Rule
from lab.store.changes import Change
from lab.store.sightings import Row
from lab.store.store import Store

_FRESH = {"Cache-Control": "no-store"}
_MOST_SIGHTINGS = 500  # of one request
_AROUND_US = 2_000_000  # boxes before and after a sighting
_MOST_US = 600_000_000
_VERDICTS = ("accepted", "rejected", "unsure")


def review_handlers(here: AppState) -> list[OurHandler]:
    """Path, scope, handler and methods of each route."""

    async def stretch(request: Request) -> Response:
        sighting_id = request.path_params["sighting_id"]
        found = await run_in_threadpool(_stretch, here, sighting_id)
        return JSONResponse(found, headers=_FRESH)

    async def review(request: Request) -> Response:
        body = await json_object(request)
        return JSONResponse(await run_in_threadpool(_review, here, body))

    async def undo(request: Request) -> Response:
        body = await json_object(request)
        change_id, ids = name(body, "change"), _ids(body)
        await run_in_threadpool(here.changes.undo, here.store, change_id)
        return JSONResponse({"reviews": await run_in_threadpool(_reviews, here.store, ids)})

    return [
        ("/api/sightings/{sighting_id}/stretch", "read", stretch, ["GET"]),
        ("/api/sightings/review", "analyse", review, ["POST"]),
        ("/api/sightings/undo", "analyse", undo, ["POST"]),
    ]


def _review(here: AppState, body: dict[str, Any]) -> dict[str, Any]:
    """What a request says of sightings, done. Raises LabError."""
    ids, store = _ids(body), here.store
    done = _done(store, body, ids)
    if not done.count:
        raise NotFoundError(
            "this sighting is not stored any more: its rule was applied again, or it was deleted; "
            "reload the page"
        )
    change = here.changes.keep(done)
    return {"change": change, "reviews": _reviews(store, ids)}


def _done(store: Store, body: dict[str, Any], ids: list[str]) -> Change:
    what = name(body, "what")
    who = name(body, "annotator").strip() or "me" if body.get("annotator") else "me"
    if what in _VERDICTS:
        return store.judge_sightings(what, annotator=who, sighting_id=ids)
    if what == "relabelled":
        label = name(body, "label")
        return store.judge_sightings("rejected", new_label=label, annotator=who, sighting_id=ids)
    if what == "forgotten":
        return store.forget_verdicts(annotator=who, sighting_id=ids)
    if what == "noted":
        note = body.get("note")
        if not isinstance(note, str):
            raise SettingError("note must be a text")
        return store.note_sightings(note, sighting_id=ids)
    if what == "tagged":
        return store.tag_sightings(_texts(body, "add"), _texts(body, "remove"), sighting_id=ids)
    known = ", ".join((*_VERDICTS, "relabelled", "forgotten", "noted", "tagged"))
    raise SettingError(f"what must be one of {known}, got {what[:40]!r}")


def _ids(body: dict[str, Any]) -> list[str]:
    ids = _texts(body, "sighting_ids")
    if not 0 < len(ids) <= _MOST_SIGHTINGS:
        raise SettingError(f"sighting_ids must be 1 to {_MOST_SIGHTINGS} ids, got {len(ids)}")
    return ids


def _texts(body: dict[str, Any], key: str) -> list[str]:
    given = body.get(key, [])
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise SettingError(f"{key} must be a list of texts")
    for one in given:
        check_name(one, f"one of {key}")
    return given


def _reviews(store: Store, ids: list[str]) -> dict[str, Row]:
    return store.reviews_of([{"sighting_id": one} for one in ids])


def _stretch(here: AppState, sighting_id: str) -> dict[str, Any]:
    """What the preview needs to play a sighting; see `_boxes`."""
    found = here.store.sightings(sighting_id=sighting_id)
    if not found:
        raise NotFoundError(f"no sighting {sighting_id[:40]!r} in this store; reload the page")
    row, media = found[0], here.media(found[0]["media_id"])
    source, wait = clip_address(here, media)
    facts = {k: media[k] for k in ("media_id", "first_pts_us", "end_us", "browser_offset_us")}
    if source is not None and is_recording(here, media):
        source, wait, facts = _of_recording(here, media, row, facts)
    return {
        "sighting_id": sighting_id,
        "src": source,
        "src_wait": wait,
        **facts,
        "frame_rate": media["frame_rate"],
        **_boxes(here, row),
    }


def _of_recording(here: AppState, media: Row, row: Row, facts: Row) -> tuple[str | None, str, Row]:
    """The file of a recording in which a sighting begins, as if it were the clip."""
    found = segment_at(recording_folder(here, media), row["onset_us"])
    if found is None:
        return None, "The recording of this time was removed, or no browser plays it.", facts
    name, start_s, offset_s = found
    facts["first_pts_us"] = round(start_s * 1e6)
    facts["end_us"] = max(facts["end_us"], row["offset_us"])
    facts["browser_offset_us"] = -round(offset_s * 1e6)
    return f"/api/recordings/{media['media_id']}/{name}", "", facts


def _boxes(here: AppState, row: Row) -> dict[str, Any]:
    """size_px: of the picture. samples: [pts_us, [[x1, y1, x2, y2, score], ...]] around the
    sighting, with the boxes of its label that its rule counts. problem: why there are none.
    """
    try:
        run = here.run(row["run_id"])
        log, label = run.log, row["label"]
        box_filter = Rule.from_dict(json.loads(row["rule"])).of(label).box_filter
    except LabError as error:
        return {"size_px": [0, 0], "samples": [], "problem": str(error)}
    begin_us = row["onset_us"] - _AROUND_US
    end_us = min(row["offset_us"] + _AROUND_US, begin_us + _MOST_US)
    first, last = np.searchsorted(log.pts_us, [begin_us, end_us]).tolist()
    boxes: list[list[list[float]]] = [[] for _ in range(first, last)]
    if label in log.labels and not run.recipe.get("whole_frame"):
        rows = log.rows_between(first, last)
        at, scores = log.sample[rows] - first, log.confidence[rows]
        xyxy = log.box_xyxy_px[rows]
        shown = (log.label[rows] == log.labels.index(label)) & box_filter.mask(xyxy, *run.size_px)
        for i in np.flatnonzero(shown).tolist():
            boxes[at[i]].append([*np.rint(xyxy[i]).tolist(), round(float(scores[i]), 3)])
    times = log.pts_us[first:last].tolist()
    samples = [[pts_us, found] for pts_us, found in zip(times, boxes, strict=True)]
    return {"size_px": list(run.size_px), "samples": samples, "problem": ""}
