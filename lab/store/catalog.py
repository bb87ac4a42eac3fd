"""The catalog file: in use by one process at a time, one transaction after another.

DuckDB gives a database file to one process, readers included, so nobody keeps it for long: see
`lab.store.session`. Nothing but DuckDB ever opens the file.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from lab.errors import StoreBusyError, StoreError, StoreReadOnlyError
from lab.store import backups
from lab.store.damage import (
    cannot_write,
    check_not_removed,
    damaged,
    holder_of,
    is_lock,
    told_in_use,
    told_on_opening,
    unusable,
)
from lab.store.migrations import MIGRATIONS, migrate, version_of
from lab.store.outcomes import write_in
from lab.store.session import BETWEEN_CLIPS_S, session_of

_FIRST_COPY_S = 600.0  # after the store was made, or a copy failed
_LONGEST_PAUSE_S = 0.05


class Catalog:
    """The tables of a store.

    folder: of the store; created by the first transaction. wait_s: how long to wait for others.
    """

    def __init__(self, folder: Path, wait_s: float = 10.0) -> None:
        self.folder = folder
        self.path = folder / "catalog.duckdb"
        self._wait_s = wait_s
        self._session = session_of(folder)

    @property
    def exists(self) -> bool:
        try:
            return self.path.exists()
        except OSError as error:
            raise StoreError(cannot_write(self.folder, error)) from None

    @property
    def cannot_be_written(self) -> str | None:
        """Why the store can be read, but not changed; None if it can, or is not there."""
        if not self.path.exists() or os.access(self.folder, os.W_OK):
            return None
        return f"the store {self.folder} can be read, but not changed: it cannot be written here"

    @contextlib.contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection inside a transaction, committed at the end, rolled back on an error.

        Raises StoreError if the store cannot be written, is newer, damaged, or stays locked.
        """
        with self._open() as connection:
            connection.begin()
            try:
                yield connection
            except BaseException:
                with contextlib.suppress(duckdb.Error):
                    connection.rollback()
                raise
            connection.commit()

    @contextlib.contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """A transaction for `rows`; None where there is no catalog, which is not created then.

        A store that cannot be written can be read. Raises as `transaction` does.
        """
        if not self.exists:
            check_not_removed(self.folder)
            yield None
            return
        with contextlib.ExitStack() as stack:
            try:
                connection = stack.enter_context(self.transaction())
            except StoreReadOnlyError:
                connection = stack.enter_context(self._open_to_read())
            yield connection

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows of one query, by column name; none where there is no catalog."""
        with self.reading() as db:
            return rows(db, sql, values)

    def keep_between_clips(self) -> None:
        """Leave it open for longer after each operation, as long as no other process wants it."""
        self._session.idle_s = BETWEEN_CLIPS_S

    def give_up(self) -> None:
        """Let others have it at once, before something that takes long."""
        self._session.give_up()

    def make_copy(self, if_older_s: float = 0.0) -> Path | None:
        """Copy all tables to `backups/`; None where there is no catalog. Raises StoreError.

        if_older_s: only if the last copy is at least so many seconds old.
        """
        if not self.exists or not backups.is_due(self.folder, if_older_s):
            return None
        with self._open() as connection:
            return self._copied(connection)

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """Nobody has it open inside this block. Raises StoreError."""
        with self._session.turn(self._wait_s):
            yield

    @contextlib.contextmanager
    def _open(self) -> Iterator[duckdb.DuckDBPyConnection]:
        try:
            with self._session.use(self._wait_s, self._connect) as connection:
                yield connection
        except duckdb.Error as error:
            raise told_in_use(self.folder, error) or error from None

    def _connect(self) -> duckdb.DuckDBPyConnection:
        """It is the turn of this process: open the file, made and brought up to date if needed."""
        try:
            if not self.path.exists():
                check_not_removed(self.folder)
                self._create()
        except OSError as error:
            raise unusable(self.folder, error) from None
        if self.path.stat().st_size == 0:  # DuckDB would take it for a new one
            raise damaged(self.folder, "the file is empty")
        connection = self._connect_to(self.path)
        try:
            self._prepare(connection)
        except duckdb.Error as error:
            connection.close()
            raise told_in_use(self.folder, error) or error from None
        except BaseException:
            connection.close()
            raise
        return connection

    def _create(self) -> None:
        """Put it at its place when it is whole: a process may be killed at any moment."""
        part = self.path.with_suffix(".new")
        for left in (part, part.with_suffix(".new.wal")):
            left.unlink(missing_ok=True)
        connection = self._connect_to(part)
        try:
            migrate(connection, self.path)
        except duckdb.Error as error:
            raise told_in_use(self.folder, error) or error from None
        finally:
            connection.close()
        part.replace(self.path)
        backups.expect_copies(self.folder)

    def _prepare(self, connection: duckdb.DuckDBPyConnection) -> None:
        version = version_of(connection)
        if version < len(MIGRATIONS) or backups.is_due(self.folder, patience_s=_FIRST_COPY_S):
            with contextlib.suppress(*([] if version < len(MIGRATIONS) else [StoreError])):
                self._copied(connection)
        if version != len(MIGRATIONS):
            migrate(connection, self.path)
        write_in(connection, self.folder / "logs")

    def _copied(self, connection: duckdb.DuckDBPyConnection) -> Path:
        try:
            return backups.make_copy(connection, self.folder)
        except duckdb.Error as error:
            raise told_in_use(self.folder, error) or error from None
        except OSError as error:
            raise unusable(self.folder, error) from None

    def _connect_to(self, path: Path, *, to_read: bool = False) -> duckdb.DuckDBPyConnection:
        deadline = time.monotonic() + self._wait_s
        while True:
            try:
                return duckdb.connect(str(path), read_only=to_read)
            except duckdb.Error as error:
                if not is_lock(error):
                    raise told_on_opening(self.folder, error) from None
                if time.monotonic() > deadline:
                    raise StoreBusyError(
                        f"the catalog {path} stayed locked for {self._wait_s:.0f} s by another "
                        f"program{holder_of(error)}; close that one"
                    ) from None
            time.sleep(random.uniform(0.005, _LONGEST_PAUSE_S))

    @contextlib.contextmanager
    def _open_to_read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Without a lock file, which cannot be written either."""
        with self._session.alone(self._wait_s):
            connection = self._connect_to(self.path, to_read=True)
            try:
                version = version_of(connection)
                if version != len(MIGRATIONS):
                    raise StoreReadOnlyError(
                        f"the store {self.folder} has schema {version}, this version reads "
                        f"{len(MIGRATIONS)}, and it cannot be written here; copy it, and name "
                        "the copy with --store"
                    )
                connection.begin()
                yield connection
            except duckdb.Error as error:
                raise told_in_use(self.folder, error) or error from None
            finally:
                connection.close()


def rows(
    db: duckdb.DuckDBPyConnection | None, sql: str, values: Sequence[Any] = ()
) -> list[dict[str, Any]]:
    """The rows of a query, by column name; none for None, which `Catalog.reading` may give."""
    if db is None:
        return []
    result = db.execute(sql, list(values))
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
