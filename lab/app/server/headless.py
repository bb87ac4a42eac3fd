"""`lab serve`: the app without its pages."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from starlette.applications import Starlette

from lab.app.server.application import guard_of, our_routes
from lab.app.server.beside import begin
from lab.app.server.serving import Bound, serve_app
from lab.app.server.state import AppState

_FAREWELL_S = 3  # for answers under way


class Headless:
    """The routes over a state, with what goes on beside them.

    What is under way is asked to end as soon as the process is, while answers are finished.
    """

    def __init__(self, here: AppState) -> None:
        self._here = here
        self._asked, self._over = threading.Event(), threading.Event()
        threading.Thread(target=self._close, name="end", daemon=True).start()
        ours = our_routes(here)
        self.app = Starlette(
            routes=ours, middleware=[guard_of(ours, here)], lifespan=self._lifespan
        )

    def serve(self, at: Bound) -> None:
        """Until SIGTERM, which ends the process with exit code 0, or Ctrl+C."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # as uvicorn hands it on
        try:
            serve_app(
                self.app,
                at,
                at_end=self._asked.set,
                lifespan="on",
                timeout_graceful_shutdown=_FAREWELL_S,
            )
        finally:
            self._asked.set()
            self._over.wait()

    def _close(self) -> None:
        self._asked.wait()
        try:
            self._here.close()
        finally:
            self._over.set()

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        begin(self._here)
        yield
        self._asked.set()
        await anyio.to_thread.run_sync(self._over.wait)
