"""Named rules in the catalog."""

from __future__ import annotations

import json
from typing import Any

from lab.annotation import utc_now
from lab.errors import SettingError
from lab.rules.rule import Rule
from lab.store.catalog import Catalog


class RuleRows:
    """The part of a store that keeps rules under names."""

    catalog: Catalog

    def save_rule(self, name: str, rule: Rule, run_id: str | None = None) -> None:
        """Keep a rule under a name, replacing the old one. Raises SettingError if it is blank."""
        if not name.strip():
            raise SettingError("a rule needs a name, got an empty one")
        with self.catalog.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO rules VALUES (?, ?, ?, ?, ?)",
                [name.strip(), json.dumps(rule.to_dict()), rule.rule_hash, run_id, utc_now()],
            )

    def rules(self) -> list[dict[str, Any]]:
        """Newest first. Raises SettingError for one that a newer version has saved."""
        return [{**row, "rule": Rule.from_dict(row["rule"])} for row in self.rule_rows()]

    def rule_rows(self) -> list[dict[str, Any]]:
        """The same, each rule as it was written."""
        rows = self.catalog.rows("SELECT * FROM rules ORDER BY saved_utc DESC")
        return [{**row, "rule": json.loads(row["rule"])} for row in rows]
