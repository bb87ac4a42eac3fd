"""A choice of the rules whose stored sightings are shown."""

from __future__ import annotations

from typing import Any

from lab.app.ui.widgets.choices import choose_one
from lab.counted import counted
from lab.store.sightings import SightingFilter
from lab.store.store import Store

_CURRENT, _ALL = "current", "all"
_FIXED = {_CURRENT: "Current rules", _ALL: "All rules"}


def rules_of(wanted: SightingFilter) -> str:
    """The choice that stands for conditions: `current`, `all`, or the hash of a rule."""
    rule = wanted.get("rule_hash")
    if rule:
        return rule if isinstance(rule, str) else rule[0]
    return _CURRENT if wanted.get("current") else _ALL


def wanted_of_rules(chosen: str | None) -> SightingFilter:
    """The conditions of a choice."""
    if chosen in (None, _CURRENT):
        return {"current": True}
    return {} if chosen == _ALL else {"rule_hash": chosen}


def choose_rules(store: Store, place: Any, **widget: Any) -> None:
    """The choice. widget: its key, and what is done when it changes."""

    def find(words: str, limit: int) -> dict[str, str]:
        found = store.rules_of_sightings(words, limit)
        return {**_FIXED, **{row["rule_hash"]: _title(row) for row in found}}

    def name(hashes: list[str]) -> dict[str, str]:
        found = store.rules_of_sightings()
        return {row["rule_hash"]: _title(row) for row in found if row["rule_hash"] in hashes}

    choose_one(
        place,
        "Rules",
        find,
        what="Parts of a name",
        name=name,
        help="Current rules: those that were applied to all clips of their settings. Of clips to "
        "which none was applied, all that was saved is shown.",
        **widget,
    )


def _title(row: dict[str, Any]) -> str:
    name = row["rule_name"] or "no name"
    return f"{name} · {row['rule_hash'][:6]} · {counted(row['n'], 'sighting')}"
