"""What somebody sees who is not let in, and how a browser gets its cookie."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import Scope

from lab.app.server.problem import problem

FOREIGN = "requests from other sites are refused"
_NO_TOKEN = (
    "no valid token; open the address that the app printed when it started, or send a token "
    "(lab token add) as a bearer token"
)
# What an open page asks first when the app is back. With 403 it would speak of CORS; with another
# status it shows the text of the answer, if that is JSON.
_ASKED_FIRST = "/_stcore/host-config"
_OPEN_AGAIN = (
    "This page is not let in any more.\nOpen the address that the app printed when\n"
    "it started (it ends with ?token=...);\nthen this page goes on."
)
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Sighting Lab</title>{head}
<style>:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 36rem; margin: 4rem auto }}
</style></head><body><h1>Sighting Lab</h1>{body}</body></html>"""
_WHAT_TO_DO = """<p>This browser has not been let in.</p>
<p>Open the address that the app printed in its terminal when it started; it ends with
<code>?token=…</code>. Where there is a store, it is also in its file
<code>open_app_{port}.html</code>, which only who started the app can read.</p>"""
_LOG_IN = """<p><a href="{address}">Log in</a></p>"""


def not_let_in(
    scope: Scope, headers: Headers, *, is_ours: bool, has_login: bool = False
) -> Response:
    """401 for whom nobody knows, 403 for what another site asks.

    is_ours: whether no other site asks. has_login: whether the page offers to log in.
    """
    if scope["path"] == _ASKED_FIRST and is_ours:
        return JSONResponse(_OPEN_AGAIN, 401)
    if "text/html" not in headers.get("accept", ""):
        return problem(401, _NO_TOKEN) if is_ours else problem(403, FOREIGN)
    body = _WHAT_TO_DO.format(port=int((scope.get("server") or ("", 0))[1] or 0))
    if has_login:
        body += _LOG_IN.format(address="/login")
    if not is_ours:  # a link on another site: the browser keeps the cookie back
        body += (
            f'<p>A link on another site led here. <a href="{escape(_address(scope))}">Go on to '
            "the app</a> if you want to.</p>"
        )
    status = 401 if is_ours else 403
    return HTMLResponse(_PAGE.format(head="", body=body), status, {"Cache-Control": "no-store"})


def with_cookie(scope: Scope, name: str, value: str, *, is_ours: bool) -> Response:
    """The cookie for a token, and the way to the same address without the token."""
    address = _address(scope)
    answer: Response = RedirectResponse(address, 303)
    if not is_ours:
        answer = go_on(scope)  # opened from a file
    is_secure = scope["scheme"] == "https"
    answer.set_cookie(name, value, httponly=True, samesite="strict", secure=is_secure)
    answer.headers["cache-control"] = "no-store"
    return answer


def go_on(scope: Scope) -> Response:
    """A page that leads to the same address: a step that begins on a page of ours has cookies, and
    is not one of another site.
    """
    address = escape(_address(scope))
    head = f'<meta http-equiv="refresh" content="0; url={address}">'
    body = f'<p><a href="{address}">Open the app</a></p>'
    return HTMLResponse(_PAGE.format(head=head, body=body), headers={"Cache-Control": "no-store"})


def _address(scope: Scope) -> str:
    """Path and query, on this server whatever they hold: `//name` would lead to another."""
    query = bytes(scope.get("query_string") or b"").decode("latin-1")
    path = "/" + quote(scope["path"].lstrip("/\\"), safe="/@:,;=")
    return path + (f"?{query}" if query else "")
