"""Access control for the app's routes: Host, Origin and token, for GET as well.

The token is made at start. The page's own response carries it as a cookie that scripts cannot
read and other sites cannot send (HttpOnly, SameSite=Strict); programs send it as a bearer token
from LAB_TOKEN.
"""

from __future__ import annotations

import hmac
import os
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PROTECTED = ("/api/", "/ws/")
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Guard:
    """ASGI middleware that refuses requests with status 403.

    allowed_hosts: host names that are accepted in addition to the loopback names.
    """

    def __init__(
        self, app: ASGIApp, allowed_hosts: tuple[str, ...] = (), token: str | None = None
    ) -> None:
        self._app = app
        self._hosts = {*_LOOPBACK, *allowed_hosts}
        self._token = token or os.environ.get("LAB_TOKEN") or secrets.token_urlsafe(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        reason = self._rejection_reason(scope, headers)
        if reason is not None:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": reason})
            else:
                await PlainTextResponse(reason, 403)(scope, receive, send)
            return

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                response_headers = MutableHeaders(scope=message)
                if response_headers.get("content-type", "").startswith("text/html"):
                    response_headers.append(
                        "set-cookie",
                        f"{self._cookie(scope)}={self._token}; Path=/; HttpOnly; SameSite=Strict",
                    )
            await send(message)

        await self._app(scope, receive, with_cookie)

    def _rejection_reason(self, scope: Scope, headers: Headers) -> str | None:
        host = headers.get("host", "")
        if _name(host) not in self._hosts:
            return f"host {_name(host)!r} is not allowed; add it to server.allowedHosts"
        if not scope["path"].startswith(_PROTECTED):
            return None
        origin = headers.get("origin")
        if origin is not None and origin.split("://")[-1] != host:
            return "requests from other sites are refused"
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "requests from other sites are refused"
        if not self._has_token(scope, headers):
            return "no valid token; open the app's page first, or send LAB_TOKEN as a bearer token"
        return None

    def _has_token(self, scope: Scope, headers: Headers) -> bool:
        scheme, _, sent = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return hmac.compare_digest(sent.encode(), self._token.encode())
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie(scope))
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(
            cookie.value.encode(), self._token.encode()
        )

    @staticmethod
    def _cookie(scope: Any) -> str:
        # Cookies are shared between the ports of a host; two labs must not log each other out.
        return f"lab_token_{(scope.get('server') or ('', 0))[1]}"


def _name(host: str) -> str:
    return host if host.endswith("]") else host.rsplit(":", 1)[0]
