"""The lab notebook's entries, and audits, in the catalog."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.annotation import utc_now
from lab.errors import SettingError, StoreReadOnlyError, closest

if TYPE_CHECKING:
    from lab.rules.rule import Rule
    from lab.store.catalog import Catalog

_WRITABLE = ("title", "notes", "conclusion", "tags", "starred", "archived", "parents")
_LISTS = ("tags", "parents")


class ExperimentRows:
    """The part of a store that keeps the entries of the lab notebook, and audits."""

    catalog: Catalog

    def add_entry(
        self,
        run_id: str,
        rule: Rule,
        *,
        title: str,
        figures: Mapping[str, Any] | None = None,
        parents: Sequence[str] = (),
    ) -> str:
        """Add an entry for a saved rule, and return its id. figures: as measured at that time."""
        entry_id = uuid.uuid4().hex[:12]
        with self.catalog.transaction() as db:
            db.execute(
                """INSERT INTO entries (entry_id, kind, run_id, rule, rule_hash, title, figures,
                parents, created_utc) VALUES (?, 'rule', ?, ?, ?, ?, ?, ?, ?)""",
                [
                    entry_id, run_id, json.dumps(rule.to_dict()), rule.rule_hash, title,
                    json.dumps(figures) if figures is not None else None,
                    json.dumps([f"run-{run_id}", *parents]), utc_now(),
                ],
            )  # fmt: skip
        return entry_id

    def entries(self) -> list[dict[str, Any]]:
        """Newest first: one for each run (id `run-RUN_ID`) and each rule that was saved."""
        with suppress(StoreReadOnlyError), self.catalog.transaction() as db:
            db.execute(
                """INSERT OR IGNORE INTO entries
                (entry_id, kind, run_id, title, parents, created_utc)
                SELECT 'run-' || run_id, 'run', run_id, NULL, '[]', created_utc FROM runs"""
            )
        rows = self.catalog.rows(
            "SELECT e.*, m.path FROM entries e JOIN runs r USING (run_id) LEFT JOIN media m USING "
            "(media_id) ORDER BY e.created_utc DESC, e.entry_id DESC"
        )
        for row in rows:
            row["title"] = row["title"] or Path(row.pop("path") or row["run_id"]).name
            row.pop("path", None)
            for name in ("rule", "figures"):
                row[name] = json.loads(row[name]) if row[name] else None
            for name in _LISTS:
                row[name] = json.loads(row[name]) if row[name] else []
        return rows

    def entry(self, entry_id: str) -> dict[str, Any]:
        """An entry by its id or the beginning of it. Raises SettingError unless just one fits."""
        rows = self.entries()
        found = [r for r in rows if r["entry_id"] == entry_id]
        found = found or [r for r in rows if entry_id and r["entry_id"].startswith(entry_id)]
        if len(found) != 1:
            known = [r["entry_id"] for r in rows]
            raise SettingError(
                f"no entry {entry_id!r} in this notebook; {closest(entry_id, known)}"
            )
        return found[0]

    def write_entry(self, entry_id: str, **values: Any) -> None:
        """Change what a person writes.

        values: any of `title`, `notes`, `conclusion`, `tags`, `starred`, `archived`, `parents`.
        Raises SettingError for another name, or an entry that is not there.
        """
        for name in values:
            if name not in _WRITABLE:
                raise SettingError(
                    f"an entry has no {name!r} to write; {closest(name, list(_WRITABLE))}"
                )
        self.entry(entry_id)
        given = {n: json.dumps(list(v)) if n in _LISTS else v for n, v in values.items()}
        sets = ", ".join(f"{name} = ?" for name in given)
        with self.catalog.transaction() as db:
            db.execute(
                f"UPDATE entries SET {sets}, edited_utc = ? WHERE entry_id = ?",
                [*given.values(), utc_now(), entry_id],
            )

    def add_audit(self, audit: Mapping[str, Any]) -> None:
        """Log a frozen rule and its sample; an audit is never changed.

        audit: as `lab.tuning.audit.Audit.to_dict` gives it.
        """
        with self.catalog.transaction() as db:
            db.execute(
                "INSERT INTO audits VALUES (?, ?, ?)",
                [audit["audit_id"], json.dumps(audit), utc_now()],
            )

    def audits(self) -> list[dict[str, Any]]:
        """Newest first, as `lab.tuning.audit.Audit.from_dict` takes them."""
        rows = self.catalog.rows("SELECT audit FROM audits ORDER BY created_utc DESC")
        return [json.loads(row["audit"]) for row in rows]
