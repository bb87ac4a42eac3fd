"""Requests to a service over HTTP: secrets, time-outs and retries.

Of what a request raises only its kind reaches a message: the texts of the HTTP library may hold
headers and addresses, and so secrets.
"""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from lab.detectors.services.address import is_loopback, origin
from lab.errors import SettingError

JSON = "application/json"
MAX_RESPONSE_BYTES = 32 * 2**20
MAX_RETRY_AFTER_S = 60.0


class ServiceError(Exception):
    """A request that failed. Its text holds no secret, so it may be logged.

    status: the HTTP status, None if there was no whole answer. may_pass: whether a retry may help.
    retry_after_s: how long the service asks to wait.
    """

    def __init__(
        self,
        reason: str,
        status: int | None = None,
        *,
        may_pass: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.status, self.may_pass, self.retry_after_s = status, may_pass, retry_after_s


class Service:
    """One address that answers JSON, with connections that are kept. Threads may share it.

    url: checked by `check_url`. kind: the word for messages, as `worker`. secret: never shown,
    whatever the service answers. timeout_s: for connecting, for each silence, and for the body
    of an answer as a whole. retries: how often a request is repeated after a failed connection, a
    time-out, 429 or 5xx, `retry_wait_s`, twice that, four times that ... later, or when the
    answer's Retry-After says, 60 s at most. Redirects are not followed.
    """

    def __init__(
        self,
        url: str,
        *,
        kind: str,
        headers: dict[str, str] | None = None,
        secret: str | None = None,
        timeout_s: float = 10.0,
        retries: int = 3,
        retry_wait_s: float = 2.0,
        connections: int = 1,
    ) -> None:
        _check_number("timeout_s", timeout_s, 0.01, 3600)
        check_retries(retries, retry_wait_s)
        self.url = url
        self.name = f"{kind} at {origin(url)}"
        self._secret = secret
        self._timeout_s, self._retries, self._wait_s = timeout_s, retries, retry_wait_s
        self._closed = threading.Event()
        self._session = _session(url, connections)
        self._session.headers.update({"Accept": "application/json", "Accept-Encoding": "identity"})
        self._session.headers.update(headers or {})

    def get(self, path: str) -> Any:
        """The JSON at `path`, requested once. Raises ServiceError."""
        return self._once("GET", path, None)

    def post_once(self, path: str, data: bytes, content_type: str = JSON) -> Any:
        """The JSON that answers a body, requested once. Raises ServiceError."""
        return self._once("POST", path, data, content_type)

    def post(
        self,
        path: str,
        body: Any,
        *,
        before_try: Callable[[], None] = lambda: None,
        refused: Callable[[], None] = lambda: None,
    ) -> Any:
        """The JSON that answers `body`, after as many tries as are allowed.

        before_try: called before each; what it raises ends the tries. refused: called after each
        that the service answered with an error. Raises ServiceError.
        """
        data = json.dumps(body).encode()
        for attempt in range(self._retries + 1):
            before_try()
            try:
                return self._once("POST", path, data)
            except ServiceError as error:
                if error.status is not None:
                    refused()
                if not error.may_pass:
                    raise
                last = error
            is_last = attempt == self._retries
            if not is_last and self._closed.wait(wait_of(last, self._wait_s * 2**attempt)):
                raise ServiceError(f"{last}; the detector was closed")
        raise ServiceError(
            f"{last}, {counted_tries(self._retries + 1)}", last.status, may_pass=True
        )

    def close(self) -> None:
        """End the waiting between tries and close the connections; calling it twice is fine."""
        self._closed.set()
        self._session.close()

    def _once(self, method: str, path: str, data: bytes | None, content_type: str = JSON) -> Any:
        import requests
        import urllib3

        headers = {} if data is None else {"Content-Type": content_type}
        try:
            with self._session.request(
                method, self.url + path, data=data, headers=headers, timeout=self._timeout_s,
                stream=True, allow_redirects=False,
            ) as response:  # fmt: skip
                body = self._body(response.raw)
        except (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError):
            raise self._no_answer() from None
        except requests.exceptions.SSLError:
            raise ServiceError(f"the certificate of the {self.name} is not accepted") from None
        except (requests.ConnectionError, urllib3.exceptions.HTTPError) as error:
            if _holds_timeout(error):
                raise self._no_answer() from None
            raise ServiceError(f"{self.name} cannot be reached", may_pass=True) from None
        except (OSError, ValueError) as error:
            raise ServiceError(f"{self.name} cannot be requested: {type(error).__name__}") from None
        if response.status_code == 200:
            return self._json(body)
        raise self._error(response.status_code, response.headers, body)

    def _no_answer(self) -> ServiceError:
        return ServiceError(
            f"{self.name} did not answer within {self._timeout_s:g} s", may_pass=True
        )

    def _body(self, raw: Any) -> bytes:
        """The body, read in parts, so that its size and its time are limited."""
        end = time.monotonic() + self._timeout_s
        parts, size = [], 0
        while part := raw.read1(2**16):
            parts.append(part)
            size += len(part)
            if size > MAX_RESPONSE_BYTES:
                raise ServiceError(f"{self.name} answered with more than 32 MB")
            if time.monotonic() > end:
                raise self._no_answer()
        return b"".join(parts)

    def _json(self, body: bytes) -> Any:
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise ServiceError(f"{self.name} answered with what is not JSON") from None

    def _error(self, status: int, headers: Any, body: bytes) -> ServiceError:
        if 300 <= status < 400:
            where = origin(headers.get("Location", ""))
            words = (
                f"{self.name} redirects to {where}, which is not followed; "
                "give that address instead"
            )
            return ServiceError(self.redact(words), status)
        words = f"{self.name} answered {status}"
        if message := self.redact(_message(body)):
            words += f": {message}"
        may_pass = status == 429 or status >= 500
        return ServiceError(
            words,
            status,
            may_pass=may_pass,
            retry_after_s=_retry_after_s(headers.get("Retry-After")),
        )

    def redact(self, words: str) -> str:
        """One line of at most 200 characters, without the secret."""
        if self._secret:
            words = words.replace(self._secret, "***")
        return "".join(c if c.isprintable() else " " for c in words)[:200].strip()


def wait_of(error: ServiceError, otherwise_s: float) -> float:
    """How long to wait before the next try: what the service asked for, 60 s at most."""
    if error.retry_after_s is None:
        return otherwise_s
    return min(error.retry_after_s, MAX_RETRY_AFTER_S)


def counted_tries(tries: int) -> str:
    return f"{tries} {'try' if tries == 1 else 'tries'}"


def check_retries(retries: Any, retry_wait_s: Any) -> None:
    """Raises SettingError for what `Service` does not take."""
    _check_number("retry_wait_s", retry_wait_s, 0, 600)
    if isinstance(retries, bool) or not isinstance(retries, int) or not 0 <= retries <= 10:
        raise SettingError(f"retries must be a whole number from 0 to 10, got {retries!r}")


def _check_number(name: str, value: Any, minimum: float, maximum: float) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not minimum <= value <= maximum:
        raise SettingError(
            f"{name} must be a number from {minimum:g} to {maximum:g}, got {value!r}"
        )


def _session(url: str, connections: int) -> Any:
    """A session with proxies and certificates from the environment, but no netrc or cookies."""
    import requests
    from requests.adapters import HTTPAdapter
    from requests.cookies import RequestsCookieJar

    class NoCookies(RequestsCookieJar):
        def extract_cookies(self, *_: Any, **__: Any) -> None:
            return None

    session = requests.Session()
    session.trust_env = False
    session.cookies = NoCookies()
    if not is_loopback(urlsplit(url).hostname or ""):
        session.proxies = requests.utils.get_environ_proxies(url)
    session.verify = (
        os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
    )
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(pool_maxsize=connections))
    return session


def _holds_timeout(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, TimeoutError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _message(body: bytes) -> str:
    """The message in an error's body, in the forms that services use; empty if there is none."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    error = content.get("error", content.get("detail")) if isinstance(content, dict) else None
    if isinstance(error, dict):
        error = error.get("message")
    return error if isinstance(error, str) else ""


def _retry_after_s(value: str | None) -> float | None:
    """Seconds, or a date (RFC 9110, section 10.2.3); None for neither."""
    if value is None:
        return None
    if re.fullmatch(r"\d{1,9}", value.strip()):
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
