"""Fetching a file over HTTPS: resumed where it broke off, checked before it gets its name."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from lab.detectors.weights.catalogue import is_allowed
from lab.detectors.weights.files import weights_sha256
from lab.detectors.weights.offline import is_offline
from lab.errors import DetectorError

Progress = Callable[[int, int | None], None]
_BLOCK_BYTES = 1 << 16
_TIMEOUT_S = (10, 60)
_MAX_REDIRECTS = 8
_RETRIED = (408, 429, 500, 502, 503, 504)


class _Broken(Exception):
    """The connection failed in a way that another attempt may mend."""


def redact_url(url: str) -> str:
    """An address for messages: without user, password, query and fragment."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    size_bytes: int | None = None,
    progress: Progress | None = None,
    attempts: int = 4,
    pause_s: float = 1.0,
) -> str:
    """Fetch `url` to `target` through `TARGET.part`; returns the sha256 of what came.

    A part that is there is continued if the server still has the same file. progress: called with
    bytes done and bytes in all (None if the server does not say). attempts: tries in a row that
    bring nothing. Two processes that want one target take turns; the second finds it done.

    Raises DetectorError, in one line, if it cannot be had, kept, or is not the expected file;
    then nothing lies under the target's name.
    """
    import filelock

    if not is_allowed(url):
        raise _refused(url, target, "its address must begin with https://")
    if is_offline():
        raise _refused(url, target, "downloads are off: LAB_OFFLINE or YOLO_OFFLINE is set")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(target.parent / f".{target.name}.lock"):
            if target.is_file():
                return _checked(target, target, sha256=sha256, md5=md5, size_bytes=size_bytes)
            part = target.with_name(target.name + ".part")
            _fill(url, target, part, progress, attempts, pause_s)
            digest = _checked(part, target, sha256=sha256, md5=md5, size_bytes=size_bytes)
            os.replace(part, target)
            _note_of(part).unlink(missing_ok=True)
            return digest
    except OSError as error:
        raise _refused(
            url, target, f"{target.parent}: {error.strerror or type(error).__name__}"
        ) from None


def _refused(url: str, target: Path, why: str) -> DetectorError:
    return DetectorError(
        f"{target.name} could not be downloaded ({why}); fetch {redact_url(url)} yourself and put it at {target}"
    )


def _fill(
    url: str, target: Path, part: Path, progress: Progress | None, attempts: int, pause_s: float
) -> None:
    """Bring the part to its full length."""
    import requests

    idle = 0
    with requests.Session() as session:
        while True:
            before = part.stat().st_size if part.exists() else 0
            try:
                return _attempt(session, url, target, part, progress)
            except _Broken as broken:
                now = part.stat().st_size if part.exists() else 0
                idle = 0 if now > before else idle + 1
                if idle >= attempts:
                    raise _refused(url, target, str(broken)) from None
                time.sleep(min(pause_s * 2 ** max(idle - 1, 0), 30.0))


def _attempt(session: Any, url: str, target: Path, part: Path, progress: Progress | None) -> None:
    note = _read_note(part, url)
    done = part.stat().st_size if note and part.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if done and note:
        headers |= {"Range": f"bytes={done}-", "If-Range": note["validator"]}
    response = _get(session, url, target, headers)
    with response:
        status = response.status_code
        if status == 416:
            if done and response.headers.get("Content-Range", "") == f"bytes */{done}":
                return
            part.unlink(missing_ok=True)
            raise _Broken("the server refused to continue a part")
        if status in _RETRIED:
            raise _Broken(f"the server answered {status}")
        if status == 206:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {done}-"):
                part.unlink(missing_ok=True)
                raise _Broken("the server sent another part than asked for")
        elif status == 200:
            done = 0
        else:
            raise _refused(url, target, f"the server answered {status} {response.reason}")
        total = _total(response, done)
        if total is not None and total - done > shutil.disk_usage(part.parent).free:
            raise _refused(url, target, f"{total - done} bytes are needed, the disk has fewer")
        if not done:
            _write_note(part, url, response.headers)
        _receive(response, part, done, total, progress)


def _get(session: Any, url: str, target: Path, headers: dict[str, str]) -> Any:
    """One request; redirects go to https alone (or stay on this machine)."""
    import requests

    at = url
    for _ in range(_MAX_REDIRECTS):
        host = urlsplit(at).hostname
        try:
            response = session.get(
                at, headers=headers, stream=True, timeout=_TIMEOUT_S, allow_redirects=False
            )
        except requests.exceptions.SSLError:
            raise _refused(url, target, f"the certificate of {host} is not accepted") from None
        except requests.exceptions.Timeout:
            raise _Broken(f"{host} does not answer") from None
        except requests.RequestException:
            raise _Broken(f"no connection to {host}") from None
        if not response.is_redirect:
            return response
        response.close()
        to = urljoin(at, response.headers["Location"])
        if not is_allowed(to, loopback=urlsplit(at).scheme == "http"):
            raise _refused(
                url, target, f"it was redirected to {redact_url(to)}, which is not https"
            )
        at = to
    raise _refused(url, target, "too many redirects")


def _receive(
    response: Any, part: Path, done: int, total: int | None, progress: Progress | None
) -> None:
    import requests

    with open(part, "r+b" if done else "wb") as file:
        file.seek(done)
        try:
            for block in response.iter_content(_BLOCK_BYTES):
                file.write(block)
                done += len(block)
                if progress:
                    progress(done, total)
        except requests.RequestException:
            raise _Broken(f"the connection broke after {done} bytes") from None
        file.flush()
        os.fsync(file.fileno())
    if total is not None and done != total:
        raise _Broken(f"the connection ended after {done} of {total} bytes")


def _total(response: Any, done: int) -> int | None:
    length = response.headers.get("Content-Length")
    return done + int(length) if length and length.isdigit() else None


def _note_of(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _read_note(part: Path, url: str) -> dict[str, str] | None:
    """What tells whether the server's file is still the one that the part is of."""
    try:
        note = json.loads(_note_of(part).read_text())
    except (OSError, ValueError):
        return None
    is_note = isinstance(note, dict) and note.get("url") == _url_mark(url) and note.get("validator")
    return note if is_note else None


def _write_note(part: Path, url: str, headers: Any) -> None:
    # If-Range takes a strong entity tag or a date (RFC 9110, 13.1.5).
    tag = headers.get("ETag", "")
    validator = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")
    _note_of(part).write_text(json.dumps({"url": _url_mark(url), "validator": validator}))


def _url_mark(url: str) -> str:
    """A hash: the address may hold a key."""
    return hashlib.sha256(url.encode()).hexdigest()


def _checked(
    file: Path, target: Path, *, sha256: str | None, md5: str | None, size_bytes: int | None
) -> str:
    """The sha256 of a file that passed. One that did not is deleted, unless it is the target."""

    size, digest = file.stat().st_size, weights_sha256(file)
    wrong = None
    if size_bytes is not None and size != size_bytes:
        wrong = f"{size} bytes, expected {size_bytes}"
    elif sha256 is not None and digest != sha256:
        wrong = f"sha256 {digest[:12]}..., expected {sha256[:12]}..."
    elif md5 is not None:
        with open(file, "rb") as opened:
            got = hashlib.file_digest(
                opened, lambda: hashlib.md5(usedforsecurity=False)
            ).hexdigest()
        wrong = None if got == md5 else f"md5 {got[:12]}..., expected {md5[:12]}..."
    if wrong is None:
        return digest
    if file == target:
        raise DetectorError(
            f"{target} is another file than the known one ({wrong}); move it away or rename it"
        )
    file.unlink(missing_ok=True)
    _note_of(file).unlink(missing_ok=True)
    raise DetectorError(
        f"{target.name} came with {wrong}; nothing was kept: try again, or ask its publisher"
    )
