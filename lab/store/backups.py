"""Copies of the catalog as Parquet files, in `backups/` of the store, kept for a week."""

from __future__ import annotations

import os
import shutil
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lab.atomic_file import sync_folder

if TYPE_CHECKING:
    import duckdb

KEPT_DAYS = 7
_NAME = "%Y%m%d-%H%M%S"
_DAY_S = 86_400.0


def copies(folder: Path) -> list[Path]:
    """The copies in a store's folder, the newest first."""
    found = (path for path in _backups(folder).glob("*") if _named_time(path) is not None)
    return sorted(found, reverse=True)


def copied_at(copy: Path) -> datetime:
    """When a copy was made, UTC."""
    found = _named_time(copy)
    assert found is not None
    return found


def expect_copies(folder: Path) -> None:
    """A new store: a copy of it is due in some minutes. Raises OSError."""
    _backups(folder).mkdir(exist_ok=True)


def is_due(folder: Path, after_s: float = _DAY_S, *, patience_s: float = 0.0) -> bool:
    """Whether there is no copy, or the newest is this old.

    patience_s: only if nothing was tried for so long; nor was the store made then.
    """
    newest = next(iter(copies(folder)), None)
    if newest is not None and (datetime.now(UTC) - copied_at(newest)).total_seconds() < after_s:
        return False
    try:
        return time.time() - _backups(folder).stat().st_mtime >= patience_s
    except FileNotFoundError:
        return True


def make_copy(db: duckdb.DuckDBPyConnection, folder: Path) -> Path:
    """Copy all tables, and remove copies older than a week.

    Raises duckdb.Error, also if a table cannot be read, and OSError.
    """
    backups = _backups(folder)
    backups.mkdir(exist_ok=True)
    for left in backups.glob("*.part"):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    now = datetime.now(UTC)
    while (copy := backups / now.strftime(_NAME)).exists():
        now += timedelta(seconds=1)
    part = copy.with_suffix(".part")
    try:
        db.execute(f"EXPORT DATABASE {_quoted(part)} (FORMAT parquet)")
        for file in part.iterdir():
            _sync(file)
        part.rename(copy)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    sync_folder(backups)
    _remove_old(folder)
    return copy


def read_copy(db: duckdb.DuckDBPyConnection, copy: Path) -> None:
    """Put all tables of a copy into an empty database. Raises duckdb.Error."""
    db.execute(f"IMPORT DATABASE {_quoted(copy)}")


def _remove_old(folder: Path) -> None:
    oldest = datetime.now(UTC) - timedelta(days=KEPT_DAYS)
    for copy in copies(folder)[1:]:
        if copied_at(copy) < oldest:
            shutil.rmtree(copy, ignore_errors=True)


def _backups(folder: Path) -> Path:
    return folder / "backups"


def _named_time(path: Path) -> datetime | None:
    try:
        return datetime.strptime(path.name, _NAME).replace(tzinfo=UTC)
    except ValueError:
        return None


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _sync(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
