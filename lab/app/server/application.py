"""What the app and `lab serve` have in common: our routes, and the guard before them."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from lab.access.tokens import Tokens
from lab.app.server.entrance import LogsIn
from lab.app.server.guard import Guard
from lab.app.server.live_routes import live_routes
from lab.app.server.probes import probes
from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.app.server.token import BrowserSecret, startup_token
from lab.app.server.webcam_routes import webcam_routes


def our_routes(here: AppState) -> list[BaseRoute]:
    """All but the pages: API, clips, sockets, feeds, metrics, probes."""
    return [*probes(here), *routes(here), *live_routes(here), *webcam_routes(here)]


def guard_of(
    ours: Sequence[BaseRoute],
    here: AppState,
    *,
    allowed_hosts: tuple[str, ...] = (),
    login: LogsIn | None = None,
) -> Middleware:
    """The guard around these routes, with the tokens of the store and the start-up token."""
    return Middleware(
        Guard,
        token=startup_token(),
        secret=BrowserSecret(here.store.folder),
        allowed_hosts=(*here.config.allowed_hosts, *allowed_hosts),
        tokens=Tokens(here.store.folder),
        routes=ours,
        limits=here.config.limits,
        login=login,
    )
