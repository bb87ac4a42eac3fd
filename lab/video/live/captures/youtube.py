"""A page of YouTube, or of another site that yt-dlp knows: a live stream or a video."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from lab.errors import SettingError, SourceError
from lab.extras import need
from lab.registry import in_words
from lab.video.live.capture import Captured
from lab.video.live.captures.stream import StreamCapture, checked_url, without_password

_MAX_HEIGHT = 720
_MAX_RESOLVE_S = 90
_REFUSED = re.compile(r"\b(?:401|403|404|410)\b")
_ADDRESS = re.compile(r"\w+://\S+")


class YouTubeCapture(StreamCapture):
    """One connection to the stream behind a page, whose address is asked for each time anew, since
    it holds only for some hours.

    url: of the page, https. max_height: of the picture; the highest that the page has up to it is
    taken.

    Raises SettingError for anything else, and where yt-dlp is not installed.
    """

    def __init__(
        self, url: str, *, max_height: int | None = _MAX_HEIGHT, connect_s: float = 10.0
    ) -> None:
        need("the source youtube", "live", "yt_dlp", error=SettingError)
        super().__init__(url, max_height=max_height, connect_s=connect_s)
        if urlsplit(url).scheme != "https":
            raise SettingError(
                f"url must be that of a page, https://..., got {without_password(url)!r:.200}"
            )
        self._page = url
        self._is_live = True

    def read(self) -> Iterator[Captured]:
        """See `lab.video.live.capture.Capture`."""
        found: dict[str, Any] = {}
        proxy = self._checked_options().get("http_proxy")
        for waiting in _resolved(self._page, self.max_height, found, proxy):
            yield Captured(waiting=waiting)
        url = found.get("url")
        if not isinstance(url, str):
            raise SourceError(f"{self._name} cannot be resolved: yt-dlp gave no address of a video")
        try:
            checked_url(url)
        except SettingError as error:
            raise SourceError(f"{self._name} cannot be resolved: {error}") from None
        self._go_to(url, str((found.get("http_headers") or {}).get("User-Agent", "")))
        self._is_live = bool(found.get("is_live"))
        if _has_ended(found, self.is_again):
            raise SourceError(f"{self._name}: the live stream has ended; another is waited for")
        try:
            for captured in super().read():
                self.is_finite = not self._is_live
                yield captured
        except SourceError as error:
            raise _expired(self._name, error) from None


def _has_ended(found: Mapping[str, Any], is_again: bool) -> bool:
    """Whether what is found is a live stream of the past. is_again: it was watched already, so that
    its recording, from its beginning, would show all of it a second time.
    """
    status = found.get("live_status")
    return status == "post_live" or (status == "was_live" and is_again)


def _expired(name: str, error: SourceError) -> SourceError:
    """The addresses that yt-dlp gives hold for some hours, and for one computer."""
    if not _REFUSED.search(str(error)):
        return error
    return SourceError(f"{name}: the address that yt-dlp gave has expired; a new one is asked for")


def _resolved(
    page: str, max_height: int | None, found: dict[str, Any], proxy: str | None = None
) -> Iterator[str]:
    """What is waited for, each second, until `found` holds what yt-dlp says. Raises SourceError."""
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            found.update(_ask(page, max_height, proxy))
        except BaseException as error:  # whatever its many extractors raise
            errors.append(error)

    asking = threading.Thread(target=ask, daemon=True, name="yt-dlp")
    asking.start()
    for _ in range(_MAX_RESOLVE_S):
        asking.join(1.0)
        if not asking.is_alive():
            break
        yield f"asking yt-dlp for the stream of {without_password(page)}"
    else:
        raise SourceError(
            f"{without_password(page)} cannot be resolved: "
            f"yt-dlp gave no answer in {_MAX_RESOLVE_S} s"
        )
    if errors:
        raise SourceError(f"{without_password(page)} cannot be resolved: {_why(errors[0])}")


def _ask(page: str, max_height: int | None, proxy: str | None = None) -> dict[str, Any]:
    """The best picture up to a height, as a stream that needs no joining; H.264 where it can be."""
    from yt_dlp import YoutubeDL

    limit = f"[height<={max_height}]" if max_height else ""
    kinds = [
        f"{what}{limit}[protocol^={how}]{codec}"
        for codec in ("[vcodec^=avc1]", "")
        for how in ("m3u8", "https")
        for what in ("bv*", "b")
    ]
    options: dict[str, Any] = {
        "format": "/".join([*kinds, f"b{limit}", "b"]),
        "quiet": True,
        "no_warnings": True,
        "noplaylist": True,
        "playlist_items": "1",
        "logger": _Silent(),
        "socket_timeout": 20,
        "cachedir": False,
    }
    if proxy is not None:
        options["proxy"] = proxy
    if (deno := _deno()) is not None:
        options["js_runtimes"] = {"deno": {"path": deno}}
    with YoutubeDL(options) as resolver:
        found: dict[str, Any] = resolver.extract_info(page, download=False)
    entries = found.get("entries")
    return next(iter(entries)) if entries else found


def _deno() -> str | None:
    """The JavaScript runtime that was installed beside yt-dlp."""
    try:
        from deno import find_deno_bin

        return str(find_deno_bin())
    except (ImportError, OSError):
        return None


class _Silent:
    """What yt-dlp says goes nowhere: its output is this process's, and names addresses."""

    def debug(self, text: str) -> None:
        pass

    info = warning = error = debug


def _why(error: BaseException) -> str:
    text = _ADDRESS.sub(lambda one: without_password(one[0]), in_words(error))
    text = text.removeprefix("DownloadError: ").removeprefix("ERROR: ")
    text = text.partition("; please report")[0][:300]
    known = next((why for marks, why in _REASONS if any(m in text.lower() for m in marks)), None)
    return f"{known} ({text})" if known else text


# By what yt-dlp says, the first that fits.
_REASONS = (
    (
        ("sign in", "log in", "login", "cookies", "not a bot", "members-only", "private video"),
        "it is only for who is signed in, and this program gives no cookies; give a public page",
    ),
    (("will begin", "premieres in", "scheduled for"), "it has not begun"),
    (
        ("not currently live", "live event has ended", "live stream recording is not available"),
        "it is not live now",
    ),
    (
        ("removed", "unavailable", "terminated", "does not exist", "http error 404"),
        "it is gone, or never was; check the address",
    ),
    (("your country", "geo restrict", "your location"), "it is not shown in this country"),
    (("http error 429", "too many requests"), "the site refuses so many requests; wait"),
    (
        ("name resolution", "failed to resolve", "name or service not known", "unreachable",
         "connection refused", "timed out", "getaddrinfo"),
        "the site cannot be reached; check this computer's network",
    ),
    (("unsupported url",), "yt-dlp knows no video there; check the address"),
    (("requested format is not available",), "it has no picture that fits; set another max_height"),
)  # fmt: skip
