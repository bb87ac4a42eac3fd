"""What an error of DuckDB, or of the operating system, says about the store."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import duckdb

from lab.errors import StoreDamagedError, StoreError, StoreReadOnlyError
from lab.store.backups import copied_at, copies

_LOCKED = "Could not set lock on file"
_NOT_OF_THE_FILE = [
    os.strerror(number)
    for number in (
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EROFS,
        errno.EACCES,
        errno.EPERM,
        errno.EMFILE,
        errno.ENFILE,
    )
]
_OTHER_PROBLEMS = (
    duckdb.ConnectionException,
    duckdb.ResourceInUseException,
    duckdb.OutOfMemoryException,
    duckdb.InterruptException,
)


def is_lock(error: duckdb.Error) -> bool:
    """Whether another program has the file open."""
    return isinstance(error, duckdb.IOException) and _LOCKED in str(error)


def holder_of(error: duckdb.Error) -> str:
    """The process that has the file open, in brackets, as far as DuckDB says."""
    found = re.search(r"\(PID (\d+)\)", str(error))
    return "" if found is None else f" (process {found[1]})"


def told_on_opening(folder: Path, error: duckdb.Error) -> StoreError:
    """The error to raise for a catalog that could not be opened."""
    text = first_line(error)
    if "version number" in text:
        return StoreError(f"the catalog of {folder} is of a newer DuckDB; update it: {text}")
    if isinstance(error, _OTHER_PROBLEMS) or _is_of_the_disk(error):
        return StoreError(f"the catalog of {folder} cannot be opened: {text}")
    return damaged(folder, text)


def told_in_use(folder: Path, error: duckdb.Error) -> StoreError | None:
    """The error to raise for one that came up in use; None for one of the statement itself."""
    text = first_line(error)
    if isinstance(error, _OTHER_PROBLEMS) or _is_of_the_disk(error):
        return StoreError(f"the store {folder} cannot be written: {text}")
    # A checksum that does not match comes as the plain class.
    classes = (duckdb.FatalException, duckdb.InternalException, duckdb.SerializationException)
    if type(error) is duckdb.Error or isinstance(error, (*classes, duckdb.IOException)):
        return damaged(folder, text)
    if isinstance(error, duckdb.OperationalError):
        return StoreError(f"the store {folder} cannot be used: {text}")
    return None


def damaged(folder: Path, text: str) -> StoreDamagedError:
    """Says where the last good copy is."""
    last = next(iter(copies(folder)), None)
    copy = "there is no copy of it"
    if last is not None:
        copy = f"the last good copy is of {copied_at(last):%Y-%m-%d %H:%M} UTC, {last}"
    return StoreDamagedError(
        f"the catalog of {folder} is damaged; {copy}; put things right with: "
        f"lab doctor --repair --store {folder} ({text})"
    )


def check_not_removed(folder: Path) -> None:
    """A store without a catalog is a new one, unless copies or runs that ended are left of it.

    Raises StoreDamagedError.
    """
    if copies(folder) or next((folder / "logs").glob("*/outcome.json"), None) is not None:
        raise damaged(folder, "the file is missing")


def _is_of_the_disk(error: duckdb.Error) -> bool:
    return isinstance(error, duckdb.OperationalError) and any(
        words in str(error) for words in _NOT_OF_THE_FILE
    )


def first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:500] if lines else type(error).__name__


def unusable(folder: Path, error: OSError) -> StoreError:
    text = cannot_write(folder, error)
    return StoreReadOnlyError(text) if _is_read_only(error) else StoreError(text)


def cannot_write(folder: Path, error: OSError) -> str:
    if _is_read_only(error):
        return (
            f"the store {folder} cannot be written ({error.strerror}); choose another with --store"
        )
    if error.errno in (errno.EEXIST, errno.ENOTDIR):
        return f"the store {folder} is a file, not a folder; choose another with --store"
    if error.errno == errno.ENOSPC:
        return f"no space left on the disk of {folder}; free some, then resume the run"
    return f"the store {folder} cannot be used: {error.strerror or error}"


def _is_read_only(error: OSError) -> bool:
    return error.errno in (errno.EROFS, errno.EACCES, errno.EPERM)
