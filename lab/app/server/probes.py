"""`/livez` and `/readyz`: what a supervisor asks, without a token."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
import threading
import time

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from lab.app.server.access import Probe
from lab.app.server.state import AppState
from lab.child_process import lab_environment
from lab.errors import LabError, StoreBusyError, StoreDamagedError, StoreReadOnlyError
from lab.private_files import private_folder

_KEPT_S = (
    10.0  # how long an answer holds: supervisors ask often, and the catalog is not theirs alone
)
_START_S = 60.0
_FRESH = {"Cache-Control": "no-store"}
_log = logging.getLogger(__name__)


class Readiness:
    """Whether analyses could be done: the store can be opened and written, workers start.

    What is in the way is told in words that name no path; the log has the whole of it.
    """

    def __init__(self, here: AppState) -> None:
        self._store = here.store
        self._guard = threading.Lock()
        self._problem: str | None = "it is still looked at"
        self._until = float("-inf")
        self._has_started = False

    @property
    def is_known(self) -> bool:
        """Whether `problem` need not be looked at now: it holds, or another thread is at it."""
        return time.monotonic() < self._until or self._guard.locked()

    @property
    def problem(self) -> str | None:
        """What was in the way at the last look, None if nothing was."""
        return self._problem

    def look(self) -> None:
        """Look whether something is in the way, if nobody is at it; this takes seconds."""
        if not self._guard.acquire(blocking=False):
            return
        try:
            problem, why = self._look()
            if problem is not None and problem != self._problem:
                _log.warning("lab: not ready: %s (%s)", problem, why)
            self._problem, self._until = problem, time.monotonic() + _KEPT_S
        finally:
            self._guard.release()

    def _look(self) -> tuple[str | None, object]:
        try:
            self._write()
            self._store.catalog.rows("select 1 as one")
        except (OSError, StoreReadOnlyError) as error:
            return "the store cannot be written", error
        except StoreBusyError as error:
            return "the store is in use by another program", error
        except StoreDamagedError as error:
            return "the store is damaged", error
        except LabError as error:
            return "the store cannot be opened", error
        if not self._has_started:
            why = _start_worker()
            if why is not None:
                return "workers cannot be started", why
            self._has_started = True
        return None, None

    def _write(self) -> None:
        """Raises OSError where nothing can be kept: no permission, no space, no folder."""
        private_folder(self._store.folder)
        with tempfile.TemporaryFile(dir=self._store.folder) as file:
            file.write(b"\0" * 4096)
            file.flush()


def _start_worker() -> str | None:
    """Why a worker that has nothing to do does not end well; None if it does."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "lab", "worker"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=lab_environment(),
            timeout=_START_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return None if done.returncode == 0 else f"exit code {done.returncode}: {said[-1:]}"


def probes(here: AppState) -> list[Probe]:
    """`/livez`: 200 as long as the process answers. `/readyz`: 200, or 503 with what is in the
    way of analyses, in a line.
    """
    readiness = Readiness(here)

    async def alive(request: Request) -> Response:
        return PlainTextResponse("ok", headers=_FRESH)

    async def ready(request: Request) -> Response:
        if not readiness.is_known:
            await anyio.to_thread.run_sync(readiness.look)
        problem = readiness.problem
        return PlainTextResponse(problem or "ok", 503 if problem else 200, _FRESH)

    return [Probe("/livez", alive, methods=["GET"]), Probe("/readyz", ready, methods=["GET"])]
