"""What each route asks of whoever comes, and how a handler learns who that is.

A route of ours says its scope where it is made (`OurRoute`, `OurSocket`, `OurMount`); the guard
holds it to that before the handler runs. What no route declares, Streamlit's pages among it, needs
the scope admin. FastAPI's routes below an `OurMount` ask for more by `Depends(needs("analyse"))`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Scope

from lab.access.asker import SCOPES, Asker, RefusedError
from lab.access.asker import Scope as Wanted
from lab.limits import Limits

# The guard sets it on each request that it lets in, and takes away what a client sends by that
# name; Streamlit's sessions see the headers of their WebSocket and nothing else.
HEADER = "lab-asker"
_KEY, _LIMITS = "lab.asker", "lab.limits"


class OurRoute(Route):
    """A route that says which scope it wants.

    is_upload: whether its body may be as large as an upload.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        wants: Wanted,
        methods: Sequence[str] = ("GET",),
        is_upload: bool = False,
    ) -> None:
        super().__init__(path, endpoint, methods=list(methods))
        self.wants, self.is_upload = _known(wants), is_upload


class OurSocket(WebSocketRoute):
    """A WebSocket that says which scope it wants.

    max_message_bytes: the most that a client sends in one, where the setting allows more; or, with
    `is_beyond_setting`, whatever the setting says.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        wants: Wanted,
        max_message_bytes: int | None = None,
        is_beyond_setting: bool = False,
    ) -> None:
        super().__init__(path, endpoint)
        self.wants = _known(wants)
        self._max_message_bytes, self._is_beyond = max_message_bytes, is_beyond_setting

    def most_bytes(self, setting: int) -> int:
        """Of a message, where the setting is this."""
        own = self._max_message_bytes
        if own is None:
            return setting
        return own if self._is_beyond else min(own, setting)


class OurMount(Mount):
    """An application, such as FastAPI's, all of whose routes want at least this scope."""

    def __init__(self, path: str, app: ASGIApp, *, wants: Wanted, is_upload: bool = False) -> None:
        super().__init__(path, app=app)
        # Whatever characters a path has, it is this application's.
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)
        self.wants, self.is_upload = _known(wants), is_upload


class Probe(Route):
    """A route that everybody may ask, by whatever name of this server: whether it works. It tells
    nothing else.
    """


# Path, scope, handler and methods of a route.
OurHandler = tuple[str, Wanted, Callable[[Request], Awaitable[Response]], list[str]]
Declared = OurRoute | OurSocket | OurMount


def declared(routes: Sequence[BaseRoute], scope: Scope) -> Declared | None:
    """The route of ours that will answer; None if none does."""
    partial = None
    for route in routes:
        if not isinstance(route, Declared):
            continue
        match = route.matches(scope)[0]
        if match is Match.FULL:
            return route
        if match is Match.PARTIAL and partial is None:
            partial = route
    return partial


def is_probe(routes: Sequence[BaseRoute], scope: Scope) -> bool:
    """Whether a probe will answer."""
    return any(isinstance(one, Probe) and one.matches(scope)[0] is Match.FULL for one in routes)


def asker_of(connection: HTTPConnection) -> Asker:
    """Who asks. Raises RefusedError, 401, where no guard let the request in."""
    found = connection.scope.get(_KEY)
    if not isinstance(found, Asker):
        raise RefusedError(401, "this route is not behind the guard, so that nobody is let in")
    return found


def needs(wanted: Wanted) -> Callable[[HTTPConnection], Asker]:
    """A dependency that gives who asks.

    It raises RefusedError: 401 where nobody was let in, 403 where the scope is not enough; an app
    that uses it answers that with `lab.app.server.problem.refused`.
    """
    _known(wanted)

    def dependency(connection: HTTPConnection) -> Asker:
        asker = asker_of(connection)
        check(asker, wanted)
        return asker

    dependency.wants = wanted  # type: ignore[attr-defined]  # for whoever looks at the routes
    return dependency


def check(asker: Asker, wanted: Wanted) -> None:
    """Raises RefusedError, 403, for a scope that is not enough."""
    if not asker.may(wanted):
        raise RefusedError(
            403,
            f"{asker.name} has the scope {asker.scope}, and this needs {wanted}; use a token with "
            f"it (lab token add NAME --scope {wanted})",
        )


def limits_of(connection: HTTPConnection) -> Limits:
    """How much a request may ask for."""
    found = connection.scope.get(_LIMITS)
    return found if isinstance(found, Limits) else Limits()


def note_asker(scope: Scope, asker: Asker, limits: Limits) -> None:
    """Tell handlers who asks, and how much they may; and Streamlit's sessions who."""
    scope[_KEY], scope[_LIMITS] = asker, limits
    text = json.dumps(asdict(asker), ensure_ascii=True).encode()
    scope["headers"] = [*_without_ours(scope), (HEADER.encode(), text)]


def forget_asker(scope: Scope) -> None:
    """What a client says of itself by our names counts for nothing."""
    scope.pop(_KEY, None)
    scope["headers"] = _without_ours(scope)


def asker_of_headers(headers: Mapping[str, str]) -> Asker | None:
    """Who opened a session of Streamlit, whose headers passed the guard; None without it."""
    text = headers.get(HEADER)
    return None if text is None else Asker(**json.loads(text))


def _without_ours(scope: Scope) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in scope["headers"] if name.lower() != HEADER.encode()]


def _known(wanted: Wanted) -> Wanted:
    if wanted not in SCOPES:
        raise ValueError(f"unknown scope {wanted!r}")
    return wanted
