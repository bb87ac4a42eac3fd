"""Who gets in: every request and every WebSocket, Streamlit's own included.

The start-up token is in the address that the app prints (`lab.app.server.token`). Whoever opens
that address gets a cookie in exchange, which scripts cannot read and other sites cannot send
(HttpOnly, SameSite=Strict), and stays let in when the app is started again on the same store.
Programs send a token of their own (`lab token add`), whose scope must be enough for the route
(`lab.app.server.access`), as `Authorization: Bearer`, or as `?token=` where they cannot.
`docs/security.md` says what this promises.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.access.asker import Asker, RefusedError
from lab.access.slots import Slots
from lab.access.tokens import Tokens
from lab.app.server.access import (
    Declared,
    OurSocket,
    check,
    declared,
    forget_asker,
    is_probe,
    note_asker,
)
from lab.app.server.bounds import run_while, with_patience, with_small_messages
from lab.app.server.entrance import Entrance, LogsIn, token_in_query
from lab.app.server.problem import problem, problem_of
from lab.app.server.refusal import FOREIGN, go_on, not_let_in, with_cookie
from lab.app.server.token import BrowserSecret
from lab.limits import Limits

_OPEN = ("/_stcore/health",)  # says "ok" and nothing else
_LOGIN = "/login"
# What the provider and the browser need before anybody is known.
_LOGIN_PATHS = ("/auth/login", "/oauth2callback")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.I)
_SECURE_SCHEMES = {"ws": "http", "wss": "https"}
# Pages fetch nothing from elsewhere, whatever a label, a note or a file name may hold. Streamlit's
# charts need eval, its styles and the components' scripts are inline.
_SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'self' data: blob:; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'",
    # Not even as an embedded picture, also not from the browser's cache.
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}


class Guard:
    """ASGI middleware around the whole app. What it refuses gets a problem+json: 401 for whom it
    does not know, 403 for a foreign site or host and for a scope that is not enough, 429 or 503
    for one WebSocket too many.

    token: the start-up token. secret: what cookies are made with (default: one of this process).
    allowed_hosts: names of this server in addition to the loopback names: `*.example.org` stands
    for all names below example.org. tokens: those of the store. routes: those that say which scope
    they want; all else wants admin, but for probes, which are open.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str,
        secret: BrowserSecret | None = None,
        allowed_hosts: tuple[str, ...] = (),
        tokens: Tokens | None = None,
        routes: Sequence[BaseRoute] = (),
        limits: Limits | None = None,
        login: LogsIn | None = None,
    ) -> None:
        self._app, self._routes = app, routes
        self._entrance = Entrance(token, secret or BrowserSecret(None), tokens, login)
        self._hosts = [name.strip().lower() for name in (*_LOOPBACK, *allowed_hosts)]
        self._limits = limits or Limits()
        self._sockets = Slots(
            "WebSockets", self._limits.max_clients, self._limits.max_clients_per_token
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        secured = _with_security_headers(send)
        forget_asker(scope)
        try:
            answer = self._answer(scope, Headers(scope=scope))
        except RefusedError as error:
            answer = problem_of(error)
        if isinstance(answer, Asker):
            await self._let_in(answer, scope, receive, secured)
        elif answer is None:
            await self._app(scope, receive, secured)
        else:
            await _refuse(answer, scope, receive, secured)

    def _answer(self, scope: Scope, headers: Headers) -> Response | Asker | None:
        """Who is let in, or what the guard itself answers; None for what is open to all."""
        sent = token_in_query(scope)  # also of what is refused, which is logged like the rest
        if is_probe(self._routes, scope):  # those of a cluster ask by address, not by name
            return None
        hosts = headers.getlist("host")
        host = hosts[0] if len(hosts) == 1 else ""
        if not self._is_allowed(host):
            return problem(
                403,
                f"host {host[:255]!r} is not allowed; add its name to allowed_hosts in lab.toml",
            )
        scheme = _SECURE_SCHEMES.get(scope["scheme"], scope["scheme"])
        if any(origin != f"{scheme}://{host}" for origin in headers.getlist("origin")):
            return problem(403, FOREIGN)
        if scope["path"] in _OPEN:
            return None
        login = self._entrance.login
        if login is not None and scope["type"] == "http":
            if scope["path"] in _LOGIN_PATHS:
                return None
            if scope["path"] == _LOGIN:
                return RedirectResponse(login.begin(), 303, {"Cache-Control": "no-store"})
        return self._known(scope, headers, sent)

    def _known(self, scope: Scope, headers: Headers, sent: str | None) -> Response | Asker:
        is_ours = headers.get("sec-fetch-site", "none") in ("same-origin", "none")
        route = declared(self._routes, scope)
        # Who asks for a picture or a stream by its address alone keeps no cookies.
        is_page = scope["type"] == "http" and scope["method"] == "GET" and route is None
        if sent is not None and is_page:
            newcomer = self._entrance.of_secret(sent)
            if newcomer is None and is_ours:  # an old address logs nobody out
                newcomer = self._entrance.asker(scope, headers, None)
            if newcomer is not None and newcomer.may("admin"):
                return with_cookie(scope, *self._entrance.cookie(newcomer), is_ours=is_ours)
        if not is_ours and is_page and self._comes_from_login(scope, headers):
            return go_on(scope)
        asker = self._entrance.asker(scope, headers, sent) if is_ours else None
        if asker is None:
            has_login = self._entrance.login is not None
            return not_let_in(scope, headers, is_ours=is_ours, has_login=has_login)
        check(asker, "admin" if route is None else route.wants)
        return asker

    def _comes_from_login(self, scope: Scope, headers: Headers) -> bool:
        """Whether the provider has sent somebody back to the first page, who may come. To the
        browser that is a step which another site began.
        """
        if self._entrance.login is None or scope["path"] != "/" or scope.get("query_string"):
            return False
        is_step = headers.get("sec-fetch-mode") == "navigate"
        return is_step and self._entrance.has_logged_in(scope, headers)

    async def _let_in(self, asker: Asker, scope: Scope, receive: Receive, send: Send) -> None:
        note_asker(scope, asker, self._limits)
        route = declared(self._routes, scope)
        with ExitStack() as stack:
            if scope["type"] == "websocket":
                self._entrance.keep()  # a page was opened; the store may be new
            if route is not None:
                receive = self._bounded(route, scope, receive, send)
            if route is not None and scope["type"] == "websocket":
                try:
                    stack.enter_context(self._sockets.taken(asker))
                except RefusedError as error:
                    await _refuse(problem_of(error), scope, receive, send)
                    return
            if asker.token_id is None:
                await self._app(scope, receive, send)
                return
            await run_while(lambda: self._entrance.is_known(asker), self._app, scope, receive, send)

    def _bounded(self, route: Declared, scope: Scope, receive: Receive, send: Send) -> Receive:
        if scope["type"] == "http":
            return with_patience(receive, self._limits.silence_s)
        most = self._limits.max_message_bytes
        if isinstance(route, OurSocket):
            most = route.most_bytes(most)
        return with_small_messages(receive, send, most)

    def _is_allowed(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        name = found[1].lower().rstrip(".") if found else ""
        return bool(name) and any(
            name.endswith(known[1:]) if known.startswith("*.") else name == known
            for known in self._hosts
        )


async def _refuse(answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
    has_answers = "websocket.http.response" in scope.get("extensions", {})
    if scope["type"] == "websocket" and not has_answers:
        await send({"type": "websocket.close", "code": 1008, "reason": "not let in"})
    else:
        await answer(scope, receive, send)


def _with_security_headers(send: Send) -> Send:
    async def secured(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(scope=message)
            for name in [one for one in headers if one.startswith("access-control-")]:
                del headers[name]  # no other site may read anything, whatever Streamlit says
            for name, value in _SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return secured
