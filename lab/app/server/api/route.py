"""A route of the API: the scope first, then ids, then the body, bounded and strict."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from fastapi import HTTPException
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from lab.access.asker import SCOPES, RefusedError, Scope
from lab.app.server.access import asker_of, check
from lab.app.server.body import bounded_body, check_id, check_parameters, object_of
from lab.app.server.bounds import SilentClientError
from lab.errors import LabError

_FRESH = (b"cache-control", b"no-store")
Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class StrictRequest(Request):
    """A request whose body has at most `max_body_bytes`, and whose JSON all programs agree on."""

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            try:
                self._body = await bounded_body(self)
            except RefusedError as error:
                raise HTTPException(error.status, str(error)) from None
            except SilentClientError as error:
                raise HTTPException(408, f"the request was given up: {error}") from None
        return self._body

    async def json(self) -> Any:
        try:
            return object_of(await self.body(), "the body")
        except LabError as error:
            raise HTTPException(400, str(error)) from None


class StrictRoute(APIRoute):
    """It looks at who asks before it reads anything of the request."""

    def get_route_handler(self) -> Handler:
        inner, wants = super().get_route_handler(), wanted_by(self.dependant)
        known = self._known_names()

        async def handle(request: Request) -> Response:
            if wants is None:
                raise RefusedError(403, "this route says no scope, so that nobody is let in")
            check(asker_of(request), wants)
            for what, given in request.path_params.items():
                check_id(str(given), what)
            check_parameters(request, known)
            answer = await inner(StrictRequest(request.scope, request.receive))
            if not any(name == b"cache-control" for name, _ in answer.raw_headers):
                answer.raw_headers.append(_FRESH)
            return answer

        return handle

    def _known_names(self) -> frozenset[str]:
        """What may stand in the query; a condition of another name would choose everything."""
        also = (self.openapi_extra or {}).get("parameters", ())
        named = {one["name"] for one in also if one["in"] == "query"}
        return frozenset(named | set(_query_of(self.dependant)))


def _query_of(dependant: Dependant) -> Iterator[str]:
    yield from (one.alias for one in dependant.query_params)
    for one in dependant.dependencies:
        yield from _query_of(one)


def wanted_by(dependant: Dependant) -> Scope | None:
    """The highest scope that a route's dependencies need; None where none of them is `needs`."""
    found: list[Scope] = [
        wants
        for one in dependant.dependencies
        if (wants := getattr(one.call, "wants", None) or wanted_by(one)) is not None
    ]
    return max(found, key=SCOPES.index, default=None)


def as_json(value: Any) -> str:
    """In one form, whatever the order in which it was written."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
