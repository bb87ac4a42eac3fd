"""WebVTT: one cue per annotation, which any player shows over the clip; one file per media."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any

from lab.errors import SettingError
from lab.formats.annotations.table import annotation_row, time_us

_CUE = re.compile(r"^\s*([\d:.]+)\s+-->\s+([\d:.]+)")


def read(text: str, name: str) -> list[dict[str, Any]]:
    """Rows without a media. Raises SettingError, with the line, if it is not valid WebVTT."""
    lines = text.lstrip("\ufeff").splitlines()
    if not lines or not lines[0].startswith("WEBVTT"):
        raise SettingError(
            f"{name} does not begin with WEBVTT; is it a subtitle file of another kind?"
        )
    out, i = [], 1
    while i < len(lines):
        cue = _CUE.match(lines[i])
        where = f"{name}, line {i + 1}"
        i += 1
        if not cue and "-->" in lines[i - 1]:
            raise SettingError(
                f"{where}: {lines[i - 1].strip()[:60]!r} is not a time span; "
                "write 00:01.000 --> 00:02.000"
            )
        if not cue:
            continue
        words = []
        while i < len(lines) and lines[i].strip():
            words.append(lines[i].strip())
            i += 1
        label = html.unescape(re.sub(r"<[^>]*>", "", " ".join(words))).strip()
        if not label:
            raise SettingError(f"{where}: the cue has no text; its text is the label")
        start, end = time_us(cue[1], where), time_us(cue[2], where)
        if end < start:
            raise SettingError(f"{where}: ends before it begins; swap the two")
        out.append(annotation_row("", label, start, end, where))
    return out


def write(rows: Iterable[Mapping[str, Any]]) -> str:
    """Of one media."""
    cues = [
        f"{_clock(row['start_us'])} --> {_clock(row['end_us'])}\n"
        f"{html.escape(row['label'], quote=False)}\n"
        for row in rows
        if row["start_us"] is not None
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _clock(us: int) -> str:
    ms = round(us / 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}.{ms % 1000:03d}"
