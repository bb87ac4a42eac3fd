"""Tables that people keep beside their clips: CSV with named columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.errors import SettingError, printable
from lab.formats.annotations.table import decode, read_file

_MOST_TOLD = 3
_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods; .xls
_SEPARATOR = re.compile(r"^sep=.\r?\n")  # a first line of Excel's own


@dataclass(frozen=True)
class TableRow:
    """A row by its columns' names, texts stripped. where: file and line, for messages."""

    where: str
    values: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    def error(self, what: str) -> SettingError:
        return SettingError(f"{self.where}: {what}" if self.where else what)


def read_table_file(
    path: str | Path, names: Mapping[str, Sequence[str]], raw: bytes | None = None
) -> tuple[list[TableRow], list[str]]:
    """Rows of a CSV, and the columns as they are written.

    names: of each column what it may be called, whatever its case; other columns keep their names.
    Spaces, `_` and `-` in these do not matter. raw: its content, where the path is only what it is
    called. Separated by `,`, `;` or tabs, UTF-8 or UTF-16. Raises SettingError for a file that is
    no table or has a column twice.
    """
    name = printable(path)
    raw = read_file(path) if raw is None else raw
    if raw.startswith(_SPREADSHEETS):
        raise SettingError(f"{name} is a spreadsheet's own file; save its table as CSV (UTF-8)")
    text = _SEPARATOR.sub("", decode(raw, name))
    first = text.lstrip().split("\n", 1)[0]
    if not first.strip():
        raise SettingError(f"{name} is empty; its first line must name the columns")
    delimiter = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    known = {_plain(word): key for key, words in names.items() for word in (key, *words)}
    try:
        written = [(field or "").strip() for field in reader.fieldnames or []]
    except csv.Error as error:
        raise SettingError(f"{name}, line 1: not a CSV ({error})") from None
    columns = [
        known.get(_plain(field), field or f"column {i}") for i, field in enumerate(written, 1)
    ]
    for column in columns:
        if columns.count(column) > 1:
            twice = [w for w, c in zip(written, columns) if c == column]
            raise SettingError(f"{name} has {column!r} in columns {', '.join(twice)}; keep one")
    reader.fieldnames = columns
    rows = []
    try:
        for row in reader:
            where = f"{name}, line {reader.line_num}"
            if any(row.pop(None, None) or ()):  # beyond the last column
                raise SettingError(
                    f"{where}: more fields than columns; put text with {delimiter!r} in quotes"
                )
            values = {key: _word(value) for key, value in row.items()}
            if any(values.values()):
                rows.append(TableRow(where, values))
    except csv.Error as error:
        raise SettingError(f"{name}, line {reader.line_num}: not a CSV ({error})") from None
    if not rows:
        raise SettingError(f"{name} has no rows below its first line; add one a row")
    used = {key for row in rows for key, value in row.values.items() if value}
    nameless = {f"column {i}" for i, field in enumerate(written, 1) if not field}
    return rows, [column for column in columns if column in used or column not in nameless]


def need_columns(path: str | Path, columns: Iterable[str], needed: Sequence[str]) -> None:
    """Raises SettingError if the table lacks one of the columns."""
    has = list(columns)
    if len(has) == 1 and len(needed) > 1 and len(has[0].split("|")) > 1:
        raise SettingError(
            f"{printable(path)} has one column, {has[0][:80]!r}; separate columns by , or ; or tabs"
        )
    for column in needed:
        if column not in has:
            raise SettingError(
                f"{printable(path)} has no column {column!r}; got {', '.join(has)[:200]}; it needs "
                f"{', '.join(needed)}"
            )


def raise_all(errors: Sequence[SettingError]) -> None:
    """Raise several errors as one: the first ones, and how many more there are."""
    if errors:
        more = len(errors) - 1
        told = "; ".join(str(one) for one in errors[:_MOST_TOLD])
        beyond = f"; and {more - _MOST_TOLD + 1} more" if more >= _MOST_TOLD else ""
        raise SettingError(f"{told}{beyond}; nothing was imported")


def _plain(word: str) -> str:
    return re.sub(r"[\s_-]", "", word).lower()


def _word(value: object) -> str:
    text = str(value or "").strip()
    # The apostrophe is put by exports, so that no spreadsheet runs the text.
    return text[1:] if text[:1] == "'" and text[1:2] in ("=", "+", "-", "@") else text
