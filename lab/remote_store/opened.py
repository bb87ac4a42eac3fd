"""`connect`: the store of a lab elsewhere, as notebooks see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lab.remote_store.client import Client
from lab.remote_store.remote_store import RemoteStore
from lab.remote_store.rows import with_times
from lab.rules.rule import Debounce, Rule
from lab.runs.open_store import OpenedStore
from lab.store.tables import EFFORT_COLUMNS

if TYPE_CHECKING:
    import pandas as pd


class ConnectedStore(OpenedStore):
    """As `lab.open_store` gives it, of a lab elsewhere; a context manager."""

    store: RemoteStore

    def close(self) -> None:
        """Remove the logs that were fetched; what is in memory stays usable."""
        self.store.close()

    def runs(self) -> pd.DataFrame:
        """One row per run, newest first; runs in which nothing was found are rows too."""
        import pandas as pd

        found = map(with_times, self.store.client.get("/exports/effort-json"))
        return pd.DataFrame(list(found), columns=EFFORT_COLUMNS)

    def apply(
        self,
        rule: Rule | Debounce | Mapping[str, Any],
        protocol: str | None = None,
        *,
        name: str | None = None,
        preview: bool = False,
    ) -> dict[str, Any]:
        """`lab.apply` over there; what `lab apply --json` prints."""
        body = {
            "rule": Rule.coerce(rule).to_dict(),
            "protocol_hash": protocol,
            "name": name,
            "preview": preview,
        }
        done: dict[str, Any] = self.store.client.ask("POST", "/current_rules", body=body)
        return done


def connect(url: str, token: str | None = None) -> ConnectedStore:
    """The store of the lab at `url`, such as http://127.0.0.1:8501, by its API.

    token: of `lab token add`, of scope `read`, or `analyse` for what changes the store; None takes
    that of LAB_TOKEN. Raises SettingError for what is no address, RefusedError for a token that
    is not let in, StoreError where no lab answers.
    """
    client = Client(url, token)
    client.get("/health")
    return ConnectedStore(RemoteStore(client))
