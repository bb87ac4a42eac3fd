"""Several workers that do the same: who is asked next, and what becomes of those that fail."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from lab.detectors.services.client import Service, ServiceError, counted_tries, wait_of
from lab.detectors.services.response import InvalidResponse, mapping
from lab.detectors.services.worker_info import difference_of

Answer = TypeVar("Answer")
_MOST_AWAY_S = 60.0


@dataclass(eq=False)
class Worker:
    """One of them. info: what its `/ai/info` says. under_way: requests that it has now.

    back_at: it is not asked before (on the monotonic clock), after failures in a row.
    """

    service: Service
    info: dict[str, Any] | None = None
    under_way: int = 0
    failures: int = 0
    back_at: float = 0.0


class Workers:
    """Requests go to the worker that has the fewest; one that failed is left out for a while.

    services: one for each, without tries of its own. retries: rounds after the first, with
    `retry_wait_s`, twice that, ... between them; in each round a request is tried at every worker
    that is not left out, until one answers. So a request has one answer: that of a worker that was
    given up is not waited for any more.
    """

    def __init__(self, services: Sequence[Service], retries: int, retry_wait_s: float) -> None:
        self._workers = [Worker(service) for service in services]
        self._retries, self._wait_s = retries, retry_wait_s
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def close(self) -> None:
        self._closed.set()
        for worker in self._workers:
            worker.service.close()

    @property
    def ready(self) -> int:
        """How many are not left out, at least 1."""
        now = time.monotonic()
        return max(1, sum(worker.back_at <= now for worker in self._workers))

    def infos(self) -> list[dict[str, Any]]:
        """What those say of themselves that are there now; the others are left out at first.

        Raises ServiceError, InvalidResponse if none is.
        """
        first: ServiceError | InvalidResponse | None = None
        for worker in self._workers:
            try:
                _check_health(worker.service)
                name = f"/ai/info of the {worker.service.name}"
                worker.info = mapping(worker.service.get("/ai/info"), name)
            except (ServiceError, InvalidResponse) as error:
                first = first or error
                self._failed(worker)
        found = [worker.info for worker in self._workers if worker.info is not None]
        if not found:
            assert first is not None
            raise first
        return found

    def call(self, request: Callable[[Service], Answer]) -> Answer:
        """What a worker answers. Raises ServiceError, with the last reason; what `request` raises.

        request: one try at one worker; a ServiceError that may pass is followed by another.
        """
        tries, last = 0, ServiceError("no worker was asked")
        for attempt in range(self._retries + 1):
            tried: set[Worker] = set()
            while (worker := self._take(tried)) is not None:
                tried.add(worker)
                tries += 1
                try:
                    answer = self._asked(worker, request)
                except ServiceError as error:
                    if not error.may_pass:
                        raise
                    last = error
                else:
                    return answer
            if attempt < self._retries and self._closed.wait(
                wait_of(last, self._wait_s * 2**attempt)
            ):
                raise ServiceError(f"{last}; the detector was closed")
        raise ServiceError(f"{last}, {counted_tries(tries)}", last.status, may_pass=True)

    def _asked(self, worker: Worker, request: Callable[[Service], Answer]) -> Answer:
        try:
            if worker.failures and len(self._workers) > 1:
                self._welcome_back(worker)
            answer = request(worker.service)
        except ServiceError as error:
            if error.may_pass:
                self._failed(worker)
            raise
        finally:
            with self._lock:
                worker.under_way -= 1
        worker.failures, worker.back_at = 0, 0.0
        return answer

    def _take(self, tried: set[Worker]) -> Worker | None:
        """The next to be asked: one that is left out only if nobody was asked yet."""
        with self._lock:
            now = time.monotonic()
            rest = [worker for worker in self._workers if worker not in tried]
            here = [worker for worker in rest if worker.back_at <= now]
            if here:
                chosen = min(here, key=lambda worker: worker.under_way)
            elif rest and not tried:
                chosen = min(rest, key=lambda worker: worker.back_at)
            else:
                return None
            chosen.under_way += 1
            return chosen

    def _failed(self, worker: Worker) -> None:
        with self._lock:
            worker.failures += 1
            away_s = min(self._wait_s * 2 ** (worker.failures - 1), _MOST_AWAY_S)
            worker.back_at = time.monotonic() + away_s

    def _welcome_back(self, worker: Worker) -> None:
        """Before pictures are sent to one that had failed. Raises ServiceError that may pass."""
        name = worker.service.name
        try:
            _check_health(worker.service)
            info = mapping(worker.service.get("/ai/info"), f"/ai/info of the {name}")
        except (ServiceError, InvalidResponse) as error:
            raise ServiceError(str(error), may_pass=True) from None
        known = next((one.info for one in self._workers if one.info is not None), info)
        if difference := difference_of(known, info):
            raise ServiceError(f"{name} differs from the others in {difference}", may_pass=True)
        worker.info = info


def _check_health(service: Service) -> None:
    health = mapping(service.get("/ai/health"), f"/ai/health of the {service.name}")
    status = health.get("status", "healthy")
    if status not in ("healthy", "ok"):
        raise InvalidResponse(f"{service.name} says that its status is {status!r}")
