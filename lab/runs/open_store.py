"""A store as notebooks see it: pandas frames out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.runs.run import Run
from lab.store.store import Store
from lab.store.tables import EFFORT_COLUMNS, STORED_SIGHTING_COLUMNS, effort_rows, sighting_rows

if TYPE_CHECKING:
    import pandas as pd


class OpenedStore:
    """Reads a store into pandas. It holds nothing open between calls."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def runs(self) -> pd.DataFrame:
        """One row a run, newest first: clips with nothing in them are rows too."""
        import pandas as pd

        return pd.DataFrame(effort_rows(self.store), columns=EFFORT_COLUMNS)

    def sightings(self) -> pd.DataFrame:
        """One row a stored sighting, times in seconds."""
        import pandas as pd

        return pd.DataFrame(sighting_rows(self.store), columns=STORED_SIGHTING_COLUMNS)

    def run(self, run_id: str) -> Run:
        """A run by its id, or the beginning of it."""
        return Run(self.store, run_id)


def open_store(folder: str | Path | None = None) -> OpenedStore:
    """The store in `folder`; without one, that of the settings (see `lab.config`)."""
    return OpenedStore(Store(folder))
