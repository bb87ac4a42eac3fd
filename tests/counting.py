"""Counts what is asked of a catalog."""

import contextlib

import pytest

from lab.store.catalog import Catalog


class Counted:
    """A connection that counts its queries and the rows that are taken from it."""

    def __init__(self, connection, counts):
        self._connection, self._counts = connection, counts

    def execute(self, *given):
        self._counts.queries += 1
        return Counted(self._connection.execute(*given), self._counts)

    def fetchall(self):
        found = self._connection.fetchall()
        self._counts.rows += len(found)
        return found

    def __getattr__(self, name):
        return getattr(self._connection, name)


class Counts:
    """Since the last `clear`: transactions, queries, rows fetched."""

    def __init__(self):
        self.clear()

    def clear(self):
        self.transactions = self.queries = self.rows = 0


@pytest.fixture
def counts(monkeypatch):
    """What is asked of every catalog of this process."""
    counts, real = Counts(), Catalog.transaction

    @contextlib.contextmanager
    def transaction(catalog, *given, **named):
        counts.transactions += 1
        with real(catalog, *given, **named) as db:
            yield Counted(db, counts)

    monkeypatch.setattr(Catalog, "transaction", transaction)
    return counts
