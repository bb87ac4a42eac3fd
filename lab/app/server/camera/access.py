"""Who may connect to a camera: the token, and which web pages."""

from __future__ import annotations

import hmac
import ipaddress
import re
import socket
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LET_IN = "lab.let_in"
DOCS_FILES = "/static-offline-docs"
_HEALTH = re.compile(r"(/cameras/[A-Za-z0-9_-]+)?/health")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.I)
_SECURE_SCHEMES = {"ws": "http", "wss": "https"}
_NO_TOKEN = "no valid token; send it as `Authorization: Bearer TOKEN`, or as ?token=TOKEN"
_FOREIGN = "web pages of other sites are refused; --allow-origin names those that may connect"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'self'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
}

_PREFLIGHT = {
    "Access-Control-Allow-Headers": "Authorization",
    "Access-Control-Allow-Methods": "GET, HEAD",
    "Access-Control-Max-Age": "600",
}


class Access:
    """ASGI middleware around a camera's routes and WebSockets.

    token: what programs must send; None lets in whoever reaches the port. hosts: names of this
    server beside its addresses, localhost and the machine's own: with another name in `Host`, a web
    page may have had its own name lead here. origins: web pages that may connect.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str | None,
        hosts: tuple[str, ...] = (),
        origins: tuple[str, ...] = (),
    ) -> None:
        self._app, self._token = app, token
        self._hosts = {name.lower() for name in ("localhost", socket.gethostname(), *hosts)}
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin") if headers.get("origin") in self._origins else None
        refusal = self._refusal(scope, headers)
        await (refusal or self._app)(scope, receive, _with_headers(send, origin))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        hosts = headers.getlist("host")
        host = hosts[0] if len(hosts) == 1 else ""
        if not self._is_own(host):
            return PlainTextResponse(
                f"host {host[:255]!r} is not allowed; --allow-host names others", 403
            )
        scheme = _SECURE_SCHEMES.get(scope["scheme"], scope["scheme"])
        allowed = {f"{scheme}://{host}", *self._origins}
        origins = headers.getlist("origin")
        if any(origin not in allowed for origin in origins):
            return PlainTextResponse(_FOREIGN, 403)
        if not origins and headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return PlainTextResponse(_FOREIGN, 403)
        if origins and origins[0] in self._origins and _is_preflight(scope, headers):
            return Response(None, 204, _PREFLIGHT)  # browsers send no token with it
        scope[LET_IN] = self._token is None or self._has_token(scope, headers)
        is_open = _HEALTH.fullmatch(scope["path"]) or scope["path"].startswith(f"{DOCS_FILES}/")
        if scope[LET_IN] or is_open:
            return None
        return PlainTextResponse(_NO_TOKEN, 401, {"WWW-Authenticate": "Bearer"})

    def _is_own(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        if found is None:
            return False
        name = found[1].lower().rstrip(".")
        # Who rebinds a name to this address does not know the token.
        if self._token is not None or name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def _has_token(self, scope: Scope, headers: Headers) -> bool:
        assert self._token is not None
        scheme, _, sent = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            query = bytes(scope.get("query_string") or b"").decode("latin-1")
            sent = parse_qs(query).get("token", [""])[0]
        return hmac.compare_digest(sent.strip().encode("utf-8", "replace"), self._token.encode())


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    is_options = scope["type"] == "http" and scope["method"] == "OPTIONS"
    return is_options and "access-control-request-method" in headers


def _with_headers(send: Send, origin: str | None) -> Send:
    async def secured(message: Message) -> None:
        if message["type"].endswith("http.response.start"):
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if origin is not None:
                headers["Access-Control-Allow-Origin"] = origin
                headers["Cross-Origin-Resource-Policy"] = "cross-origin"
                headers.add_vary_header("Origin")
        await send(message)

    return secured
