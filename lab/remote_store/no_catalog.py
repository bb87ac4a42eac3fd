"""In the place of a catalog: whatever is not asked over the API says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import StoreError
from lab.store.catalog import Catalog

if TYPE_CHECKING:
    import duckdb


class NoCatalog(Catalog):
    """url: of the lab that has the store."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(folder)
        self._url = url

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Raises StoreError."""
        with self.reading() as db:
            assert db is not None
            yield db

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection | None]:
        """Raises StoreError."""
        if self._url:
            raise StoreError(
                f"that cannot be asked of the lab at {self._url}; do it where its store is; a "
                "rule is applied from here with elsewhere.apply(rule), of what lab.connect gives"
            )
        yield None
