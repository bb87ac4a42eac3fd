"""The current rule of a protocol: the one that was applied to all its clips last."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lab.annotation import utc_now
from lab.errors import SettingError
from lab.rules.rule import Rule
from lab.store.catalog import Catalog, rows
from lab.store.query import Wanted, Where, count

if TYPE_CHECKING:
    import duckdb

# The rules that are current: protocol_hash and rule_hash.
CURRENT_RULES = """SELECT protocol_hash, arg_max(rule_hash, number) AS rule_hash
    FROM current_rules WHERE undone_utc IS NULL GROUP BY protocol_hash"""


@dataclass(frozen=True, kw_only=True)
class CurrentRule:
    """A rule that is, or was, current.

    name: of the rule, None if it has none. run_id: of the run on which it was tuned, None if that
    is not known. set_utc: when it was applied last. undone_utc: when it was taken back, or None.
    """

    protocol_hash: str
    rule: Rule
    name: str | None
    run_id: str | None
    set_utc: datetime
    undone_utc: datetime | None = None

    @property
    def title(self) -> str:
        """Its name, or the beginning of its hash."""
        return self.name or f"rule {self.rule.rule_hash[:6]}"

    def to_dict(self) -> dict[str, Any]:
        return {
            "protocol_hash": self.protocol_hash,
            "name": self.name,
            "rule_hash": self.rule.rule_hash,
            "rule": self.rule.to_dict(),
            "run_id": self.run_id,
            "set_utc": self.set_utc.isoformat() + "Z",
        }


class CurrentRuleRows:
    """The part of a store that knows which rule is current, and which were before it."""

    catalog: Catalog

    def current_rules(self, protocol_hash: Wanted = None) -> dict[str, CurrentRule]:
        """The current rules by protocol_hash, of one protocol, of several or of all; protocols
        without one are left out.
        """
        where = Where()
        where.equal("protocol_hash", protocol_hash)
        where.add("undone_utc IS NULL")
        found = self.catalog.rows(
            f"SELECT * FROM current_rules{where.sql} QUALIFY row_number() "
            "OVER (PARTITION BY protocol_hash ORDER BY number DESC) = 1",
            where.values,
        )
        return {row["protocol_hash"]: _current_rule(row) for row in found}

    def rule_history(self, protocol_hash: str) -> list[CurrentRule]:
        """All rules that were applied to a protocol, newest first, also those taken back."""
        found = self.catalog.rows(
            "SELECT * FROM current_rules WHERE protocol_hash = ? ORDER BY number DESC",
            [protocol_hash],
        )
        return [_current_rule(row) for row in found]

    def set_current_rule(
        self, protocol_hash: str, rule: Rule, *, name: str | None = None, run_id: str | None = None
    ) -> None:
        """Make a rule current, without its sightings: `lab.apply` saves them with it.

        name: of the rule. run_id: of the run on which it was tuned. The rule that is current
        already stays so, with the new name and time, so that one undo goes back to another rule.
        """
        with self.catalog.transaction() as db:
            put_current_rule(db, protocol_hash, rule, name, run_id)

    def undo_current_rule(self, protocol_hash: str) -> CurrentRule | None:
        """Take the current rule back: the one before it is current again, None if there is none.

        All sightings stay saved. Raises SettingError if the protocol has no current rule.
        """
        with self.catalog.transaction() as db:
            found = rows(db, _STANDING, [protocol_hash])
            if not found:
                raise SettingError(
                    f"no rule was applied to protocol {protocol_hash}, so none can be taken back"
                )
            db.execute(
                "UPDATE current_rules SET undone_utc = ? WHERE protocol_hash = ? AND number = ?",
                [utc_now(), protocol_hash, found[0]["number"]],
            )
        return _current_rule(found[1]) if len(found) > 1 else None

    def clips_without_current_rule(self, protocol_hash: str) -> int:
        """How many clips have a run that was finished after the current rule was applied."""
        with self.catalog.reading() as db:
            return count(
                db,
                """SELECT count(DISTINCT media_id) FROM runs WHERE protocol_hash = ?
                AND state = 'done' AND finished_utc > (SELECT arg_max(set_utc, number)
                FROM current_rules c WHERE c.protocol_hash = ? AND undone_utc IS NULL)""",
                [protocol_hash, protocol_hash],
            )


_STANDING = """SELECT * FROM current_rules WHERE protocol_hash = ? AND undone_utc IS NULL
    ORDER BY number DESC LIMIT 2"""


def put_current_rule(
    db: duckdb.DuckDBPyConnection,
    protocol_hash: str,
    rule: Rule,
    name: str | None,
    run_id: str | None,
) -> None:
    """Make a rule current inside a transaction; see `CurrentRuleRows.set_current_rule`."""
    found = rows(db, _STANDING, [protocol_hash])
    if found and found[0]["rule_hash"] == rule.rule_hash:
        db.execute(
            "UPDATE current_rules SET rule_name = ?, run_id = ?, set_utc = ? "
            "WHERE protocol_hash = ? AND number = ?",
            [
                name or found[0]["rule_name"],
                run_id or found[0]["run_id"],
                utc_now(),
                protocol_hash,
                found[0]["number"],
            ],
        )
        return
    db.execute(
        """INSERT INTO current_rules SELECT ?, coalesce(max(number), 0) + 1, ?, ?, ?, ?, ?, NULL
        FROM current_rules WHERE protocol_hash = ?""",
        [
            protocol_hash,
            json.dumps(rule.to_dict()),
            rule.rule_hash,
            name,
            run_id,
            utc_now(),
            protocol_hash,
        ],
    )


def _current_rule(row: dict[str, Any]) -> CurrentRule:
    return CurrentRule(
        protocol_hash=row["protocol_hash"],
        rule=Rule.from_dict(json.loads(row["rule"])),
        name=row["rule_name"],
        run_id=row["run_id"],
        set_utc=row["set_utc"],
        undone_utc=row["undone_utc"],
    )
