"""A worker's requests to the app whose queue it works on."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lab.detectors.services.address import check_url
from lab.errors import JobError, SettingError
from lab.jobs.remote.message import PART_TYPE, POLL_S, SentPart, one_line

_CONNECT_S = 10.0
_SILENCE_S = 60.0
_WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0)
_BLOCK_BYTES = 1 << 20
_JSON = "application/json"


class DroppedError(JobError):
    """The app does not want what this worker has of its claim any more."""


class UnreachableError(JobError):
    """The app does not answer now; it may again."""


class RefusedByAppError(JobError):
    """The app does not let this worker in: its token, its scope, or its version."""


class Client:
    """Of one process. url: of the app, http://host:port. token: of the scope analyse.

    worker: an id of the process. name: for people. Redirects are not followed, so that the token
    goes nowhere else.
    """

    def __init__(self, url: str, token: str, worker: str, name: str) -> None:
        self.url = check_url("--queue", url)
        self._token, self._worker, self._name = token, worker, name
        self._own = threading.local()

    def claim(self, version: str, wait_s: float = POLL_S) -> tuple[dict[str, Any] | None, bool]:
        """A clip to be analysed, None if there is none yet; and whether the app looked, and has
        none for this worker.
        """
        body = {"worker": self._worker, "name": self._name, "version": version, "wait_s": wait_s}
        answer = self._send("POST", "/api/work/claim", body, wait_s + _SILENCE_S)
        if answer.status_code == 204:
            return None, "Retry-After" not in answer.headers
        return dict(answer.json()), False

    def beat(self, claim: str, done: int) -> None:
        """done: what was got done, in whatever unit; while it changes the worker is not stuck."""
        self._send("POST", f"/api/work/{claim}/beat", {"done": done}, _CONNECT_S)

    def opened(self, claim: str, body: Mapping[str, Any]) -> None:
        self._send("POST", f"/api/work/{claim}/opened", body)

    def part(self, claim: str, number: int, part: SentPart) -> None:
        self._send("PUT", f"/api/work/{claim}/parts/{number}", part.to_bytes())

    def outcome(self, claim: str, body: Mapping[str, Any]) -> None:
        self._send("POST", f"/api/work/{claim}/outcome", body)

    def back(self, claim: str, number: int, reason: str, *, is_unfit: bool) -> None:
        body = {"number": number, "reason": one_line(reason) or "?", "is_unfit": is_unfit}
        self._send("POST", f"/api/work/{claim}/back", body)

    def fetch(
        self,
        claim: str,
        into: Path,
        size_bytes: int,
        is_stopped: Callable[[], bool],
        count: Callable[[int], None] = lambda size: None,
    ) -> bool:
        """Fetch a clip, or go on with what is there of it; False if it was stopped.

        count: told the bytes of each block. What was fetched stays, whatever is raised.
        """
        have = into.stat().st_size if into.exists() else 0
        if have > size_bytes:
            into.unlink()
            have = 0
        if have == size_bytes:
            return True
        headers = {"Range": f"bytes={have}-"} if have else {}
        path = f"/api/work/{claim}/clip"
        with self._asked("GET", path, headers=headers, stream=True) as answer:
            self._check(answer)
            mode = "ab" if answer.status_code == 206 else "wb"
            with into.open(mode) as file:
                left = size_bytes - file.tell()
                for block in self._blocks(answer):
                    if is_stopped():
                        return False
                    left -= len(block)
                    if left < 0:
                        raise JobError("the app sent more of the clip than it announced")
                    file.write(block)
                    count(len(block))
        if left:
            raise UnreachableError("the connection broke off in the clip")
        return True

    def _blocks(self, answer: Any) -> Any:
        import requests

        try:
            yield from answer.iter_content(_BLOCK_BYTES)
        except requests.RequestException:
            raise UnreachableError("the connection broke off in the clip") from None

    def _send(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes,
        patience_s: float = _SILENCE_S,
    ) -> Any:
        is_part = isinstance(body, bytes)
        data = body if is_part else json.dumps(body).encode()
        headers = {"Content-Type": PART_TYPE if is_part else _JSON}
        with self._asked(method, path, data=data, headers=headers, patience_s=patience_s) as answer:
            self._check(answer)
            return answer

    def _asked(self, method: str, path: str, patience_s: float = _SILENCE_S, **more: Any) -> Any:
        """Raises UnreachableError."""
        import requests

        headers = {"Authorization": f"Bearer {self._token}", **more.pop("headers")}
        try:
            return self._session().request(
                method, self.url + path, headers=headers, allow_redirects=False,
                timeout=(_CONNECT_S, patience_s), **more,
            )  # fmt: skip
        except requests.exceptions.SSLError:
            raise RefusedByAppError(f"the certificate of {self.url} is not accepted") from None
        except requests.RequestException:
            raise UnreachableError(f"{self.url} does not answer") from None

    def _session(self) -> Any:
        """One for each thread, without netrc."""
        import requests

        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
            self._own.session.auth = _no_other_auth
        return self._own.session

    def _check(self, answer: Any) -> None:
        status = answer.status_code
        if status in (200, 204, 206):
            return
        words = _detail(answer) or f"it answered {status}"
        if status == 409:
            raise DroppedError(words)
        if status == 503 or status == 429 or status >= 500:
            raise UnreachableError(f"{self.url}: {words}")
        if status == 401:
            raise RefusedByAppError(
                f"{self.url} does not let this worker in: its token is not one of those that are "
                "valid there; make one with the scope analyse (lab token add NAME --scope analyse)"
            )
        if status == 403:
            raise RefusedByAppError(
                f"{self.url} does not let this worker in: {words}; its token needs the scope "
                "analyse (lab token add NAME --scope analyse)"
            )
        if 300 <= status < 400:
            raise RefusedByAppError(f"{self.url} leads elsewhere; give the address of the app")
        if status in (404, 405):
            raise SettingError(f"{self.url}: {words}")
        raise SettingError(f"{self.url} refused it: {words}")


def wait_of(tries: int) -> float:
    """Seconds until the app is tried again."""
    return _WAITS_S[min(tries, len(_WAITS_S) - 1)]


def _detail(answer: Any) -> str:
    try:
        found = answer.json()
        return one_line(found["detail"])[:400]
    except (ValueError, KeyError, TypeError):
        return ""


def _no_other_auth(request: Any) -> Any:
    return request
