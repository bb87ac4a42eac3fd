"""In the place of a catalog: whatever is not asked over the API says so."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from lab.errors import StoreError
from lab.store.catalog import Catalog

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import duckdb


class NoCatalog(Catalog):
    """url: of the lab that has the store."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(folder)
        self._url = url

    def transaction(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        self._refuse()

    def reading(self) -> AbstractContextManager[duckdb.DuckDBPyConnection | None]:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise StoreError(
            f"that cannot be asked of the lab at {self._url}; do it where its store is"
        )
