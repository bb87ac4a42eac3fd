"""Who gets in: every request and every WebSocket, Streamlit's own included.

The start-up token is in the address that the app prints (`lab.app.server.token`). Whoever opens
that address gets a cookie in exchange, which scripts cannot read and other sites cannot send
(HttpOnly, SameSite=Strict), and stays let in when the app is started again on the same store;
programs send the token itself (`Authorization: Bearer`).
`docs/security.md` says what this promises.
"""

from __future__ import annotations

import hmac
import re
from html import escape
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.app.server.token import BrowserSecret

_OPEN = ("/_stcore/health",)  # says "ok" and nothing else
# What an open page asks first when the app is back. With 403 it would speak of CORS; with another
# status it shows the text of the answer, if that is JSON.
_ASKED_FIRST = "/_stcore/host-config"
_OPEN_AGAIN = (
    "This page is not let in any more.\nOpen the address that the app printed when\n"
    "it started (it ends with ?token=...);\nthen this page goes on."
)
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?", re.I)
_SECURE_SCHEMES = {"ws": "http", "wss": "https"}
_FOREIGN = "requests from other sites are refused"
_NO_TOKEN = (
    "no valid token; open the address that the app printed when it started, or send the token "
    "(LAB_TOKEN) as a bearer token"
)
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
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Sighting Lab</title>{head}
<style>:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 36rem; margin: 4rem auto }}
</style></head><body><h1>Sighting Lab</h1>{body}</body></html>"""
_WHAT_TO_DO = """<p>This browser has not been let in.</p>
<p>Open the address that the app printed in its terminal when it started; it ends with
<code>?token=…</code>. Where there is a store, it is also in its file
<code>open_app_{port}.html</code>, which only who started the app can read.</p>"""


class Guard:
    """ASGI middleware around the whole app; what it refuses gets status 403, or 401 where an
    open page shows the reason.

    token: the start-up token. secret: what cookies are made with (default: one of this process).
    allowed_hosts: names of this server in addition to the loopback names, as in
    `server.allowedHosts`: `*.example.org` stands for all names below example.org.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str,
        secret: BrowserSecret | None = None,
        allowed_hosts: tuple[str, ...] = (),
    ) -> None:
        self._app = app
        self._token = token
        self._secret = secret or BrowserSecret(None)
        self._hosts = [name.strip().lower() for name in (*_LOOPBACK, *allowed_hosts)]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        answer = self._answer(scope, Headers(scope=scope))
        if answer is None:
            if scope["type"] == "websocket":  # a page was opened; the store may be new
                self._secret.keep()
            await self._app(scope, receive, _with_security_headers(send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "not let in"})
        else:
            await answer(scope, receive, _with_security_headers(send))

    def _answer(self, scope: Scope, headers: Headers) -> Response | None:
        """What the guard itself answers; None if the request may pass."""
        hosts = headers.getlist("host")
        host = hosts[0] if len(hosts) == 1 else ""
        if not self._is_allowed(host):
            return PlainTextResponse(
                f"host {host[:255]!r} is not allowed; add its name to server.allowedHosts", 403
            )
        scheme = _SECURE_SCHEMES.get(scope["scheme"], scope["scheme"])
        if any(origin != f"{scheme}://{host}" for origin in headers.getlist("origin")):
            return PlainTextResponse(_FOREIGN, 403)
        if scope["path"] in _OPEN:
            return None
        site = headers.get("sec-fetch-site", "none")
        is_ours = site in ("same-origin", "none")
        if scope["type"] == "http" and scope["method"] == "GET" and b"token=" in _query(scope):
            exchanged = self._exchange(scope, headers, is_ours)
            if exchanged is not None:
                return exchanged
        if is_ours and self._has_token(scope, headers):
            return None
        return _refusal(scope, headers, is_ours)

    def _is_allowed(self, host: str) -> bool:
        found = _HOST.fullmatch(host)
        name = found[1].lower().rstrip(".") if found else ""
        return bool(name) and any(
            name.endswith(known[1:]) if known.startswith("*.") else name == known
            for known in self._hosts
        )

    def _has_token(self, scope: Scope, headers: Headers) -> bool:
        scheme, _, sent = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return _same(sent.strip(), self._token)
        sent = HTTPConnection(scope).cookies.get(self._secret.cookie_name, "")
        return _same(sent, self._secret.cookie)

    def _exchange(self, scope: Scope, headers: Headers, is_ours: bool) -> Response | None:
        """The cookie for the token, and the way to the same address without the token."""
        query = parse_qsl(_query(scope).decode("latin-1"), keep_blank_values=True)
        sent = [value for name, value in query if name == "token"]
        if not sent:
            return None
        if not _same(sent[0], self._token) and not (is_ours and self._has_token(scope, headers)):
            return None
        rest = urlencode([(name, value) for name, value in query if name != "token"])
        address = _own_path(scope) + (f"?{rest}" if rest else "")
        answer: Response = RedirectResponse(address, 303)
        if not is_ours:
            # Opened from a file: only a step that begins on a page of ours carries the cookie.
            answer = HTMLResponse(
                _PAGE.format(
                    head=f'<meta http-equiv="refresh" content="0; url={escape(address)}">',
                    body=f'<p><a href="{escape(address)}">Open the app</a></p>',
                )
            )
        is_secure = scope["scheme"] == "https"
        answer.set_cookie(
            self._secret.cookie_name,
            self._secret.cookie,
            httponly=True,
            samesite="strict",
            secure=is_secure,
        )
        answer.headers["cache-control"] = "no-store"
        return answer


def _refusal(scope: Scope, headers: Headers, is_ours: bool) -> Response:
    if scope["path"] == _ASKED_FIRST and is_ours:
        return JSONResponse(_OPEN_AGAIN, 401)
    if "text/html" not in headers.get("accept", ""):
        return PlainTextResponse(_NO_TOKEN if is_ours else _FOREIGN, 403)
    body = _WHAT_TO_DO.format(port=_port(scope))
    if not is_ours:  # a link on another site: the browser keeps the cookie back
        address = _own_path(scope) + (
            f"?{_query(scope).decode('latin-1')}" if _query(scope) else ""
        )
        body += (
            f'<p>A link on another site led here. <a href="{escape(address)}">Go on to the app</a> '
            "if you want to.</p>"
        )
    return HTMLResponse(_PAGE.format(head="", body=body), 403, {"Cache-Control": "no-store"})


def _with_security_headers(send: Send) -> Send:
    async def secured(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return secured


def _query(scope: Scope) -> bytes:
    return bytes(scope.get("query_string") or b"")


def _own_path(scope: Scope) -> str:
    """The path, on this server whatever it holds: `//name` would lead to another."""
    return "/" + quote(scope["path"].lstrip("/\\"), safe="/@:,;=")


def _port(scope: Scope) -> int:
    return int((scope.get("server") or ("", 0))[1] or 0)


def _same(sent: str, expected: str) -> bool:
    return hmac.compare_digest(sent.encode("utf-8", "replace"), expected.encode())
