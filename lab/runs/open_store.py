"""A store as notebooks see it: pandas frames out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.runs.run import Run
from lab.store.store import Store
from lab.store.tables import EFFORT_COLUMNS, STORED_SIGHTING_COLUMNS, effort_rows

if TYPE_CHECKING:
    import pandas as pd


class OpenedStore:
    """Reads a store into pandas. It holds nothing open between calls."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def runs(self) -> pd.DataFrame:
        """One row per run, newest first; runs in which nothing was found are rows too."""
        import pandas as pd

        return pd.DataFrame(effort_rows(self.store), columns=EFFORT_COLUMNS)

    def sightings(self) -> pd.DataFrame:
        """One row per stored sighting, times in seconds."""
        import pandas as pd

        found = [batch.to_pandas() for batch in self.store.sighting_batches()]
        empty = pd.DataFrame(columns=STORED_SIGHTING_COLUMNS)
        return pd.concat(found, ignore_index=True) if found else empty

    def run(self, run_id: str) -> Run:
        """A run by its id, or the beginning of it."""
        return Run(self.store, run_id)


def open_store(folder: str | Path | None = None) -> OpenedStore:
    """The store in `folder`; without one, that of the settings (see `lab.config`)."""
    return OpenedStore(Store(folder))
