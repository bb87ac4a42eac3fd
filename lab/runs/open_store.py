"""A store as notebooks see it: pandas frames out."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, Unpack

from lab.errors import SettingError
from lab.runs.run import Run
from lab.store.sightings import SightingFilter
from lab.store.store import Store
from lab.store.tables import EFFORT_COLUMNS, STORED_SIGHTING_COLUMNS, effort_rows

if TYPE_CHECKING:
    import pandas as pd


class OpenedStore:
    """Reads a store into pandas; a context manager. It holds nothing open between calls."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """There is nothing to close of a store here; it stays usable."""

    def runs(self) -> pd.DataFrame:
        """One row per run, newest first; runs in which nothing was found are rows too."""
        import pandas as pd

        return pd.DataFrame(effort_rows(self.store), columns=EFFORT_COLUMNS)

    def sightings(
        self,
        rules: Literal["current", "all"] = "current",
        **wanted: Unpack[SightingFilter],
    ) -> pd.DataFrame:
        """One row per stored sighting that fulfils the conditions, times in seconds.

        wanted: as of the page Sightings, such as label, site, hours, tag or verdict; see
        `lab.store.sightings.SightingFilter`.

        rules: `current` gives those of the rules that were applied (see `lab.apply`), and of runs
        to whose protocol none was applied all that were saved; `all` gives those of all rules.
        Those of rules that are named by rule_hash are given in any case. Raises SettingError for
        another word.
        """
        import pandas as pd

        if rules not in ("current", "all"):
            raise SettingError(f"rules must be 'current' or 'all', got {rules!r}")
        wanted.setdefault("current", rules == "current" and wanted.get("rule_hash") is None)
        batches = self.store.sighting_batches(**wanted)
        found = [batch.to_pandas() for batch in batches]
        empty = pd.DataFrame(columns=STORED_SIGHTING_COLUMNS)
        return pd.concat(found, ignore_index=True) if found else empty

    def current_rules(self) -> pd.DataFrame:
        """One row per protocol that has a current rule, the latest first.

        Columns: protocol_hash, name, rule_hash, rule, run_id, set_utc.
        """
        import pandas as pd

        found = sorted(self.store.current_rules().values(), key=lambda c: c.set_utc, reverse=True)
        columns = ["protocol_hash", "name", "rule_hash", "rule", "run_id", "set_utc"]
        return pd.DataFrame([one.to_dict() for one in found], columns=columns)

    def run(self, run_id: str) -> Run:
        """A run by its id, or the beginning of it."""
        return Run(self.store, run_id)


def open_store(folder: str | Path | None = None) -> OpenedStore:
    """The store in `folder`; without one, that of the settings (see `lab.config`)."""
    return OpenedStore(Store(folder))
