"""What the OpenAPI document says of uploads beyond their bodies: headers and statuses."""

from __future__ import annotations

from typing import Any

from lab.app.server.problem import MEDIA_TYPE

Schema = dict[str, Any]
_ONE = "/api/uploads/{upload_id}"
_BYTES: Schema = {"type": "integer", "minimum": 0}
_SIZE: Schema = {"type": "integer", "minimum": 1}
_VERSION: Schema = {"type": "string", "enum": ["1.0.0"]}
_TEXT: Schema = {"type": "string"}
_RANGE: Schema = {"type": "string", "pattern": "^bytes [0-9]{1,18}-[0-9]{1,18}/[0-9]{1,18}$"}
_PART = "application/offset+octet-stream"
# Header, its schema, what it says, and whether it must be sent.
_Header = tuple[str, Schema, str, bool]
_TUS: _Header = ("Tus-Resumable", _VERSION, "The version of tus.", True)
_TUS_IF_ANY: _Header = (*_TUS[:3], False)
_LENGTH: _Header = ("Upload-Length", _SIZE, "How many bytes there will be.", True)
_OFFSET: _Header = ("Upload-Offset", _BYTES, "At which byte this part begins.", True)
_METADATA: _Header = (
    "Upload-Metadata", _TEXT,
    "filename, id and any parameter of the query: names, each with its value in base64.", False,
)  # fmt: skip
_CONTENT_RANGE: _Header = (
    "Content-Range", _RANGE, "Where the body goes on, to the last byte.", False,
)  # fmt: skip
_LAST_EVENT: _Header = ("Last-Event-ID", _TEXT, "Of the event that was seen last.", False)
_HEADERS: dict[str, tuple[_Header, ...]] = {
    "post /api/uploads": (_TUS, _LENGTH, _METADATA),
    f"put {_ONE}": (_CONTENT_RANGE,),
    f"patch {_ONE}": (_TUS, _OFFSET),
    f"get {_ONE}": (_TUS_IF_ANY,),
    f"head {_ONE}": (_TUS_IF_ANY,),
    f"delete {_ONE}": (_TUS_IF_ANY,),
    f"get {_ONE}/events": (_LAST_EVENT,),
}
_ANSWERED: dict[str, tuple[Schema, str]] = {
    "Location": (_TEXT, "The address of the upload."),
    "Tus-Resumable": (_VERSION, "The version of tus."),
    "Tus-Version": (_TEXT, "The versions of tus that are spoken."),
    "Tus-Extension": (_TEXT, "The extensions of tus that are spoken."),
    "Tus-Max-Size": (_BYTES, "The most bytes that an upload may have."),
    "Upload-Offset": (_BYTES, "How many bytes are there."),
    "Upload-Length": (_BYTES, "How many there will be, where that is known."),
    "Upload-Metadata": (_TEXT, "As it was sent."),
    "Upload-Expires": (_TEXT, "When what is not complete is removed."),
    "Upload-Id": (_TEXT, "The id of the upload."),
}
_FACTS = ("Tus-Resumable", "Upload-Offset", "Upload-Length", "Upload-Metadata", "Upload-Expires")
_SENT = (408, 409, 413, 422, 429, 503, 507)  # where a body is received
# What is answered: the status, what it says, the type of the body, headers; and which errors.
_Answer = tuple[int, str, str | None, tuple[str, ...]]
_ANSWERS: dict[str, tuple[_Answer, tuple[int, ...]]] = {
    "post /api/uploads": (
        (201, "It is begun.", None, ("Location", *_FACTS)), (400, 412, *_SENT),
    ),
    "options /api/uploads": (
        (204, "What is spoken.", None, tuple(n for n in _ANSWERED if n.startswith("Tus-"))), (),
    ),
    f"put {_ONE}": ((200, "It has come.", "application/json", ()), (400, 404, *_SENT)),
    f"patch {_ONE}": (
        (204, "The part has come.", None, _FACTS), (400, 404, 412, 415, *_SENT),
    ),
    f"get {_ONE}": ((200, "How it is.", "application/json", ()), (400, 404, 412)),
    f"head {_ONE}": ((200, "How far it is.", None, _FACTS), (400, 404, 410, 412)),
    f"delete {_ONE}": ((204, "It is given up.", None, ("Tus-Resumable",)), (400, 404, 409, 412)),
    f"get {_ONE}/events": ((200, "Its events.", "text/event-stream", ()), (400, 404, 429, 503)),
    "post /api/detect/video": (
        (200, "A JSON object a line; what goes wrong after the first is one, too.",
         "application/x-ndjson", ("Upload-Id",)), (400, 413, 429, 503, 507),
    ),
}  # fmt: skip
_ANSWERS[f"options {_ONE}"] = _ANSWERS["options /api/uploads"]
_MEANINGS = {
    400: "The request is not valid, or was interrupted.",
    401: "No valid token.",
    403: "The token's scope is not enough, another site asks, or the file cannot be written.",
    404: "There is no such upload of this token, or it has expired.",
    408: "Nothing came for too long; what has come is kept.",
    409: "There is one of this id, it goes on at another byte, or another connection sends it.",
    410: "It failed; begin anew.",
    412: "Tus-Resumable is not 1.0.0; Tus-Version says what is spoken.",
    413: "It is larger than an upload may be.",
    415: f"The content type of a part is {_PART}.",
    422: "It is no video.",
    429: "This token sends or has too much at once; Retry-After says when to ask again.",
    503: "The analysis cannot begin, or too much is sent to this server at once; try again.",
    507: "The disk is full.",
}


def with_facts_of_uploads(path: str, method: str, operation: Schema) -> Schema:
    """The operation; of an upload, with its headers and all that it is answered."""
    key = f"{method} {path}"
    if key not in _ANSWERS:
        return operation
    (status, text, kind, headers), errors = _ANSWERS[key]
    done: Schema = {"description": text}
    if kind is not None:
        done["content"] = {kind: {"schema": {"type": "string"} if "json" not in kind else {}}}
    if headers:
        said = ((name, *_ANSWERED[name]) for name in headers)
        done["headers"] = {n: {"schema": schema, "description": t} for n, schema, t in said}
    problem = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    more = {} if method == "head" else problem
    responses = {str(status): done} | {
        str(one): {"description": _MEANINGS[one], **more} for one in sorted({401, 403, *errors})
    }
    if key == f"get {_ONE}/events":
        responses["204"] = {"description": "All was told before: Last-Event-ID is that of `end`."}
    sent = [
        {"name": name, "in": "header", "required": needed, "schema": schema, "description": t}
        for name, schema, t, needed in _HEADERS.get(key, ())
    ]
    made = {**operation, "responses": responses}
    if sent:
        made["parameters"] = [*operation.get("parameters", ()), *sent]
    if key == "post /api/uploads":  # creation-with-upload
        made["requestBody"] = {"required": False, "content": {_PART: {"schema": _TEXT}}}
    return made
