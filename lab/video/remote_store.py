"""Clips in object stores (`s3://`, `gs://`): listed, recognised, and copied to this machine.

fsspec does the reading, with the credentials that its packages find where they always look: the
environment, `~/.aws`, `~/.config/gcloud`, the machine's role. None is taken from an address.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from lab.errors import LabError, SettingError, SourceError
from lab.extras import need
from lab.registry import in_words
from lab.video.container import VIDEO_SUFFIXES
from lab.video.media import identity_of_blocks

_KINDS = ("s3", "gs")
_URL = re.compile(r"(s3|gs)://([^/]+)/?(.*)", re.DOTALL)
_SIGNED_OUT = ("NoCredentialsError", "RefreshError", "DefaultCredentialsError", "PermissionError")
_UNUSED_S = 600.0
_PLACE = "lab-clips-"
_kept = False


def is_remote(place: object) -> bool:
    """Whether it is an address of an object store."""
    return isinstance(place, str) and place.partition("://")[0] in _KINDS and "://" in place


def file_system(url: str, error: type[LabError] = SourceError) -> tuple[Any, str]:
    """The file system of an address, and the path in it. Raises SettingError, or the error."""
    found = _URL.fullmatch(url)
    if found is None:
        raise SettingError(f"an address is s3://BUCKET/KEY or gs://BUCKET/KEY, got {url!r}")
    kind, bucket, key = found.groups()
    if "@" in bucket or ":" in bucket:
        raise SettingError(
            f"the address {kind}://...@{bucket.rpartition('@')[2]} holds a name or key; keep "
            "credentials where the provider's tools do, such as ~/.aws or the environment"
        )
    if kind == "s3":
        need("s3://", "remote", "fsspec", "s3fs", error=error)
    else:
        need("gs://", "remote", "fsspec", "gcsfs", error=error)
        logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it logs tracebacks, and raises too
    import fsspec

    return fsspec.filesystem(kind, use_listings_cache=False), f"{bucket}/{key}".rstrip("/")


@contextlib.contextmanager
def told(url: str, error: type[LabError] = SourceError) -> Iterator[None]:
    """What the provider's package raises, as one line with the way out."""
    try:
        yield
    except LabError:
        raise
    except FileNotFoundError:
        raise error(f"no such file: {url}; check the bucket and the key") from None
    except Exception as problem:
        words = in_words(problem)[:300]
        raise error(f"{url} cannot be used: {words}; {_way_out(url, problem)}") from None


def _way_out(url: str, problem: Exception) -> str:
    """What helps against an error of a provider's package, whose classes are not imported here."""
    if not is_remote(url):
        return "check the folder, and the room on its disk"
    if getattr(problem, "errno", None) == errno.ENOSPC:
        return "make room on this machine, or let TMPDIR name a larger disk"
    kind, text = type(problem).__name__, str(problem)
    is_refused = "Forbidden" in text or "Anonymous caller" in text
    if kind in _SIGNED_OUT or getattr(problem, "code", None) in (401, 403) or is_refused:
        return (
            "sign in as for the provider's own tools: aws configure, or "
            "gcloud auth application-default login"
        )
    if "onnect" in kind:
        return "check the network, and AWS_ENDPOINT_URL or STORAGE_EMULATOR_HOST if one is set"
    return "try the same address with the provider's own tools: aws s3 ls, gcloud storage ls"


def list_clips(url: str) -> list[str]:
    """The clips at an address: itself, those that match a pattern, or all below it.

    What is named like a video counts. Raises SourceError if there is none, or it cannot be read.
    """
    files, path = file_system(url)
    kind = url.partition("://")[0]
    with told(url):
        if glob.has_magic(path) and not files.exists(path):
            found = [name for name in files.glob(path) if _is_video(name)]
        elif _is_video(path) and files.isfile(path):
            found = [path]
        else:
            found = [name for name in files.find(path) if _is_video(name)]
    if not found:
        raise SourceError(f"no video at {url}; looked for {', '.join(sorted(VIDEO_SUFFIXES))}")
    return [f"{kind}://{name}" for name in sorted(found)]


def _is_video(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES


def identify_remote(url: str) -> str:
    """The same as `lab.video.media.identify` of the file, from three ranges of it."""
    files, path = file_system(url)
    with told(url):
        size = int(files.info(path)["size"])
        if size == 0:
            raise SourceError(f"{url} is empty (0 bytes); copy or record it again")
        return identity_of_blocks(
            size, lambda start, end: files.cat_file(path, start=start, end=min(end, size))
        )


class LocalCopy:
    """The file of an address on this disk, as long as it is open; others on this machine share it.

    path: where it lies. Raises SourceError.
    """

    def __init__(self, url: str) -> None:
        files, path = file_system(url)
        with told(url):
            facts = files.info(path)
            stamp = facts.get("ETag") or facts.get("etag") or facts.get("LastModified") or ""
            name = hashlib.blake2b(
                f"{url}|{stamp}|{facts['size']}".encode(), digest_size=12
            ).hexdigest()
            remove_copies(unused_s=_UNUSED_S)
            folder = _folder()
            self._entry = folder / name
            self._lock = _Shared(folder / f"{name}.lock")
            self.path = self._entry / (PurePosixPath(path).name or "clip")
            try:
                if not self.path.exists():
                    with self._lock.alone():
                        if not self.path.exists():
                            self._fetch(files, path, int(facts["size"]))
            except BaseException:
                self.close()
                raise

    def _fetch(self, files: Any, path: str, size: int) -> None:
        self._entry.mkdir(exist_ok=True, mode=0o700)
        part = self._entry / "part"
        files.get_file(path, str(part))
        if part.stat().st_size != size:
            raise SourceError(f"{path} came with {part.stat().st_size} of {size} bytes; try again")
        part.replace(self.path)

    def close(self) -> None:
        """Remove the file, if nobody else uses it and copies are not kept for others."""
        self._lock.release()
        if not _kept:
            _remove_unused(self._entry)


def keep_copies() -> None:
    """From now on a copy stays for ten minutes after its last use: others may soon need it."""
    global _kept
    _kept = True


def remove_copies(unused_s: float = 0.0) -> None:
    """Remove copies that nobody has used for so long."""
    now, folder = time.time(), _folder()
    for lock in folder.glob("*.lock"):
        with contextlib.suppress(OSError):
            if now - lock.stat().st_mtime >= unused_s:
                _remove_unused(lock.with_suffix(""))
    with contextlib.suppress(OSError):
        folder.rmdir()


def _folder() -> Path:
    """Of this user, for all processes of this machine."""
    base = os.environ.get("TMPDIR") or "/tmp" if os.name == "posix" else tempfile.gettempdir()
    folder = Path(base, f"{_PLACE}{os.getuid() if os.name == 'posix' else 'user'}")
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


def _remove_unused(entry: Path) -> None:
    lock = _Shared(entry.with_name(f"{entry.name}.lock"), waits=False)
    if not lock.is_held:
        return
    try:
        with lock.alone(waits=False) as is_alone:
            if is_alone:
                shutil.rmtree(entry, ignore_errors=True)
                lock.path.unlink(missing_ok=True)
    finally:
        lock.release()
    with contextlib.suppress(OSError):
        entry.parent.rmdir()


class _Shared:
    """A lock file that many may hold, or one alone; it is let go when the process ends."""

    def __init__(self, path: Path, *, waits: bool = True) -> None:
        self.path = path
        self.is_held = False
        while True:
            path.parent.mkdir(exist_ok=True, mode=0o700)
            self._handle: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            self.is_held = self._flock("shared", waits)
            if not self.is_held or self._is_current():
                break
            os.close(self._handle)  # it was removed while this one waited
        if self.is_held:
            os.utime(path)
        else:
            self.release()

    @contextlib.contextmanager
    def alone(self, *, waits: bool = True) -> Iterator[bool]:
        """Whether nobody else holds it, for as long as this goes on."""
        is_alone = self._flock("alone", waits)
        try:
            yield is_alone
        finally:
            if is_alone and self._handle is not None:
                self._flock("shared", True)

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
        self._handle, self.is_held = None, False

    def _is_current(self) -> bool:
        assert self._handle is not None
        try:
            now, held = os.stat(self.path), os.fstat(self._handle)
        except FileNotFoundError:
            return False
        return (now.st_dev, now.st_ino) == (held.st_dev, held.st_ino)

    def _flock(self, how: str, waits: bool) -> bool:
        if os.name != "posix":
            return True
        import fcntl

        assert self._handle is not None
        kind = fcntl.LOCK_SH if how == "shared" else fcntl.LOCK_EX
        try:
            fcntl.flock(self._handle, kind if waits else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
