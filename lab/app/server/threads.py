"""Threads for what waits for the catalog, apart from those that serve files."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio.lowlevel import RunVar

Result = TypeVar("Result")
# One operation at a time uses the catalog: more threads would only wait for each other, for longer
# than they are patient. Requests beyond these wait in line, without a limit.
_THREADS = 8
_limiter: RunVar[anyio.CapacityLimiter] = RunVar("threads of the catalog")


async def run_in_threadpool(function: Callable[..., Result], *given: object) -> Result:
    """As Starlette's, whose threads are left to clips and pictures."""
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(_THREADS)
        _limiter.set(limiter)
    return await anyio.to_thread.run_sync(lambda: function(*given), limiter=limiter)
