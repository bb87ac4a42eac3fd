"""HTTP as sinks need it: time limits that hold, no redirects, errors without secrets."""

from __future__ import annotations

import email.utils
import json
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.access.addresses import AddressRules
from lab.access.checked_proxy import CheckedProxy
from lab.errors import SettingError
from lab.extras import need
from lab.registry import in_words
from lab.sinks.secrets import keep_addresses_from_logs, redacted
from lab.sinks.sink import DeliveryFailed

Params = Mapping[str, str] | Sequence[tuple[str, str]]
TIMEOUT_S = 10.0
_MOST_BYTES = 1 << 20
_SHOWN = 160


@dataclass(frozen=True)
class Answer:
    """What the other side answered. headers: names in lower case. body: its first MiB."""

    host: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """None if it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def retry_after_s(self) -> float:
        """What the header Retry-After asks for; 0 if nothing."""
        text = self.headers.get("retry-after", "").strip()
        try:
            return max(0.0, float(text))
        except ValueError:
            pass
        try:
            until = email.utils.parsedate_to_datetime(text)
        except ValueError:
            return 0.0
        return max(0.0, until.timestamp() - time.time())


class HttpClient:
    """Sends requests, each within a time limit that holds for the whole of it but its upload.

    secrets: texts that no error shows. timeout_s: to connect, and between two pieces of data; an
    answer may take three times as long as a whole.
    """

    def __init__(
        self, what: str, *, secrets: Sequence[str] = (), timeout_s: float = TIMEOUT_S
    ) -> None:
        need(what, "live", "httpx2", error=SettingError)
        if not 0 < timeout_s <= 600:
            raise SettingError(f"timeout_s must be above 0 and at most 600, got {timeout_s:g}")
        self._secrets, self._timeout_s = tuple(secrets), timeout_s
        self._client: Any = None
        self._addresses: AddressRules | None = None
        self._proxy: CheckedProxy | None = None

    def keep_to(self, addresses: AddressRules) -> None:
        """Connect only where the rules allow, from the next request on."""
        self.close()
        self._addresses = addresses

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        params: Params | None = None,
    ) -> Answer:
        """Raises DeliveryFailed if there is no answer."""
        import httpx2

        if self._client is None:
            keep_addresses_from_logs()
            self._client = self._made_client()
        host = host_of(url)
        try:
            with self._client.stream(
                method, url, headers=headers, content=content, params=params
            ) as response:
                if self._refused() is not None:
                    raise DeliveryFailed(f"{host} may not be connected to: {self._refused()}")
                body = self._body(response, host)
                names = {name.lower(): value for name, value in response.headers.items()}
                return Answer(host, response.status_code, names, body)
        except httpx2.TimeoutException:
            raise DeliveryFailed(f"{host} did not answer within {self._timeout_s:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            text = self._refused() or redacted(in_words(error), self._secrets)
            raise DeliveryFailed(f"{host} cannot be reached: {text}") from None

    def sent(self, method: str, url: str, **more: Any) -> Answer:
        """`send`, where any answer but success is a failure. Raises DeliveryFailed."""
        answer = self.send(method, url, **more)
        if not answer.is_ok:
            raise self.failure(answer)
        return answer

    def failure(self, answer: Answer) -> DeliveryFailed:
        """In words, with the time that the other side asks to wait."""
        retry_after_s = answer.retry_after_s if answer.status in (429, 503) else 0.0
        return DeliveryFailed(self.words(answer), retry_after_s=retry_after_s)

    def words(self, answer: Answer) -> str:
        """Such as `example.org answered 400: no such column`."""
        if 300 <= answer.status < 400:
            return (
                f"{answer.host} answered {answer.status}, a redirect, which is not followed; "
                "name the address that it leads to"
            )
        text = " ".join(answer.body[:2000].decode("utf-8", "replace").split())
        shown = redacted(text, self._secrets)[:_SHOWN]
        return f"{answer.host} answered {answer.status}" + (f": {shown}" if shown else "")

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._proxy is not None:
            self._proxy.__exit__()
            self._proxy = None

    def _made_client(self) -> Any:
        import httpx2

        more: dict[str, Any] = {}
        if self._addresses is not None and not self._addresses.allows_private:
            self._proxy = CheckedProxy(self._addresses).__enter__()
            # Nothing of the environment: NO_PROXY would lead past this proxy.
            more = {"proxy": self._proxy.url, "trust_env": False}
        return httpx2.Client(timeout=self._timeout_s, follow_redirects=False, **more)

    def _refused(self) -> str | None:
        return None if self._proxy is None else self._proxy.refused

    def _body(self, response: Any, host: str) -> bytes:
        until = time.monotonic() + 3 * self._timeout_s
        body = bytearray()
        for piece in response.iter_bytes():
            body += piece
            if len(body) > _MOST_BYTES:
                break
            if time.monotonic() > until:
                raise DeliveryFailed(f"{host} did not end its answer in time")
        return bytes(body[:_MOST_BYTES])


def host_of(url: str) -> str:
    """The host of an address, which may be shown."""
    try:
        return urllib.parse.urlsplit(url).hostname or "the address"
    except ValueError:
        return "the address"


def checked_address(url: str, place: str) -> str:
    """An http(s) address. place: of the setting. Raises SettingError, which does not show it."""
    try:
        parts = urllib.parse.urlsplit(url.strip())
        is_fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_fine = False
    if not is_fine or any(c.isspace() for c in url.strip()):
        raise SettingError(f"{place} must be an address with http:// or https:// and a host")
    return url.strip()


def multipart(parts: Sequence[tuple[str, str | None, str, bytes]]) -> tuple[bytes, str]:
    """A body of `multipart/form-data`, and its content type.

    parts: name, file name, content type and content of each.
    """
    import httpx2

    files = [(name, (file, content, kind)) for name, file, kind, content in parts]
    request = httpx2.Request("POST", "http://localhost/", files=files)
    return request.read(), request.headers["content-type"]
