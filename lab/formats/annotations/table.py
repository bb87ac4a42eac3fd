"""Annotations as a table: `media,label,start_s,end_s`, and variants of it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from lab.annotation import ORIGINS
from lab.errors import SettingError, closest
from lab.formats.csv import to_csv

COLUMNS = ("media", "label", "start_s", "end_s")
_MORE = ("annotator", "origin", "media_id")
_CLOCK = re.compile(r"^(?:(\d+):)?(\d{1,3}):(\d{1,2}(?:\.\d+)?)$")
_SECONDS = re.compile(r"^-?\d+(\.\d*)?([eE][+-]?\d+)?$|^-?\.\d+$")


def time_us(text: Any, where: str = "time") -> int:
    """Seconds (`83.5`, `83,5`), `mm:ss` or `h:mm:ss`, in microseconds.

    Raises SettingError for anything else.
    """
    word = str(text).strip().replace(",", ".")
    clock = _CLOCK.match(word)
    if clock:
        hours, minutes, rest = int(clock[1] or 0), int(clock[2]), Fraction(clock[3])
        return round((hours * 3600 + minutes * 60 + rest) * 1_000_000)
    if not _SECONDS.match(word) or abs(Fraction(word)) > 10**9:
        raise SettingError(
            f"{where}: {str(text)!r} is not a time; write seconds (83.5) or mm:ss (1:23.5)"
        )
    return round(Fraction(word) * 1_000_000)


def decode(raw: bytes, name: str) -> str:
    """Text in UTF-8 or UTF-16, with or without a byte order mark. Raises SettingError otherwise."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif raw[:200].count(0) > len(raw[:200]) // 4:
        encoding = "utf-16-le" if raw[1:2] == b"\0" else "utf-16-be"
    else:
        encoding = "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise SettingError(
            f"{name} is not text in UTF-8 or UTF-16 ({error}); save it as UTF-8"
        ) from None


def read_file(path: str | Path) -> bytes:
    """The content of a file. Raises SettingError if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror or error}") from None


def read_table(given: Any) -> list[dict[str, Any]]:
    """Rows from a CSV's path, its text as bytes, a data frame, or mappings.

    Each: media, label, start_us, end_us (None for both: watched, nothing there), annotator,
    origin, media_id (or None), where (for messages). Raises SettingError for the first row that
    is not valid, with its line.
    """
    if isinstance(given, str | Path):
        return _of_text(decode(read_file(given), str(given)), str(given))
    if isinstance(given, bytes):
        return _of_text(decode(given, "the file"), "the file")
    if hasattr(given, "to_dict"):
        given = given.astype(object).where(given.notna(), None).to_dict("records")
    rows = list(given)
    if rows:
        _check_columns([str(k) for k in rows[0]], "the table")
    return [_row(row, f"row {i}") for i, row in enumerate(rows, 1)]


def annotation_row(
    media: str, label: str, start_us: int, end_us: int, where: str, *, annotator: str = "me"
) -> dict[str, Any]:
    """A row as of `read_table`, from a format that says no more than these."""
    return {
        "media": media,
        "label": label,
        "start_us": start_us,
        "end_us": end_us,
        "annotator": annotator,
        "origin": "independent",
        "media_id": None,
        "where": where,
    }


def _of_text(text: str, name: str) -> list[dict[str, Any]]:
    first = text.lstrip().split("\n", 1)[0]
    if not first.strip():
        raise SettingError(f"{name} is empty; its first line must be {','.join(COLUMNS)}")
    delimiter = max(",;\t", key=first.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    reader.fieldnames = [(f or "").strip().lower() for f in reader.fieldnames or []]
    _check_columns(list(reader.fieldnames), name)
    try:
        return [
            _row(row, f"{name}, line {reader.line_num}")
            for row in reader
            if any(str(v or "").strip() for k, v in row.items() if k is not None)
        ]
    except csv.Error as error:
        raise SettingError(f"{name}, line {reader.line_num}: not a CSV ({error})") from None


def _check_columns(names: list[str], name: str) -> None:
    for column in (*COLUMNS, *_MORE):
        if names.count(column) > 1:
            raise SettingError(f"{name} has {names.count(column)} columns {column!r}; keep one")
    for column in COLUMNS:
        if column not in names:
            raise SettingError(
                f"{name} has no column {column!r}; got {', '.join(names)[:200]}; "
                f"the columns are {','.join(COLUMNS)}"
            )


def _row(row: Mapping[str, Any], where: str) -> dict[str, Any]:
    if None in row:
        raise SettingError(
            f"{where}: more fields than columns; put a time with a decimal comma in quotes, "
            "or separate the columns by ;"
        )
    word = {name: _word(row.get(name)) for name in (*COLUMNS, *_MORE)}
    for name in ("media", "label"):
        if not word[name]:
            raise SettingError(f"{where}: {name} is empty; each row names its media and label")
    if bool(word["start_s"]) != bool(word["end_s"]):
        raise SettingError(
            f"{where}: only one of start_s and end_s is given; give both, or neither for "
            "“watched, nothing there”"
        )
    start = end = None
    if word["start_s"]:
        start, end = (
            time_us(word["start_s"], f"{where}, start_s"),
            time_us(word["end_s"], f"{where}, end_s"),
        )
        if end < start:
            raise SettingError(
                f"{where}: {word['label']!r} ends at {end / 1e6:g} s, before it begins at "
                f"{start / 1e6:g} s; swap the two"
            )
    origin = word["origin"] or "independent"
    if origin not in ORIGINS:
        raise SettingError(f"{where}: unknown origin {origin!r}; {closest(origin, list(ORIGINS))}")
    return {
        "media": word["media"],
        "label": word["label"],
        "start_us": start,
        "end_us": end,
        "annotator": word["annotator"] or "me",
        "origin": origin,
        "media_id": word["media_id"] or None,
        "where": where,
    }


def _word(value: Any) -> str:
    if value is None or value != value:
        return ""
    text = str(value).strip()
    # The apostrophe comes from `to_csv`, so that no spreadsheet runs the text.
    return text[1:] if text[:1] == "'" and text[1:2] in ("=", "+", "-", "@") else text


def write_table(rows: Iterable[Mapping[str, Any]]) -> str:
    """CSV of rows with media, label, start_us, end_us, annotator, origin, media_id."""

    def seconds(us: int | None) -> str:
        return "" if us is None else f"{us / 1e6:.6f}".rstrip("0").rstrip(".")

    return to_csv(
        [
            {**row, "start_s": seconds(row["start_us"]), "end_s": seconds(row["end_us"])}
            for row in rows
        ],
        [*COLUMNS, *_MORE],
    )
