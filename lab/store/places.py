"""Where people were last: run and rule, for whoever opens the store next."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab.annotation import utc_now
from lab.atomic_file import write_atomically
from lab.errors import LabError
from lab.rules.rule import Rule
from lab.store.catalog import Catalog

_KEPT = 8


@dataclass(frozen=True)
class Place:
    """A run with the rule that it was looked at with. at_utc: when, as ISO 8601."""

    run_id: str
    rule: dict[str, Any]
    at_utc: str


class PlaceFile:
    """A small file in the store, so that a new session or another person can go on there."""

    catalog: Catalog

    def places(self) -> list[Place]:
        """One of each run, the newest first; none if nobody was anywhere, or it cannot be read."""
        try:
            given = json.loads(self._places_file.read_text())
            return [_checked(Place(**one)) for one in given]
        except (OSError, ValueError, TypeError, AttributeError, LabError):
            return []

    def keep_place(self, run_id: str, rule: Rule) -> None:
        """Note where somebody is; nothing happens where the store cannot be written."""
        new = Place(run_id, rule.to_dict(), utc_now().isoformat())
        others = [one for one in self.places() if one.run_id != run_id]
        text = json.dumps([asdict(one) for one in [new, *others][:_KEPT]])
        with suppress(OSError):
            write_atomically(self._places_file, text)

    @property
    def _places_file(self) -> Path:
        return self.catalog.folder / "places.json"


def _checked(one: Place) -> Place:
    Rule.from_dict(one.rule)
    if not isinstance(one.run_id, str):
        raise TypeError("run_id is no text")
    return one
