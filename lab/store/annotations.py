"""Annotations, coverage and verdicts in the catalog."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from lab.annotation import ANSWERS, Annotation, Coverage, Verdict
from lab.errors import SettingError, StoreError
from lab.store.catalog import cannot_write, rows
from lab.store.media import MediaRows
from lab.store.query import Wanted, Where

if TYPE_CHECKING:
    import duckdb

AnyRecord = Annotation | Coverage | Verdict
Record = TypeVar("Record", Annotation, Coverage, Verdict)
_TABLES: dict[type, str] = {Annotation: "annotations", Coverage: "coverage", Verdict: "verdicts"}
_MEDIA = """SELECT path, facts, media_id IN (SELECT media_id FROM runs WHERE state = 'running')
    AS is_analysed_now FROM media WHERE media_id = ?"""
_MAX_TEXT_BYTES = 255
_KEYS: dict[type, str] = {
    Annotation: "annotation_id",
    Coverage: "coverage_id",
    Verdict: "verdict_id",
}


@dataclass(frozen=True)
class MediaRecords:
    """The records of one clip at one moment.

    version: that of the store's annotations then. annotators: of the whole store, sorted.
    """

    version: str | None
    annotations: list[Annotation]
    coverage: list[Coverage]
    verdicts: list[Verdict]
    annotators: list[str]


class AnnotationRows(MediaRows):
    """The part of a store that keeps annotations, coverage and verdicts."""

    def annotations(self, media_id: str | None = None) -> list[Annotation]:
        """By media and time."""
        return self._records(Annotation, media_id)

    def coverage(self, media_id: str | None = None) -> list[Coverage]:
        """By media and time."""
        return self._records(Coverage, media_id)

    def verdicts(self, media_id: str | None = None) -> list[Verdict]:
        """By media and time."""
        return self._records(Verdict, media_id)

    def add_records(self, records: Iterable[AnyRecord]) -> int:
        """Keep records, all or none; one with a known id replaces the old one. Returns how many."""
        return self.change_records(add=records)[0]

    def delete_records(self, ids: Sequence[str]) -> int:
        """Forget annotations, coverage or verdicts by id. Returns how many there were."""
        return self.change_records(delete=ids)[1]

    def change_records(
        self,
        *,
        add: Iterable[AnyRecord] = (),
        delete: Sequence[str] = (),
        media_id: str | None = None,
    ) -> tuple[int, int]:
        """Forget records and keep others, in one transaction: all of it is done, or nothing.

        delete: ids of annotations, coverage or verdicts; media_id: only those of this clip, and a
        record with the id of another clip's is refused. Raises SettingError for it.

        Returns how many were added, and how many deleted.
        """
        added = list(add)
        if not added and not delete:
            return 0, 0
        with self.catalog.transaction() as db:
            return self._change(db, added, delete, media_id)

    def change_media_records(
        self, media_id: str, *, add: Sequence[AnyRecord] = (), delete: Sequence[str] = ()
    ) -> MediaRecords:
        """Change the records of one clip and read them again, all in one transaction.

        Raises SettingError for a clip that is unknown, and for a record that lies outside it.
        """
        with self.catalog.transaction() as db:
            media = rows(db, _MEDIA, [media_id])
            if not media:
                raise SettingError(f"no media {media_id!r} in this store; add the clip first")
            (found,) = media
            _check(add, {**json.loads(found["facts"]), **found})
            if add or delete:
                self._change(db, add, delete, media_id)
            return self._of_media(db, media_id)

    def media_records(self, media_id: str) -> MediaRecords:
        """The records of one clip, with the version that they are of."""
        with self.catalog.reading() as db:
            return self._of_media(db, media_id)

    def _of_media(self, db: duckdb.DuckDBPyConnection | None, media_id: str) -> MediaRecords:
        names = " UNION ".join(f"SELECT annotator FROM {table}" for table in _TABLES.values())
        return MediaRecords(
            # Under the lock, so that it is the version of these records and no other.
            version=self.annotations_version,
            annotations=_select(db, Annotation, media_id),
            coverage=_select(db, Coverage, media_id),
            verdicts=_select(db, Verdict, media_id),
            annotators=[row["annotator"] for row in rows(db, f"{names} ORDER BY annotator")],
        )

    def _change(
        self,
        db: duckdb.DuckDBPyConnection,
        add: Sequence[AnyRecord],
        delete: Sequence[str],
        media_id: str | None,
    ) -> tuple[int, int]:
        by_type: dict[type, list[Any]] = {}
        for record in add:
            by_type.setdefault(type(record), []).append(record)
        deleted = sum(_delete(db, kind, delete, media_id) for kind in _TABLES) if delete else 0
        for kind, records in by_type.items():
            if media_id is not None:
                _check_ids(db, kind, records, media_id)
            _insert(db, kind, records)
        self.annotations_changed()
        return len(add), deleted

    def annotations_changed(self) -> None:
        """Another `annotations_version`. Call it under the lock and before the commit, so that
        whoever reads this version and then the records waits for them. Raises StoreError.
        """
        try:
            self.annotations_version_file.write_text(uuid.uuid4().hex)
        except OSError as error:
            raise StoreError(cannot_write(self.catalog.folder, error)) from None

    @property
    def annotations_version(self) -> str | None:
        """A text that is another after every change, by any process; None before the first.

        Read it before the records: they may be newer than it, never older.
        """
        try:
            return self.annotations_version_file.read_text()
        except FileNotFoundError:
            return None

    @property
    def annotations_version_file(self) -> Path:
        return self.catalog.folder / "annotations.version"

    def all_records(
        self, media_id: Wanted = None
    ) -> tuple[list[Annotation], list[Coverage], list[Verdict]]:
        """Annotations, coverage and verdicts as they are at one moment.

        media_id: of one clip, or of any of several; of all unless given.
        """
        with self.catalog.reading() as db:
            return (
                _select(db, Annotation, media_id),
                _select(db, Coverage, media_id),
                _select(db, Verdict, media_id),
            )

    def _records(self, kind: type[Record], media_id: str | None) -> list[Record]:
        with self.catalog.reading() as db:
            return _select(db, kind, media_id)


def _check(records: Iterable[AnyRecord], media: Mapping[str, Any]) -> None:
    """Raises SettingError for a record that lies outside its clip."""
    first_us, end_us = media["first_pts_us"], media["end_us"]
    # A recording that goes on is longer than what was written of it last.
    is_growing = media["is_analysed_now"] and not media["size_bytes"]
    for r in records:
        is_after = r.end_us > end_us + 1_000_000 and not is_growing
        if r.start_us < first_us - 1_000_000 or is_after:
            raise SettingError(
                f"{r.label!r} from {r.start_us / 1e6:g} to {r.end_us / 1e6:g} s lies outside "
                f"{Path(media['path']).name}, which runs from {first_us / 1e6:g} to "
                f"{end_us / 1e6:g} s"
            )


def _select(
    db: duckdb.DuckDBPyConnection | None, kind: type[Record], media_id: Wanted
) -> list[Record]:
    names = ", ".join(f.name for f in fields(kind))
    where = Where()
    where.equal("media_id", media_id)
    found = rows(
        db,
        f"SELECT {names} FROM {_TABLES[kind]}{where.sql} ORDER BY media_id, start_us, end_us",
        where.values,
    )
    return [kind(**row) for row in found]


def _insert(db: duckdb.DuckDBPyConnection, kind: type, records: Sequence[Any]) -> None:
    names = [f.name for f in fields(kind)]
    columns = {n: [getattr(r, n) for r in records] for n in names}
    # As one table: a hundred thousand rows take a moment then, not minutes.
    given = pa.table(columns)
    db.register("given", given)
    db.execute(
        f"INSERT OR REPLACE INTO {_TABLES[kind]} ({', '.join(names)}) "
        f"SELECT {', '.join(names)} FROM given"
    )
    db.unregister("given")


def _check_ids(
    db: duckdb.DuckDBPyConnection, kind: type, records: Sequence[Any], media_id: str
) -> None:
    """Raises SettingError for two records of one id, and for the id of another clip's record."""
    ids = [getattr(record, _KEYS[kind]) for record in records]
    if len(set(ids)) < len(ids):
        raise SettingError("two of the records have the same id; leave ids out for new records")
    taken = db.execute(
        f"SELECT {_KEYS[kind]} FROM {_TABLES[kind]} "
        f"WHERE list_contains(?, {_KEYS[kind]}) AND media_id <> ? LIMIT 1",
        [ids, media_id],
    ).fetchone()
    if taken is not None:
        raise SettingError(
            f"the id {taken[0]!r} is of a record of another clip; leave it out for a new record"
        )


def _delete(
    db: duckdb.DuckDBPyConnection, kind: type, ids: Sequence[str], media_id: str | None
) -> int:
    deleted = db.execute(
        f"DELETE FROM {_TABLES[kind]} WHERE list_contains(?, {_KEYS[kind]}) "
        "AND (? IS NULL OR media_id = ?) RETURNING 1",
        [list(ids), media_id, media_id],
    ).fetchall()
    return len(deleted)


def as_json(record: Annotation | Coverage | Verdict) -> dict[str, Any]:
    """A record with JSON values, for the page."""
    row = asdict(record)
    row["created_utc"] = record.created_utc.isoformat() + "Z"
    row["kind"] = type(record).__name__.lower()
    row["id"] = row.pop(_KEYS[type(record)])
    return row


def from_json(row: dict[str, Any]) -> Annotation | Coverage | Verdict:
    """A record from the page. Raises SettingError for one that is not valid."""
    kinds: dict[str, Any] = {"annotation": Annotation, "coverage": Coverage, "verdict": Verdict}
    kind = kinds.get(str(row.get("kind")))
    if kind is None:
        raise SettingError(
            f"a record is an annotation, coverage or verdict, got {row.get('kind')!r}"
        )
    known = {f.name for f in fields(kind)} - {"created_utc", _KEYS[kind]}
    given = {k: v for k, v in row.items() if k in known and v is not None}
    if row.get("id"):
        given[_KEYS[kind]] = row["id"]
    given.setdefault("annotator", "me")
    for name in ("start_us", "end_us"):
        given[name] = _microseconds(row, name)
    for name, value in given.items():
        if name not in ("start_us", "end_us"):
            _check_text(name, value)
    if "label" not in given:
        raise SettingError("a record needs a label; name what was seen or looked for")
    if kind is Verdict and given.get("verdict") not in ANSWERS:
        raise SettingError(f"a verdict is {', '.join(ANSWERS)}, got {given.get('verdict')!r}")
    return kind(**given)  # type: ignore[no-any-return]


def _microseconds(row: dict[str, Any], name: str) -> int:
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**53:
        raise SettingError(f"{name} must be a finite number of microseconds, got {value!r}")
    return round(value)


def _check_text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise SettingError(f"{name} must be a text, got {value!r}")
    size_bytes = len(value.encode("utf-8", "surrogatepass"))
    if size_bytes > _MAX_TEXT_BYTES:
        raise SettingError(
            f"{name} must be a text of at most {_MAX_TEXT_BYTES} bytes, got {size_bytes}: "
            f"{value[:40]!r}"
        )
    if any(c == "\0" or "\ud800" <= c <= "\udfff" for c in value):
        raise SettingError(
            f"{name} must be a text without null characters and lone surrogates, "
            f"got {value[:40]!r}; take them out"
        )
