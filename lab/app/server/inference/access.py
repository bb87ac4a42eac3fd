"""Who may use a worker: programs with its token, and never a page of another site."""

from __future__ import annotations

import hmac

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lab.app.server.problem import problem
from lab.detectors.services.address import is_loopback

OPEN = ("/livez", "/readyz")  # for whoever starts and stops it; they say nothing else


class Access:
    """ASGI middleware. What it refuses gets 401 or 403 as problem+json.

    token: sent as `Authorization: Bearer`. None asks for none, and takes requests only for a
    loopback name, so that a page whose name was pointed at this machine gets nothing; is_open:
    for any name.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, is_open: bool = False) -> None:
        self._app, self._token, self._is_open = app, token, is_open

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN:
            headers = Headers(scope=scope)
            refusal = self._refusal(scope, headers)
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if any(origin != f"{scope['scheme']}://{host}" for origin in headers.getlist("origin")):
            return problem(403, "requests of pages of other sites are refused")
        if self._token is None:
            if self._is_open or is_loopback(_name(host)):
                return None
            return problem(403, "a worker without a token answers on this machine alone")
        scheme, _, sent = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not sent.strip():
            return problem(
                401,
                "send the worker's token as a bearer token: that of the variable which --token-env "
                "names, LAB_WORKER_TOKEN by default; the detector `remote` has it from token_env",
            )
        if not hmac.compare_digest(sent.strip().encode(), self._token.encode()):
            return problem(401, "the token is not that of this worker")
        return None


def _name(host: str) -> str:
    return host.rpartition("]")[0][1:] if host.startswith("[") else host.partition(":")[0]
