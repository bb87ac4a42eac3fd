"""The lab notebook's entries, and audits, in the catalog."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from lab.annotation import utc_now
from lab.errors import SettingError, closest
from lab.store.catalog import rows
from lab.store.query import Wanted, Where, count, nearest, page_of

if TYPE_CHECKING:
    from lab.rules.rule import Rule
    from lab.store.catalog import Catalog

_WRITABLE = ("title", "notes", "conclusion", "tags", "starred", "archived", "parents")
_LISTS = ("tags", "parents")
# A run is an entry before anything is written about it, so that reading writes nothing.
_ENTRIES = """(SELECT * FROM entries UNION ALL BY NAME
    SELECT 'run-' || run_id AS entry_id, 'run' AS kind, run_id, '[]'::JSON AS tags,
    '[]'::JSON AS parents, '' AS notes, '' AS conclusion, false AS starred, false AS archived,
    created_utc FROM runs WHERE run_id NOT IN (SELECT run_id FROM entries WHERE kind = 'run'))"""
_FROM = f"{_ENTRIES} e JOIN runs r USING (run_id) LEFT JOIN media m USING (media_id)"
_TITLE = "coalesce(nullif(e.title, ''), m.name, e.run_id)"
_TAGS = "from_json(e.tags, '[\"VARCHAR\"]')"


class EntryFilter(TypedDict, total=False):
    """Which entries: each condition that is given must hold.

    entry_id: one, or any of several. text: words that title, notes, conclusion, id or tags must
    contain. tags: all of these. starred, archived: only those that are, or are not.
    """

    entry_id: Wanted
    text: str | None
    tags: Sequence[str]
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
        where = _where(wanted)
        with self.catalog.reading() as db:
            found = rows(
                db,
                f"SELECT e.* REPLACE ({_TITLE} AS title) FROM {_FROM}{where.sql} "
                f"ORDER BY e.created_utc DESC, e.entry_id DESC{page_of(limit, offset)}",
                where.values,
            )
        for row in found:
            for name in ("rule", "figures"):
                row[name] = json.loads(row[name]) if row[name] else None
            for name in _LISTS:
                row[name] = json.loads(row[name]) if row[name] else []
        return found

    def count_entries(self, **wanted: Unpack[EntryFilter]) -> int:
        where = _where(wanted)
        with self.catalog.reading() as db:
            return count(db, f"SELECT count(*) FROM {_FROM}{where.sql}", where.values)

    def entry_titles(
        self, *, limit: int | None = None, **wanted: Unpack[EntryFilter]
    ) -> dict[str, str]:
        """entry_id to title, newest first."""
        where = _where(wanted)
        with self.catalog.reading() as db:
            found = rows(
                db,
                f"SELECT e.entry_id, {_TITLE} AS title FROM {_FROM}{where.sql} "
                f"ORDER BY e.created_utc DESC, e.entry_id DESC{page_of(limit, 0)}",
                where.values,
            )
        return {row["entry_id"]: row["title"] for row in found}

    def entry_tags(self) -> list[str]:
        """The tags of all entries, sorted."""
        found = self.catalog.rows(f"SELECT DISTINCT unnest({_TAGS}) AS tag FROM entries e")
        return sorted(row["tag"] for row in found)

    def entry(self, entry_id: str) -> dict[str, Any]:
        """An entry by its id or the beginning of it. Raises SettingError unless just one fits."""
        with self.catalog.reading() as db:
            ids = [
                row["entry_id"]
                for row in rows(
                    db,
                    f"SELECT e.entry_id FROM {_FROM} WHERE ? <> '' AND starts_with(e.entry_id, ?) "
                    "ORDER BY e.entry_id <> ? LIMIT 2",
                    [entry_id] * 3,
                )
            ]
            if ids[:1] != [entry_id] and len(ids) != 1:
                hint = nearest(db, _ENTRIES, "entry_id", entry_id)
                raise SettingError(f"no entry {entry_id!r} in this notebook; {hint}")
        return self.entries(entry_id=ids[0])[0]

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
        run_id = self.entry(entry_id)["run_id"]
        given = {n: json.dumps(list(v)) if n in _LISTS else v for n, v in values.items()}
        sets = ", ".join(f"{name} = ?" for name in given)
        with self.catalog.transaction() as db:
            db.execute(
                """INSERT OR IGNORE INTO entries (entry_id, kind, run_id, parents, created_utc)
                SELECT 'run-' || run_id, 'run', run_id, '[]', created_utc FROM runs
                WHERE run_id = ?""",
                [run_id],
            )
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
        found = self.catalog.rows("SELECT audit FROM audits ORDER BY created_utc DESC")
        return [json.loads(row["audit"]) for row in found]


def _where(wanted: EntryFilter) -> Where:
    where = Where()
    where.equal("e.entry_id", wanted.get("entry_id"))
    where.text(
        [
            _TITLE,
            "coalesce(e.notes, '')",
            "coalesce(e.conclusion, '')",
            "e.entry_id",
            f"array_to_string({_TAGS}, ' ')",
        ],
        wanted.get("text"),
    )
    for tag in wanted.get("tags", ()):
        where.add(f"list_contains({_TAGS}, ?)", tag)
    for name in ("starred", "archived"):
        value = wanted.get(name)
        if value is not None:
            where.add(f"coalesce(e.{name}, false) = ?", value)
    return where
