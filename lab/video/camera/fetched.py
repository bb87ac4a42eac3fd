"""The video of a camera as a file on this disk, wherever it lies."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from lab.errors import LabError, SettingError, SourceError
from lab.extras import need
from lab.leftovers import remove_folders_of_the_dead
from lab.registry import in_words
from lab.video.container import checked_path
from lab.video.remote_store import LocalCopy, is_remote

_PREFIX = "lab-camera-"
_CONNECT_S = 15.0
_SILENT_S = 60.0


@contextmanager
def fetched(video: str) -> Iterator[Path]:
    """The file, while this is entered. video: a path, or `s3://`, `gs://`, `https://`, `http://`.

    Raises SourceError if it cannot be had, SettingError for another kind of address.
    """
    if is_remote(video):
        copy = LocalCopy(video)
        try:
            yield copy.path
        finally:
            copy.close()
    elif video.startswith(("https://", "http://")):
        remove_folders_of_the_dead(_PREFIX)
        with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as folder:
            yield _downloaded(video, Path(folder))
    elif "://" in video:
        raise SettingError(
            "a video is a path, or an address with s3://, gs:// or https://, "
            f"got {shown_address(video)!r:.200}"
        )
    else:
        yield checked_path(Path(video).expanduser())


def shown_address(video: str) -> str:
    """As it may be shown: an address without user, password and query, which may hold a key."""
    if "://" not in video:
        return video
    scheme, _, rest = video.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}".partition("?")[0]


def _downloaded(url: str, folder: Path) -> Path:
    need("https://", "remote", "fsspec", "aiohttp", error=SourceError)
    import aiohttp
    import fsspec

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENT_S)
    options: dict[str, Any] = {"client_kwargs": {"timeout": timeout}, "skip_instance_cache": True}
    try:
        name = PurePosixPath(urlsplit(url).path).name or "clip"
        path = folder / name
        fsspec.filesystem(urlsplit(url).scheme, **options).get_file(url, str(path))
    except LabError:
        raise
    except FileNotFoundError:
        raise SourceError(f"no such file: {shown_address(url)}; check the address") from None
    except Exception as error:
        raise SourceError(f"{shown_address(url)} cannot be fetched: {_why(error, url)}") from None
    return checked_path(path)


def _why(error: Exception, url: str) -> str:
    import aiohttp

    if isinstance(error, aiohttp.ClientSSLError):
        return "its certificate is not valid, or it speaks no TLS; check the address"
    if isinstance(error, getattr(aiohttp, "ClientConnectorDNSError", ())):  # since 3.10
        return "there is no such host; check the spelling"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "nothing answers there; check host, port and the network"
    if isinstance(error, aiohttp.ClientResponseError):
        return f"it answers with status {error.status}; check the address and its key"
    if isinstance(error, TimeoutError):
        return "it does not answer in time; try again"
    words = in_words(error).replace(url, shown_address(url))[:300]
    return f"{words}; check the address and the network"
