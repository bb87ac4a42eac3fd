"""BORIS: tabular events (a START and a STOP row for each) and aggregated events (one row each).

A behaviour is a label; points have no duration. Columns as of BORIS 8, older spellings included.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any

from lab.errors import SettingError
from lab.formats.annotations.table import annotation_row, time_us

_MEDIA = ("media file name", "media file path", "source", "observation id")
_HEADERS = (
    "Observation id", "Observation date", "Description", "Observation duration",
    "Observation type", "Source", "Time offset (s)", "Media duration (s)", "FPS (frame/s)",
    "Subject", "Behavior", "Behavioral category", "Behavior type", "Time", "Media file name",
    "Image index", "Image file path", "Comment",
)  # fmt: skip


def looks_like(header: str) -> bool:
    """Whether a file's first line is one of BORIS."""
    return "Behavior type" in header and ("Time" in header or "Start (s)" in header)


def read(text: str, name: str) -> list[dict[str, Any]]:
    """Rows as of `lab.formats.annotations.table.read_table`. Raises SettingError with the line."""
    lines = text.lstrip("\n").split("\n")
    start = next((i for i, line in enumerate(lines) if looks_like(line)), None)
    if start is None:
        raise SettingError(
            f"{name} has no header with Behavior and Behavior type; export tabular events"
        )
    body = "\n".join(lines[start:])
    delimiter = "\t" if "\t" in lines[start] else ","
    reader = csv.DictReader(io.StringIO(body, newline=""), delimiter=delimiter)
    reader.fieldnames = [(f or "").strip().lower() for f in reader.fieldnames or []]
    out: list[dict[str, Any]] = []
    begun: dict[tuple[str, str, str], tuple[int, str]] = {}
    for row in reader:
        where = f"{name}, line {start + reader.line_num}"
        label = (row.get("behavior") or "").strip()
        if not label:
            continue
        media, subject = _media(row, where), (row.get("subject") or "").strip()
        kind = (row.get("behavior type") or "").strip().upper()
        if "start (s)" in row:
            first = time_us(row["start (s)"], where)
            last = first if kind == "POINT" else time_us(row["stop (s)"], where)
            out.append(_row(media, label, first, last, where))
            continue
        at = time_us(row.get("time") or "", where)
        key = media, label, subject
        if kind == "POINT":
            out.append(_row(media, label, at, at, where))
        elif kind == "START":
            if key in begun:
                raise SettingError(
                    f"{where}: {label!r} starts again before it stopped ({begun[key][1]})"
                )
            begun[key] = at, where
        elif kind == "STOP":
            if key not in begun:
                raise SettingError(f"{where}: {label!r} stops, but did not start")
            first, _ = begun.pop(key)
            out.append(_row(media, label, first, at, where))
        else:
            raise SettingError(f"{where}: behaviour type {kind!r} is not START, STOP or POINT")
    if begun:
        (media, label, _), (_, where) = next(iter(begun.items()))
        raise SettingError(f"{where}: {label!r} starts in {media} and never stops; add the STOP")
    return out


def _media(row: Mapping[str, Any], where: str) -> str:
    for column in _MEDIA:
        text = (row.get(column) or "").strip()
        if text and text.upper() != "NA":
            # "player #1:clip.mp4" and lists of files: the first is the one coded.
            return re.sub(r"^player #\d+:", "", text).split(";")[0].strip()
    raise SettingError(f"{where}: no media is named; export with the media file name")


def _row(media: str, label: str, start_us: int, end_us: int, where: str) -> dict[str, Any]:
    if end_us < start_us:
        raise SettingError(f"{where}: {label!r} stops before it starts; swap the two")
    return annotation_row(media, label, start_us, end_us, where)


def write(rows: Iterable[Mapping[str, Any]]) -> str:
    """Tabular events, in order of time; coverage has no place there and is left out."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_HEADERS)
    events = []
    for row in rows:
        if row["start_us"] is None:
            continue
        point = row["start_us"] == row["end_us"]
        for kind, at in (
            (("POINT", row["start_us"]),)
            if point
            else (("START", row["start_us"]), ("STOP", row["end_us"]))
        ):
            events.append((row["media"], at, kind != "STOP", kind, row))
    for media, at, _, kind, row in sorted(events, key=lambda e: e[:3]):
        values = {
            "Observation id": media,
            "Observation type": "Media file(s)",
            "Source": f"player #1:{media}",
            "Subject": "No focal subject",
            "Behavior": row["label"],
            "Behavior type": kind,
            "Time": f"{at / 1e6:.3f}",
            "Media file name": media,
            "Comment": row.get("annotator", ""),
        }
        writer.writerow([values.get(h, "") for h in _HEADERS])
    return out.getvalue()
