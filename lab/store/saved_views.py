"""Views of sightings that were saved: a name, and what the address of the page says."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from lab.annotation import utc_now
from lab.errors import NotFoundError, SettingError
from lab.store.catalog import Catalog, rows

MAX_NAME_CHARS = 100


@dataclass(frozen=True, kw_only=True)
class SavedView:
    """query: values by name, as in the address of the page."""

    view_id: str
    name: str
    query: Mapping[str, Sequence[str]]
    saved_utc: datetime


class SavedViews:
    """The part of a store that keeps views."""

    catalog: Catalog

    def saved_views(self) -> list[SavedView]:
        """By name."""
        found = self.catalog.rows("SELECT * FROM saved_views ORDER BY lower(name), view_id")
        return [SavedView(**{**row, "query": json.loads(row["query"])}) for row in found]

    def saved_view(self, view_id: str) -> SavedView:
        """Raises NotFoundError."""
        for view in self.saved_views():
            if view.view_id == view_id:
                return view
        raise NotFoundError(f"no saved view {view_id[:40]!r} in this store; it was deleted")

    def save_view(self, name: str, query: Mapping[str, Sequence[str]]) -> str:
        """Keep a view; one of the same name is replaced and keeps its id, which is returned.

        Raises SettingError for a name that is empty or too long.
        """
        name = " ".join(name.split())
        if not name or len(name) > MAX_NAME_CHARS or "\0" in name:
            raise SettingError(
                f"the name of a view has 1 to {MAX_NAME_CHARS} characters, got {name[:40]!r}"
            )
        given = json.dumps({key: list(values) for key, values in query.items()})
        with self.catalog.transaction() as db:
            known = rows(db, "SELECT view_id FROM saved_views WHERE name = ?", [name])
            view_id = str(known[0]["view_id"]) if known else uuid.uuid4().hex[:12]
            db.execute("DELETE FROM saved_views WHERE view_id = ?", [view_id])
            db.execute("INSERT INTO saved_views VALUES (?, ?, ?, ?)",
                       [view_id, name, given, utc_now()])  # fmt: skip
        return view_id

    def delete_view(self, view_id: str) -> None:
        with self.catalog.transaction() as db:
            db.execute("DELETE FROM saved_views WHERE view_id = ?", [view_id])
