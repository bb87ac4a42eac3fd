"""The routes as an OpenAPI document, for programs and for the tests that attack them."""

from __future__ import annotations

from functools import cache
from typing import Any

from lab.annotation import ANSWERS
from lab.app.server.api.app import document_of_api
from lab.app.server.body import MAX_NAME_BYTES
from lab.app.server.openapi_uploads import with_facts_of_uploads
from lab.store.sighting_query import LISTS

Schema = dict[str, Any]
_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": MAX_NAME_BYTES}
_NUMBER: Schema = {"type": "number", "minimum": -(2**53), "maximum": 2**53}
_ERRORS = {
    "400": "The request is not valid.",
    "403": "No valid token, another site, or a file that the app may not open or write.",
    "404": "There is no such run, clip or picture.",
    "413": "The body is too large.",
}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(required: str = "", **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": required.split()}


_SCHEMAS: dict[str, Schema] = {
    "RunId": _NAME,
    "MediaId": _NAME,
    "Label": _NAME,
    "Rule": _object(
        default=_ref("LabelRule"),
        labels={"type": "object", "additionalProperties": _ref("LabelRule")},
        only={"type": ["array", "null"], "items": _ref("Label")},
    ),
    "LabelRule": _object(
        debounce={"type": "object", "additionalProperties": {}},
        box_filter={"type": "object", "additionalProperties": {}},
    ),
    "Record": _object(
        "kind label start_us end_us",
        kind={"enum": ["annotation", "coverage", "verdict"]},
        id=_NAME,
        label=_ref("Label"),
        start_us=_NUMBER,
        end_us=_NUMBER,
        annotator=_NAME,
        origin={"enum": ["independent", "accepted", "queue", "audit"]},
        verdict={"enum": list(ANSWERS)},
        run_id=_ref("RunId"),
        rule_hash=_NAME,
    ),
    "Changes": _object(
        add={"type": "array", "items": _ref("Record")},
        delete={"type": "array", "items": _NAME},
    ),
    "Replay": _object(
        "run_id rule",
        run_id=_ref("RunId"),
        rule=_ref("Rule"),
        tiou=_NUMBER,
        annotator={"type": ["string", "null"], "maxLength": MAX_NAME_BYTES},
    ),
    "Decisions": _object(
        "run_id rule label",
        run_id=_ref("RunId"),
        rule=_ref("Rule"),
        label=_ref("Label"),
        most={"type": ["integer", "null"]},
    ),
    "Explain": _object(
        "run_id rule label pts_s",
        run_id=_ref("RunId"),
        rule=_ref("Rule"),
        label=_ref("Label"),
        pts_s=_NUMBER,
    ),
    "Snippets": _object("run_id rule", run_id=_ref("RunId"), rule=_ref("Rule")),
    "Curves": _object(
        "labels rule",
        labels={"type": "array", "items": _ref("Label")},
        rule=_ref("Rule"),
        from_us=_NUMBER,
        to_us=_NUMBER,
    ),
    "Review": _object(
        "sighting_ids what",
        sighting_ids={"type": "array", "items": _NAME},
        what={"enum": [*ANSWERS, "relabelled", "forgotten", "noted", "tagged"]},
        annotator=_NAME,
        label=_ref("Label"),
        note={"type": "string"},
        add={"type": "array", "items": _NAME},
        remove={"type": "array", "items": _NAME},
    ),
    "Undo": _object(
        "change sighting_ids", change=_NAME, sighting_ids={"type": "array", "items": _NAME}
    ),
    "Offset": _object("offset_us", offset_us=_NUMBER),
    "Annotated": _object("rule", rule=_ref("Rule")),
    "Segment": _object("name", name=_NAME),
    "FeedCommand": _object("do", do={"enum": ["start", "stop", "analyse_now", "rule_of_file"]}),
    "WorkClaim": _object(
        "worker name version",
        worker=_NAME,
        name=_NAME,
        version=_NAME,
        wait_s={"type": "number", "minimum": 0, "maximum": 20},
    ),
    "WorkBeat": _object("", done={"type": "integer", "minimum": 0}),
    "WorkOpened": _object(
        "recipes media counts",
        recipes={"type": "array", "items": {"type": "object"}},
        media={"type": "object"},
        counts={"type": "array", "items": {"type": ["integer", "null"]}},
        opening_s=_NUMBER,
        decoded_on={"enum": ["cpu", "cuda"]},
    ),
    "WorkOutcome": _object(
        "number",
        number={"type": "integer", "minimum": 0},
        logs={"type": "array", "items": {"type": "object"}},
        error={"type": ["object", "null"]},
    ),
    "WorkBack": _object(
        "number reason",
        number={"type": "integer", "minimum": 0},
        reason={"type": "string"},
        is_unfit={"type": "boolean"},
    ),
    "Playhead": _object("pts_s", pts_s=_NUMBER),
}
_PARAMETERS: dict[str, Schema] = {
    "run_id": _ref("RunId"),
    "media_id": _ref("MediaId"),
    "rule_hash": _NAME,
    "sighting_id": _NAME,
    "feed_id": _NAME,
    "pts_us": {"type": "integer", "minimum": -(10**12), "maximum": 10**15},
    "upload_id": _NAME,
    "segment": _NAME,
    "claim_id": _NAME,
    "number": {"type": "integer", "minimum": 0, "maximum": 10**9},
}
# Path, method, what it does, the body's schema.
_ROUTES: tuple[tuple[str, str, str, str | None], ...] = (
    ("/api/openapi.json", "get", "This document", None),
    ("/api/docs", "get", "This document, for people", None),
    ("/api/health", "get", "Whether the app answers", None),
    ("/api/media/{media_id}/file", "get", "A clip, or its copy for the browser", None),
    ("/api/media/{media_id}/offset", "post", "Keep the offset of the browser's clock", "Offset"),
    ("/api/media/{media_id}/annotations", "get", "The records of a clip", None),
    ("/api/media/{media_id}/annotations", "post", "Add and delete records of a clip", "Changes"),
    ("/api/media/{media_id}/sound", "get", "The waveform of a clip", None),
    ("/api/decisions", "post", "The decisions of a rule over a label", "Decisions"),
    ("/api/pictures/{media_id}/{pts_us}.jpg", "get", "The picture of a moment", None),
    ("/api/runs/{run_id}/log", "get", "The score log of a run, for the player", None),
    ("/api/runs/{run_id}/overview", "get", "Facts of a log and its strongest curves", None),
    ("/api/runs/{run_id}/curves", "post", "Curves of labels over a stretch", "Curves"),
    ("/api/runs/{run_id}/window", "get", "Samples and boxes of a stretch", None),
    ("/api/runs/{run_id}/playhead", "post", "Where the player stands", "Playhead"),
    ("/api/recordings/{media_id}/index", "get", "Where the segments of a recording lie", None),
    ("/api/recordings/{media_id}/{segment}", "get", "A segment of a recording", None),
    ("/api/runs/{run_id}/annotated", "post", "Make the annotated video", "Annotated"),
    ("/api/runs/{run_id}/annotated/{rule_hash}", "get", "How far the video is", None),
    ("/api/runs/{run_id}/annotated/{rule_hash}", "delete", "Do not go on making it", None),
    ("/api/runs/{run_id}/annotated/{rule_hash}/file", "get", "The annotated video", None),
    ("/api/replay", "post", "Sightings and figures of a rule", "Replay"),
    ("/api/explain", "post", "The rule's state at a moment", "Explain"),
    ("/api/snippets", "post", "The rule as code, file, command and job", "Snippets"),
    ("/api/uploads", "post", "Begin an upload (tus)", None),
    ("/api/uploads", "options", "What of tus is spoken", None),
    ("/api/uploads/{upload_id}", "put", "Upload a clip, analysed while it comes", None),
    ("/api/uploads/{upload_id}", "patch", "Go on with an upload (tus)", None),
    ("/api/uploads/{upload_id}", "options", "What of tus is spoken", None),
    ("/api/uploads/{upload_id}", "get", "How an upload is, and its runs", None),
    ("/api/uploads/{upload_id}", "head", "How far an upload is (tus)", None),
    ("/api/uploads/{upload_id}", "delete", "Give an upload up", None),
    ("/api/uploads/{upload_id}/events", "get", "An upload as it goes on, as events", None),
    ("/api/detect/video", "post", "Analyse a video while it is sent", None),
    ("/api/sightings/{sighting_id}/stretch", "get", "A sighting's clip and boxes", None),
    ("/api/sightings/review", "post", "Verdict, note or tags of sightings", "Review"),
    ("/api/sightings/undo", "post", "Take a change of sightings back", "Undo"),
    ("/api/feeds", "get", "Feeds that are watched, and their sinks", None),
    ("/api/feeds/{feed_id}/command", "post", "Start or stop a feed", "FeedCommand"),
    ("/api/feeds/{feed_id}/segments", "post", "Announce a file of a watched folder", "Segment"),
    ("/api/feeds/{feed_id}/last.jpg", "get", "The last picture of a feed", None),
    ("/api/work/claim", "post", "A worker asks for a clip of the queue", "WorkClaim"),
    ("/api/work/{claim_id}/clip", "get", "The clip that a worker has claimed", None),
    ("/api/work/{claim_id}/beat", "post", "A worker is still at its clip", "WorkBeat"),
    ("/api/work/{claim_id}/opened", "post", "What a worker has opened", "WorkOpened"),
    ("/api/work/{claim_id}/parts/{number}", "put", "A part of a log", None),
    ("/api/work/{claim_id}/outcome", "post", "How a clip ended", "WorkOutcome"),
    ("/api/work/{claim_id}/back", "post", "A worker gives a clip back", "WorkBack"),
    ("/metrics", "get", "What runs, as Prometheus reads it", None),
    ("/api/sightings.csv", "get", "Stored sightings, those that fulfil conditions", None),
    ("/api/effort.csv", "get", "The effort of all runs", None),
)
_TAG = "for pages"
_TEXT: Schema = {"type": "string", "maxLength": MAX_NAME_BYTES}
_NAMES: Schema = {"type": "array", "items": _NAME}
_WANTED: dict[str, tuple[Schema, bool]] = {
    "labels": (_TEXT, False),
    "every_s": (_NUMBER, False),
    "detector": (_TEXT, False),
    "debounce": ({"type": "string"}, False),
    "analyses": ({"type": "string"}, False),
    "analyse": ({"enum": ["true", "false"]}, False),
}
# Methods with a body that is no JSON.
_BODIES = {
    "put": "application/octet-stream",
    "patch": "application/offset+octet-stream",
    "post /api/detect/video": "application/octet-stream",
}
# Path, or method and path, to its parameters in the query, each with whether it must be given.
_QUERIES: dict[str, dict[str, tuple[Schema, bool]]] = {
    "put /api/uploads/{upload_id}": {"name": (_NAME, False), **_WANTED},
    "post /api/uploads": _WANTED,
    "post /api/detect/video": {"name": (_NAME, False), **_WANTED},
    "/api/runs/{run_id}/window": {"from_us": (_NUMBER, True), "to_us": (_NUMBER, True)},
    "/api/feeds": {
        **dict.fromkeys(("text", "state"), (_TEXT, False)),
        "first": ({"type": "integer", "minimum": 0, "maximum": 10**6}, False),
        "count": ({"type": "integer", "minimum": 1, "maximum": 200}, False),
    },
    "/api/sightings.csv": {
        **dict.fromkeys(LISTS, (_NAMES, False)),
        "rules": ({"enum": ["current", "all"]}, False),
        "reviewed": ({"enum": ["yes", "no"]}, False),
        **dict.fromkeys(("text", "note", "hours", "from_local", "to_local"), (_TEXT, False)),
        **dict.fromkeys(("min_confidence", "max_confidence", "from_s", "to_s"), (_NUMBER, False)),
        **dict.fromkeys(("min_duration_s", "max_duration_s"), (_NUMBER, False)),
    },
}


@cache
def document() -> Schema:
    """The document, OpenAPI 3.1: of these routes, and of those of `lab.app.server.api`."""
    api = document_of_api()
    paths: dict[str, Schema] = {}
    for path, method, summary, body in _ROUTES:
        operation: Schema = {
            "summary": summary,
            "tags": [_TAG],
            "responses": {"200": {"description": "Done."}}
            | {status: {"description": text} for status, text in _ERRORS.items()},
        }
        parameters = [
            {"name": name, "in": "path", "required": True, "schema": schema}
            for name, schema in _PARAMETERS.items()
            if f"{{{name}}}" in path
        ]
        parameters += [
            {"name": name, "in": "query", "required": required, "schema": schema}
            for name, (schema, required) in _queries(method, path).items()
        ]
        if parameters:
            operation["parameters"] = parameters
        if body is not None:
            operation["requestBody"] = {
                "required": True,
                "content": {"application/json": {"schema": _ref(body)}},
            }
        if kind := _BODIES.get(f"{method} {path}", _BODIES.get(method)):
            content = {kind: {"schema": {"type": "string"}}}
            operation["requestBody"] = {"required": True, "content": content}
        paths.setdefault(path, {})[method] = with_facts_of_uploads(path, method, operation)
    for path, methods in api["paths"].items():
        paths[path] = {**methods, **paths.get(path, {})}  # these routes answer first
    return {
        "openapi": "3.1.0",
        "info": api["info"],
        "components": {
            "schemas": {**api["schemas"], **_SCHEMAS},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
        "tags": [{"name": name} for name in (*api["tags"], _TAG)],
        "paths": paths,
    }


def _queries(method: str, path: str) -> dict[str, tuple[Schema, bool]]:
    return _QUERIES.get(f"{method} {path}") or _QUERIES.get(path) or {}
