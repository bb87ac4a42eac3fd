"""Refusals as problem+json (RFC 9457), and as a page where a person opened one."""

from __future__ import annotations

import http
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from lab.access.asker import RefusedError

MEDIA_TYPE = "application/problem+json"


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None) -> Response:
    """One line for people, for programs in a form of its own."""
    content = {
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    more = {"Cache-Control": "no-store", **(headers or {})}
    if status == 401:
        more["WWW-Authenticate"] = 'Bearer realm="Sighting Lab"'
    return JSONResponse(content, status, more, media_type=MEDIA_TYPE)


def problem_of(error: RefusedError) -> Response:
    """What a refused request gets."""
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    return problem(error.status, str(error), headers)


async def refused(request: Request, error: Exception) -> Response:
    """For `exception_handlers={RefusedError: refused}` of an application."""
    assert isinstance(error, RefusedError)
    return problem_of(error)
