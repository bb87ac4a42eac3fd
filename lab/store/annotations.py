"""Annotations, coverage and verdicts in the catalog."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from lab.annotation import Annotation, Coverage, Verdict
from lab.errors import SettingError

if TYPE_CHECKING:
    from lab.store.catalog import Catalog

Record = TypeVar("Record", Annotation, Coverage, Verdict)
_TABLES: dict[type, str] = {Annotation: "annotations", Coverage: "coverage", Verdict: "verdicts"}
_KEYS: dict[type, str] = {
    Annotation: "annotation_id",
    Coverage: "coverage_id",
    Verdict: "verdict_id",
}


class AnnotationRows:
    """What people say is true; a part of `Store`."""

    catalog: Catalog

    def annotations(self, media_id: str | None = None) -> list[Annotation]:
        """By media and time."""
        return self._records(Annotation, media_id)

    def coverage(self, media_id: str | None = None) -> list[Coverage]:
        """By media and time."""
        return self._records(Coverage, media_id)

    def verdicts(self, media_id: str | None = None) -> list[Verdict]:
        """By media and time."""
        return self._records(Verdict, media_id)

    def add_records(self, records: Iterable[Annotation | Coverage | Verdict]) -> int:
        """Keep records, all or none; one with a known id replaces it. Returns how many."""
        by_type: dict[type, list[Any]] = {}
        for record in records:
            by_type.setdefault(type(record), []).append(record)
        if not by_type:
            return 0
        with self.catalog.transaction() as db:
            for kind, rows in by_type.items():
                names = [f.name for f in fields(kind)]
                columns = {n: [getattr(r, n) for r in rows] for n in names}
                # One table handed over whole: a hundred thousand rows take a moment, not minutes.
                given = pa.table(columns)
                db.register("given", given)
                db.execute(
                    f"INSERT OR REPLACE INTO {_TABLES[kind]} ({', '.join(names)}) "
                    f"SELECT {', '.join(names)} FROM given"
                )
                db.unregister("given")
        return sum(len(rows) for rows in by_type.values())

    def delete_records(self, ids: Sequence[str]) -> int:
        """Forget annotations, coverage or verdicts by id. Returns how many there were."""
        count = 0
        with self.catalog.transaction() as db:
            for kind, table in _TABLES.items():
                gone = db.execute(
                    f"DELETE FROM {table} WHERE list_contains(?, {_KEYS[kind]}) RETURNING 1",
                    [list(ids)],
                ).fetchall()
                count += len(gone)
        return count

    def check_records(self, records: Iterable[Annotation | Coverage | Verdict]) -> None:
        """Raises SettingError for a record of a media that is not here, or outside it."""
        media = {row["media_id"]: row for row in self.all_media()}
        for r in records:
            row = media.get(r.media_id)
            if row is None:
                raise SettingError(f"no media {r.media_id!r} in this store; add the clip first")
            if r.start_us < row["first_pts_us"] - 1_000_000 or r.end_us > row["end_us"] + 1_000_000:
                raise SettingError(
                    f"{r.label!r} from {r.start_us / 1e6:g} to {r.end_us / 1e6:g} s lies outside "
                    f"{row['name']}, which runs from {row['first_pts_us'] / 1e6:g} to {row['end_us'] / 1e6:g} s"
                )

    def all_media(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        raise NotImplementedError

    def _records(self, kind: type[Record], media_id: str | None) -> list[Record]:
        names = ", ".join(f.name for f in fields(kind))
        rows = self._rows(
            f"SELECT {names} FROM {_TABLES[kind]} WHERE ? IS NULL OR media_id = ? "
            "ORDER BY media_id, start_us, end_us",
            [media_id, media_id],
        )
        return [kind(**row) for row in rows]


def as_json(record: Annotation | Coverage | Verdict) -> dict[str, Any]:
    """A record with JSON values, for the page."""
    row = asdict(record)
    row["created_utc"] = record.created_utc.isoformat() + "Z"
    row["kind"] = type(record).__name__.lower()
    row["id"] = row.pop(_KEYS[type(record)])
    return row


def of_json(row: dict[str, Any]) -> Annotation | Coverage | Verdict:
    """A record from the page. Raises SettingError for what cannot be meant."""
    kinds: dict[str, Any] = {"annotation": Annotation, "coverage": Coverage, "verdict": Verdict}
    kind = kinds.get(str(row.get("kind")))
    if kind is None:
        raise SettingError(
            f"a record is an annotation, coverage or verdict, got {row.get('kind')!r}"
        )
    known = {f.name for f in fields(kind)} - {"created_utc"}
    given = {k: v for k, v in row.items() if k in known and v is not None}
    if row.get("id"):
        given[_KEYS[kind]] = str(row["id"])[:40]
    for name in ("start_us", "end_us"):
        given[name] = round(float(row[name]))
    for name in ("label", "annotator"):
        given[name] = str(given.get(name, "me"))[:200]
    return kind(**given)  # type: ignore[no-any-return]
