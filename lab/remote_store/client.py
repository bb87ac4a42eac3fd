"""Requests to a lab elsewhere: the token, errors in its words, pages and streams."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from lab.access.asker import RefusedError
from lab.errors import (
    ConflictError,
    ForbiddenError,
    LabError,
    NotFoundError,
    SettingError,
    StoreBusyError,
    StoreError,
)

if TYPE_CHECKING:
    import requests

PAGE = 1000  # items that are asked for at once
_CONNECT_S, _READ_S = 10.0, 120.0
_ERRORS: dict[int, type[LabError]] = {
    400: SettingError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    422: SettingError,
    503: StoreBusyError,
}
Query = Mapping[str, Any]


class Client:
    """url: of the lab, such as http://127.0.0.1:8501. token: None takes that of LAB_TOKEN.

    All of it raises what the store itself would: NotFoundError, SettingError, ForbiddenError,
    ConflictError, StoreBusyError; RefusedError for a token that is not let in, or too many
    requests; StoreError where nothing answers.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        import requests

        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
            raise SettingError(f"the address of a lab is like http://host:8501, got {url!r:.200}")
        self.url = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self._session = requests.Session()
        self._session.trust_env = False  # neither proxies nor passwords of this machine
        secret = token or os.environ.get("LAB_TOKEN")
        if secret:
            self._session.headers["Authorization"] = f"Bearer {secret}"

    def close(self) -> None:
        self._session.close()

    def get(self, path: str, query: Query | None = None) -> Any:
        return self.ask("GET", path, query=query)

    def ask(self, method: str, path: str, *, query: Query | None = None, body: Any = None) -> Any:
        """What is answered, as JSON."""
        with self._asked(method, path, query, body=body) as answer:
            try:
                return answer.json()
            except ValueError:
                raise StoreError(f"{self.url} gave no JSON; is it a lab?") from None

    def pages(self, path: str, query: Query | None = None) -> Iterator[dict[str, Any]]:
        """All items of a list."""
        asked: dict[str, Any] = {"limit": PAGE, **(query or {})}
        while True:
            found = self.get(path, asked)
            yield from found["items"]
            if found["next_cursor"] is None:
                return
            asked["cursor"] = found["next_cursor"]

    @contextmanager
    def stream(
        self, path: str, query: Query | None = None, headers: Mapping[str, str] | None = None
    ) -> Iterator[requests.Response]:
        """An answer whose content is read as it comes; 304 is one."""
        with self._asked("GET", path, query, headers=headers, stream=True) as answer:
            yield answer

    @contextmanager
    def _asked(
        self, method: str, path: str, query: Query | None, *, body: Any = None,
        headers: Mapping[str, str] | None = None, stream: bool = False,
    ) -> Iterator[requests.Response]:  # fmt: skip
        import requests
        from urllib3.exceptions import HTTPError

        given = {k: v for k, v in (query or {}).items() if v is not None}
        try:
            with self._session.request(
                method,
                f"{self.url}/api{path}",
                params=given,
                json=body,
                headers=dict(headers or {}),
                timeout=(_CONNECT_S, _READ_S),
                allow_redirects=False,  # the token is for this address alone
                stream=stream,
            ) as answer:
                if answer.status_code >= 300 and answer.status_code != 304:
                    raise _error_of(self.url, answer)
                yield answer
        except (requests.exceptions.ChunkedEncodingError, HTTPError) as error:
            raise StoreError(
                f"the answer of the lab at {self.url} broke off: {_why(error)}; try again"
            ) from None
        except requests.RequestException as error:
            raise StoreError(f"the lab at {self.url} cannot be reached: {_why(error)}") from None


def part(name: str) -> str:
    """An id as a part of a path."""
    return quote(name, safe="")


def _error_of(url: str, answer: requests.Response) -> LabError:
    status = answer.status_code
    try:
        said = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        said = f"{url} answered with status {status}; is it a lab?"
    if status in (401, 413, 429):
        return RefusedError(status, said)
    return _ERRORS.get(status, StoreError)(said)


def _why(error: Exception) -> str:
    return type(getattr(error, "reason", None) or error).__name__
