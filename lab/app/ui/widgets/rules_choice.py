"""A choice of the rules whose stored sightings are shown."""

from __future__ import annotations

from typing import Any

from lab.app.ui.widgets.choices import choose_one
from lab.counted import counted
from lab.store.sightings import SightingFilter
from lab.store.store import Store

_CURRENT, _ALL = "current", "all"
_FIXED = {_CURRENT: "Current rules", _ALL: "All rules"}


def sightings_of_rules(store: Store, place: Any) -> SightingFilter:
    """The sightings of the current rules, unless all or those of one rule are chosen."""

    def find(words: str, limit: int) -> dict[str, str]:
        found = store.rules_of_sightings(words, limit)
        return {**_FIXED, **{row["rule_hash"]: _title(row) for row in found}}

    def name(hashes: list[str]) -> dict[str, str]:
        found = store.rules_of_sightings()
        return {row["rule_hash"]: _title(row) for row in found if row["rule_hash"] in hashes}

    chosen = choose_one(
        place,
        "Rules",
        find,
        "filter_rules",
        what="Parts of a name",
        name=name,
        help="Current rules: those that were applied to all clips of their settings. Of clips to "
        "which none was applied, all that was saved is shown.",
    )
    if chosen in (None, _CURRENT):
        return {"current": True}
    return {} if chosen == _ALL else {"rule_hash": chosen}


def _title(row: dict[str, Any]) -> str:
    name = row["rule_name"] or "no name"
    return f"{name} · {row['rule_hash'][:6]} · {counted(row['n'], 'sighting')}"
