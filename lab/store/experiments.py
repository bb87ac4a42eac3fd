"""The lab notebook's entries, and audits, in the catalog."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from lab.annotation import utc_now
from lab.errors import SettingError, closest
from lab.store.catalog import Catalog, rows
from lab.store.query import Wanted, Where, check_conditions, count, nearest, page_of

if TYPE_CHECKING:
    import duckdb

    from lab.rules.rule import Rule

_WRITABLE = ("title", "notes", "conclusion", "tags", "starred", "archived", "parents")
_LISTS = ("tags", "parents")
# With the entries of runs in which nobody has written yet.
_ALL = """WITH known AS (SELECT * FROM entries UNION ALL BY NAME
    SELECT 'run-' || run_id AS entry_id, 'run' AS kind, run_id, '' AS notes, '' AS conclusion,
    '[]' AS tags, false AS starred, false AS archived, '[]' AS parents, created_utc
    FROM runs WHERE 'run-' || run_id NOT IN (SELECT entry_id FROM entries)) """
_FROM = "known e JOIN runs r USING (run_id) LEFT JOIN media m USING (media_id)"
# The rule that was saved of the same run before it.
_BEFORE = """WITH saved AS (SELECT entry_id, lag(title) OVER earlier AS title,
    lag(rule) OVER earlier AS rule FROM entries WHERE kind = 'rule' AND run_id IN (
        SELECT run_id FROM entries WHERE entry_id IN (SELECT unnest(?::VARCHAR[])))
    WINDOW earlier AS (PARTITION BY run_id ORDER BY created_utc, entry_id))
    SELECT * FROM saved WHERE rule IS NOT NULL
    AND entry_id IN (SELECT unnest(?::VARCHAR[]))"""
_NEWEST = " ORDER BY e.created_utc DESC, e.entry_id DESC"


class EntryFilter(TypedDict, total=False):
    """Which entries: each condition that is given must hold.

    run_id, entry_id: one, or any of several. text: words that the title, the clip's name, notes,
    conclusion, tags or id must contain. tags: all of them. starred, archived: those that are, or
    are not.
    """

    run_id: Wanted
    entry_id: Wanted
    text: str | None
    tags: Sequence[str] | None
    starred: bool | None
    archived: bool | None


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

    def entries(
        self, *, limit: int | None = None, offset: int = 0, **wanted: Unpack[EntryFilter]
    ) -> list[dict[str, Any]]:
        """Newest first: one for each run (id `run-RUN_ID`) and each rule that was saved."""
        page = _NEWEST + page_of(limit, offset)
        with self.catalog.reading() as db:
            return _select(db, _where(wanted), page)

    def entry_titles(
        self, *, limit: int | None = None, **wanted: Unpack[EntryFilter]
    ) -> dict[str, str]:
        """entry_id to title, newest first."""
        where = _where(wanted)
        columns = "e.entry_id, e.title, e.run_id, m.path"
        page = _NEWEST + page_of(limit, 0)
        with self.catalog.reading() as db:
            sql = f"{_ALL}SELECT {columns} FROM {_FROM}{where.sql}{page}"
            return {row["entry_id"]: _title(row) for row in rows(db, sql, where.values)}

    def count_entries(self, **wanted: Unpack[EntryFilter]) -> int:
        where = _where(wanted)
        with self.catalog.reading() as db:
            return count(db, f"{_ALL}SELECT count(*) FROM {_FROM}{where.sql}", where.values)

    def rules_before(self, entry_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Of each of these entries the rule that was saved of its run before: title and rule.

        Entries before which there was none are left out.
        """
        wanted = list(entry_ids)
        found = self.catalog.rows(_BEFORE, [wanted, wanted])
        return {
            row["entry_id"]: {"title": row["title"], "rule": json.loads(row["rule"])}
            for row in found
        }

    def entry_tags(self) -> list[str]:
        """The tags of all entries, sorted."""
        found = self.catalog.rows(
            """SELECT DISTINCT unnest(from_json(tags, '["VARCHAR"]')) AS tag FROM entries
            ORDER BY tag"""
        )
        return [row["tag"] for row in found]

    def entry(self, entry_id: str) -> dict[str, Any]:
        """An entry by its id or the beginning of it. Raises SettingError unless just one fits."""
        with self.catalog.reading() as db:
            return _entry(db, entry_id)

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
        given = {n: json.dumps(list(v)) if n in _LISTS else v for n, v in values.items()}
        sets = ", ".join(f"{name} = ?" for name in given)
        with self.catalog.transaction() as db:
            full = _entry(db, entry_id)["entry_id"]
            # The entry of a run is a row from the first time that somebody writes in it.
            db.execute(
                """INSERT OR IGNORE INTO entries
                (entry_id, kind, run_id, title, parents, created_utc)
                SELECT 'run-' || run_id, 'run', run_id, NULL, '[]', created_utc FROM runs
                WHERE 'run-' || run_id = ?""",
                [full],
            )
            db.execute(
                f"UPDATE entries SET {sets}, edited_utc = ? WHERE entry_id = ?",
                [*given.values(), utc_now(), full],
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


def _where(wanted: EntryFilter) -> Where:
    check_conditions(wanted, EntryFilter)
    where = Where()
    where.equal("e.run_id", wanted.get("run_id"))
    where.equal("e.entry_id", wanted.get("entry_id"))
    columns = ["e.title", "m.name", "e.notes", "e.conclusion", "e.tags::VARCHAR", "e.entry_id"]
    where.text([f"coalesce({column}, '')" for column in columns], wanted.get("text"))
    if wanted.get("tags"):
        where.add("list_has_all(from_json(e.tags, '[\"VARCHAR\"]'), ?)", list(wanted["tags"] or ()))
    for name, value in (("starred", wanted.get("starred")), ("archived", wanted.get("archived"))):
        if value is not None:
            where.add(f"coalesce(e.{name}, false) = ?", value)
    return where


def _entry(db: duckdb.DuckDBPyConnection | None, entry_id: str) -> dict[str, Any]:
    for condition in ("e.entry_id = ?", "? <> '' AND starts_with(e.entry_id, ?)"):
        where = Where()
        where.add(condition, *[entry_id] * condition.count("?"))
        found = _select(db, where, " LIMIT 2")
        if len(found) == 1:
            return found[0]
    hint = nearest(db, "(SELECT entry_id FROM entries UNION SELECT 'run-' || run_id FROM runs)",
                   "entry_id", entry_id)  # fmt: skip
    raise SettingError(f"no entry {entry_id!r} in this notebook; {hint}")


def _title(row: Mapping[str, Any]) -> str:
    return row["title"] or Path(row["path"] or row["run_id"]).name


def _select(db: duckdb.DuckDBPyConnection | None, where: Where, page: str) -> list[dict[str, Any]]:
    sql = f"{_ALL}SELECT e.*, m.path FROM {_FROM}{where.sql}{page}"
    found = rows(db, sql, where.values)
    for row in found:
        row["title"] = _title(row)
        del row["path"]
        for name in ("rule", "figures"):
            row[name] = json.loads(row[name]) if row[name] else None
        for name in _LISTS:
            row[name] = json.loads(row[name]) if row[name] else []
    return found
