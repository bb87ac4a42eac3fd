"""Every error of the API as problem+json, in words that say the way out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from lab.access.addresses import AddressError
from lab.access.asker import RefusedError
from lab.app.server.problem import MEDIA_TYPE, problem, problem_of
from lab.errors import (
    ConflictError,
    ForbiddenError,
    LabError,
    LogRemovedError,
    NotFoundError,
    StoreError,
    StoreReadOnlyError,
)

_RETRY_S = "5"
_MOST_FAULTS = 5
_MOST_CHARACTERS = 1500


class Problem(BaseModel):
    """Why a request was not served (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(description="What is wrong, and the way out, in words.")


_MEANINGS = {
    400: "The body cannot be read, or the request was interrupted.",
    401: "No valid token.",
    403: "The token's scope is not enough, another site asks, or a file may not be opened.",
    404: "There is no such thing.",
    405: "The method is not one of this address.",
    406: "None of the forms that are accepted can be given.",
    409: "It does not go with how things are now.",
    413: "The body is too large.",
    422: "A value is not valid.",
    429: "This token asks for too much at once; Retry-After says when to ask again.",
    503: "The store or the server is busy; Retry-After says when to ask again.",
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {
        "description": text,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    for status, text in _MEANINGS.items()
}
# The first that fits counts.
_STATUS: tuple[tuple[type[LabError], int], ...] = (
    (ConflictError, 409),
    (NotFoundError, 404),
    (ForbiddenError, 403),
    (AddressError, 403),
    (StoreReadOnlyError, 403),
    (LogRemovedError, 409),
    (StoreError, 503),
    (LabError, 422),
)


def install_errors(app: FastAPI) -> None:
    """Answer all that an application raises, FastAPI's own errors among it."""
    app.add_exception_handler(RefusedError, _refused)
    app.add_exception_handler(LabError, _of_the_lab)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _failed)


def status_of(error: LabError) -> int:
    return next(status for kind, status in _STATUS if isinstance(error, kind))


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return problem_of(error)


async def _of_the_lab(request: Request, error: Exception) -> Response:
    assert isinstance(error, LabError)
    status = status_of(error)
    headers = {"Retry-After": _RETRY_S} if status == 503 else None
    return problem(status, _short(str(error)), headers)


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem(422, in_words(error.errors()))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return problem(error.status_code, _short(str(error.detail)), error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    return problem(500, "the server failed; its log says how")


def in_words(faults: Sequence[Any]) -> str:
    """What is wrong with the values of a request, without the values: they may be secrets."""
    said = [f"{_place(one['loc'])}: {_lower(str(one['msg']))}" for one in faults[:_MOST_FAULTS]]
    more = f"; and {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
    return _short("; ".join(said) + more)


def _place(loc: Sequence[Any]) -> str:
    where, *inside = [str(one)[:80] for one in loc] or ["body"]
    return ".".join(inside) or where


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
