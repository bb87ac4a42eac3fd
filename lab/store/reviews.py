"""What people say of stored sightings: verdicts, tags, notes, deletion, and taking it back.

A verdict is of a stretch of a clip with its label, not of a row, so that it is still there when the
rule is applied again. It says nothing of the rest of the clip: no coverage follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal, Unpack

import duckdb
import pyarrow as pa

from lab.annotation import ANSWERS, utc_now
from lab.errors import SettingError, closest
from lab.store.annotations import AnnotationRows
from lab.store.query import count
from lab.store.sighting_filter import SIGHTINGS, SightingFilter, last_verdicts, sightings_where
from lab.store.sightings import Row, SightingRows

Table = Literal["verdicts", "annotations", "sighting_marks", "sightings"]
MAX_TAG_BYTES, MAX_TAGS, MAX_NOTE_CHARS = 100, 20, 10_000
_STRETCH = ("media_id", "label", "start_us", "end_us")
_KEYS: dict[Table, tuple[str, ...]] = {
    "verdicts": ("verdict_id",),
    "annotations": ("annotation_id",),
    "sighting_marks": _STRETCH,
    "sightings": ("sighting_id",),
}
_NEW_ID = "substr(replace(uuid()::VARCHAR, '-', ''), 1, 16)"


@dataclass(frozen=True, kw_only=True)
class Change:
    """What was done to sightings, with what it takes to undo it.

    count: of sightings. removed: rows as they were, by table. added: keys of rows that came.
    """

    what: str
    count: int
    removed: Mapping[Table, pa.Table]
    added: Mapping[Table, pa.Table]


class ReviewRows(SightingRows, AnnotationRows):
    """The part of a store that keeps what people say of sightings."""

    def judge_sightings(
        self,
        verdict: str,
        /,
        *,
        new_label: str | None = None,
        annotator: str = "me",
        **wanted: Unpack[SightingFilter],
    ) -> Change:
        """Give the same verdict on sightings, in place of the annotator's earlier one.

        verdict: `accepted`, `rejected` or `unsure`. new_label: of a rejected sighting, what was
        there instead. What was there becomes an annotation of origin `accepted` (its edges are
        copied, so they measure nothing), unless one of its label is there already. Raises
        SettingError.
        """
        if verdict not in ANSWERS:
            raise SettingError(f"no verdict {verdict!r}; {closest(verdict, list(ANSWERS))}")
        if new_label is not None:
            new_label = new_label.strip()
            _check_text("a label", new_label, 255)
            if verdict != "rejected":
                raise SettingError("only a rejected sighting has a new label")
        with self._picked(wanted) as (db, n):
            verdicts = _take(db, "verdicts", _OWN_VERDICTS, [annotator])
            annotations = _take(db, "annotations", _OWN_COPIES, [annotator])
            made: dict[Table, pa.Table] = {}
            values = [new_label, verdict, annotator, new_label, utc_now()]
            made["verdicts"] = db.sql(_NEW_VERDICTS, params=values).to_arrow_table()
            if verdict == "accepted" or new_label is not None:
                values = [annotator, utc_now(), new_label]
                made["annotations"] = db.sql(_NEW_COPIES, params=values).to_arrow_table()
            for table, given in made.items():
                _put(db, table, given)
            self.annotations_changed()
        return Change(
            what=f"relabelled as {new_label}" if new_label else verdict,
            count=n,
            removed={"verdicts": verdicts, "annotations": annotations},
            added={table: _keys(table, given) for table, given in made.items()},
        )

    def forget_verdicts(self, *, annotator: str = "me", **wanted: Unpack[SightingFilter]) -> Change:
        """Take an annotator's verdicts on sightings away, with what was annotated by them."""
        with self._picked(wanted) as (db, n):
            verdicts = _take(db, "verdicts", _OWN_VERDICTS, [annotator])
            annotations = _take(db, "annotations", _OWN_COPIES, [annotator])
            self.annotations_changed()
        removed: dict[Table, pa.Table] = {"verdicts": verdicts, "annotations": annotations}
        return Change(what="not reviewed", count=n, removed=removed, added={})

    def tag_sightings(
        self,
        add: Iterable[str] = (),
        remove: Iterable[str] = (),
        **wanted: Unpack[SightingFilter],
    ) -> Change:
        """Give sightings tags, and take others away. Raises SettingError for one that is none."""
        added, removed = _tags(add), _tags(remove)
        tags = "list_sort(list_distinct(list_filter(list_concat(tags, ?::VARCHAR[]), "
        tags += "lambda tag: NOT list_contains(?::VARCHAR[], tag))))"
        what = ", ".join([*(f"tagged {t}" for t in added), *(f"tag {t} removed" for t in removed)])
        with self._picked(wanted) as (db, n):
            return self._mark(db, n, what, f"{tags} AS tags, note", [added, removed])

    def note_sightings(self, note: str, /, **wanted: Unpack[SightingFilter]) -> Change:
        """Write the same note to sightings in place of an earlier one; an empty one takes it away.

        Raises SettingError for one that is too long.
        """
        if len(note) > MAX_NOTE_CHARS or _is_odd(note):
            raise SettingError(
                f"a note has at most {MAX_NOTE_CHARS:,} characters, got {len(note):,}"
            )
        with self._picked(wanted) as (db, n):
            return self._mark(db, n, "note written", "tags, ? AS note", [note.strip()])

    def delete_sightings(self, **wanted: Unpack[SightingFilter]) -> Change:
        """Forget sightings with their tags and notes; see `what_goes_with_sightings`."""
        with self._picked(wanted) as (db, n):
            sightings = _take(db, "sightings", "sighting_id IN (SELECT sighting_id FROM picked)")
            left = "NOT EXISTS (SELECT 1 FROM sightings s WHERE " + _is_of("s", "t") + ")"
            marks = _take(db, "sighting_marks", f"{_IN_PICKED} AND {left}")
        removed: dict[Table, pa.Table] = {"sightings": sightings, "sighting_marks": marks}
        return Change(what="deleted", count=n, removed=removed, added={})

    def undo_change(self, change: Change) -> None:
        """Put everything back as it was before a change."""
        with self.catalog.transaction() as db:
            for table, keys in change.added.items():
                _delete(db, table, keys)
            for table, removed in change.removed.items():
                _delete(db, table, _keys(table, removed))
                _put(db, table, removed)
            self.annotations_changed()

    def what_goes_with_sightings(self, **wanted: Unpack[SightingFilter]) -> dict[str, int]:
        """How many there are (`sightings`), with how many `tags_and_notes` that go with them, and
        how many `verdicts` and `annotations` of theirs stay.
        """
        stays = {"verdicts": _IN_PICKED, "annotations": f"{_IN_PICKED} AND origin = 'accepted'"}
        with self._picked(wanted) as (db, n):
            marks = count(db, f"SELECT count(*) FROM sighting_marks t WHERE {_IN_PICKED}")
            found = {
                table: count(db, f"SELECT count(*) FROM {table} t WHERE {where}")
                for table, where in stays.items()
            }
        return {"sightings": n, "tags_and_notes": marks, **found}

    def reviews_of(self, sightings: Sequence[Mapping[str, Any]]) -> dict[str, Row]:
        """What was said of each of these, by its id: verdict (any of `VERDICTS`, or None),
        new_label, tags and note.

        sightings: rows with sighting_id.
        """
        ids = [row["sighting_id"] for row in sightings]
        found = self.catalog.rows(
            f"""SELECT s.sighting_id, v.verdict, v.new_label, coalesce(t.tags, []) AS tags,
            coalesce(t.note, '') AS note FROM sightings s
            LEFT JOIN {last_verdicts(_OF_MEDIA)} v ON {_is_of("s", "v")}
            LEFT JOIN sighting_marks t ON {_is_of("s", "t")}
            WHERE s.sighting_id IN (SELECT unnest(?::VARCHAR[]))""",
            [ids, ids],
        )
        return {row.pop("sighting_id"): row for row in found}

    def sighting_tags(self) -> dict[str, int]:
        """How many stretches have each tag, by tag."""
        found = self.catalog.rows(
            "SELECT tag, count(*) AS n FROM (SELECT unnest(tags) AS tag FROM sighting_marks) "
            "GROUP BY tag ORDER BY tag"
        )
        return {row["tag"]: row["n"] for row in found}

    @contextmanager
    def _picked(self, wanted: SightingFilter) -> Iterator[tuple[duckdb.DuckDBPyConnection, int]]:
        """A transaction in which the sightings that are wanted are the rows of `picked`."""
        where = sightings_where(wanted)
        with self.catalog.transaction() as db:
            picked = db.sql(
                f"""SELECT s.sighting_id, s.media_id, s.label, s.onset_us AS start_us,
                s.offset_us AS end_us, s.run_id, s.rule_hash FROM {SIGHTINGS}{where.sql}""",
                params=where.values,
            ).to_arrow_table()
            db.register("picked", picked)
            try:
                yield db, picked.num_rows
            finally:
                with suppress(duckdb.Error):  # after an error that is not possible
                    for name in ("picked", "taken_verdicts"):
                        db.unregister(name)

    def _mark(
        self, db: duckdb.DuckDBPyConnection, n: int, what: str, columns: str, values: list[Any]
    ) -> Change:
        """Write the marks of `picked` anew. columns: tags and note, from those that there are."""
        now = db.sql(
            f"""SELECT media_id, label, start_us, end_us, {columns}, ?::TIMESTAMP AS edited_utc
            FROM (SELECT DISTINCT media_id, label, start_us, end_us,
                coalesce(t.tags, []) AS tags, coalesce(t.note, '') AS note
                FROM picked p LEFT JOIN sighting_marks t
                USING (media_id, label, start_us, end_us))""",
            params=[*values, utc_now()],
        ).to_arrow_table()
        if now.num_rows and max(map(len, now["tags"].to_pylist())) > MAX_TAGS:
            raise SettingError(f"a sighting has at most {MAX_TAGS} tags; remove others first")
        before = _take(db, "sighting_marks", _IN_PICKED)
        db.register("now_marked", now)
        kept = db.sql("SELECT * FROM now_marked WHERE len(tags) > 0 OR note <> ''").to_arrow_table()
        db.unregister("now_marked")
        _put(db, "sighting_marks", kept)
        return Change(
            what=what,
            count=n,
            removed={"sighting_marks": before},
            added={"sighting_marks": _keys("sighting_marks", kept)},
        )


_IN_PICKED = (
    "(t.media_id, t.label, t.start_us, t.end_us) IN "
    "(SELECT (media_id, label, start_us, end_us) FROM picked)"
)
_OWN_VERDICTS = f"{_IN_PICKED} AND t.annotator = ?"
_OF_MEDIA = """WHERE media_id IN (SELECT media_id FROM sightings
    WHERE sighting_id IN (SELECT unnest(?::VARCHAR[])))"""
# Also those of another label, by an earlier verdict.
_OWN_COPIES = """t.origin = 'accepted' AND t.annotator = ? AND
    (t.media_id, t.start_us, t.end_us, t.label) IN (
        SELECT (media_id, start_us, end_us, label) FROM picked UNION ALL
        SELECT (media_id, start_us, end_us, new_label) FROM taken_verdicts
        WHERE new_label IS NOT NULL)"""
_NEW_VERDICTS = f"""SELECT {_NEW_ID} AS verdict_id, media_id, label, start_us, end_us,
    CASE WHEN label = ? THEN 'accepted' ELSE ? END AS verdict, ? AS annotator,
    any_value(run_id) AS run_id, any_value(rule_hash) AS rule_hash,
    nullif(?::VARCHAR, label) AS new_label, ?::TIMESTAMP AS created_utc
    FROM picked GROUP BY media_id, label, start_us, end_us"""
_NEW_COPIES = f"""SELECT {_NEW_ID} AS annotation_id, media_id, label, start_us, end_us,
    ? AS annotator, 'accepted' AS origin, ?::TIMESTAMP AS created_utc
    FROM (SELECT DISTINCT media_id, coalesce(?, label) AS label, start_us, end_us FROM picked) p
    WHERE NOT EXISTS (SELECT 1 FROM annotations a WHERE a.media_id = p.media_id
        AND a.label = p.label AND a.start_us <= p.end_us AND a.end_us >= p.start_us)"""


def _is_of(sightings: str, stretches: str) -> str:
    return (
        f"{stretches}.media_id = {sightings}.media_id AND {stretches}.label = {sightings}.label "
        f"AND {stretches}.start_us = {sightings}.onset_us "
        f"AND {stretches}.end_us = {sightings}.offset_us"
    )


def _take(
    db: duckdb.DuckDBPyConnection, table: Table, where: str, values: Sequence[Any] = ()
) -> pa.Table:
    """Delete rows of a table, called `t`, and return them. Verdicts are `taken_verdicts` then."""
    taken = db.sql(f"SELECT t.* FROM {table} t WHERE {where}", params=[*values]).to_arrow_table()
    if table == "verdicts":
        db.register("taken_verdicts", taken)
    if taken.num_rows:
        _delete(db, table, _keys(table, taken))
    return taken


def _delete(db: duckdb.DuckDBPyConnection, table: Table, keys: pa.Table) -> None:
    if not keys.num_rows:
        return
    names = _KEYS[table]
    db.register("given_keys", keys)
    columns = ", ".join(names) if len(names) == 1 else f"({', '.join(names)})"
    db.execute(f"DELETE FROM {table} WHERE {columns} IN (SELECT {columns} FROM given_keys)")
    db.unregister("given_keys")


def _put(db: duckdb.DuckDBPyConnection, table: Table, given: pa.Table) -> None:
    if not given.num_rows:
        return
    db.register("given_rows", given)
    names = ", ".join(given.column_names)
    db.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM given_rows")
    db.unregister("given_rows")


def _keys(table: Table, given: pa.Table) -> pa.Table:
    return given.select(list(_KEYS[table]))


def _tags(given: Iterable[str]) -> list[str]:
    tags = list(dict.fromkeys(" ".join(tag.split()) for tag in given))
    for tag in tags:
        _check_text("a tag", tag, MAX_TAG_BYTES)
    return tags


def _check_text(what: str, text: str, most_bytes: int) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    if not text.strip() or size > most_bytes or _is_odd(text):
        raise SettingError(f"{what} is a text of 1 to {most_bytes} bytes, got {text[:40]!r}")


def _is_odd(text: str) -> bool:
    """Whether it holds a character that no text has."""
    return any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)
