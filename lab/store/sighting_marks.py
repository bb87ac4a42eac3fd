"""Tags and notes of stored sightings: of a stretch of a clip with its label."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Unpack

import duckdb

from lab.annotation import utc_now
from lab.errors import SettingError
from lab.store.changes import IN_PICKED, Change, ChangeRows, keys_of, put_rows, take_rows
from lab.store.sighting_filter import SightingFilter

MAX_TAG_BYTES, MAX_TAGS, MAX_NOTE_CHARS = 100, 20, 10_000


class MarkRows(ChangeRows):
    """The part of a store that keeps tags and notes."""

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
        with self.picked(wanted) as (db, n):
            return self._mark(db, n, what, f"{tags} AS tags, note", [added, removed])

    def note_sightings(self, note: str, /, **wanted: Unpack[SightingFilter]) -> Change:
        """Write the same note to sightings in place of an earlier one; an empty one takes it away.

        Raises SettingError for one that is too long.
        """
        if len(note) > MAX_NOTE_CHARS or _is_odd(note):
            raise SettingError(
                f"a note has at most {MAX_NOTE_CHARS:,} characters, got {len(note):,}"
            )
        with self.picked(wanted) as (db, n):
            return self._mark(db, n, "note written", "tags, ? AS note", [note.strip()])

    def sighting_tags(self) -> dict[str, int]:
        """How many stretches have each tag, by tag."""
        found = self.catalog.rows(
            "SELECT tag, count(*) AS n FROM (SELECT unnest(tags) AS tag FROM sighting_marks) "
            "GROUP BY tag ORDER BY tag"
        )
        return {row["tag"]: row["n"] for row in found}

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
        before = take_rows(db, "sighting_marks", IN_PICKED)
        db.register("now_marked", now)
        kept = db.sql("SELECT * FROM now_marked WHERE len(tags) > 0 OR note <> ''").to_arrow_table()
        db.unregister("now_marked")
        put_rows(db, "sighting_marks", kept)
        return Change(
            what=what,
            count=n,
            removed={"sighting_marks": before},
            added={"sighting_marks": keys_of("sighting_marks", kept)},
        )


def _tags(given: Iterable[str]) -> list[str]:
    tags = list(dict.fromkeys(" ".join(tag.split()) for tag in given))
    for tag in tags:
        check_text("a tag", tag, MAX_TAG_BYTES)
    return tags


def check_text(what: str, text: str, most_bytes: int) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    if not text.strip() or size > most_bytes or _is_odd(text):
        raise SettingError(f"{what} is a text of 1 to {most_bytes} bytes, got {text[:40]!r}")


def _is_odd(text: str) -> bool:
    """Whether it holds a character that no text has."""
    return any(c == "\0" or "\ud800" <= c <= "\udfff" for c in text)
