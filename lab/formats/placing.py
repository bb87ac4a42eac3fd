"""Finding the media that the rows of a file name, and checking their times."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lab.annotation import Coverage
from lab.counted import counted
from lab.errors import SettingError, closest

_BEYOND_END_US = 1_000_000


def whole(
    media: Mapping[str, Any], label: str, annotator: str = "me", origin: Any = "independent"
) -> Coverage:
    """The whole of a media, watched for a label."""
    return Coverage(
        media_id=media["media_id"],
        label=label,
        start_us=media["first_pts_us"],
        end_us=media["end_us"],
        annotator=annotator,
        origin=origin,
    )


def place(
    rows: Iterable[dict[str, Any]], media: Iterable[Mapping[str, Any]]
) -> tuple[list[tuple[Mapping[str, Any], dict[str, Any]]], list[str]]:
    """Rows with the media that they name, and notes about rows that name other media.

    A media is named by its id, its path, the end of its path, or its file name. Raises
    SettingError if two media have the same name, if none of the names is known, or if a row lies
    outside its media.
    """
    media = list(media)
    known: dict[str, list[Mapping[str, Any]]] = {}
    for row in {m["media_id"]: m for m in media}.values():
        parts = Path(row["path"]).parts
        names = {row["media_id"], row["relative_path"] or "", row["path"]}
        names |= {"/".join(parts[-n:]) for n in range(1, min(len(parts), 8))}
        for name in names - {""}:
            known.setdefault(name, []).append(row)
    placed: list[tuple[Mapping[str, Any], dict[str, Any]]] = []
    elsewhere: dict[str, int] = {}
    clipped = 0
    for row in rows:
        name = row["media"].replace("\\", "/").removeprefix("./")
        found = known.get(name, [])
        if len(found) > 1:
            raise SettingError(
                f"{row['where']}: {len(found)} media are called {name!r}; write more of the path, "
                f"such as {'/'.join(Path(found[0]['path']).parts[-2:])!r}"
            )
        if row["media_id"] and found and row["media_id"] != found[0]["media_id"]:
            raise SettingError(
                f"{row['where']}: {name!r} is another clip here ({found[0]['media_id']}, the file "
                f"says {row['media_id']}); give the clip that was annotated"
            )
        if not found:
            elsewhere[name] = elsewhere.get(name, 0) + 1
            continue
        clipped += _inside(row, found[0])
        placed.append((found[0], row))
    if elsewhere and not placed:
        name = next(iter(elsewhere))
        here = sorted({Path(m["path"]).name for m in media})
        raise SettingError(
            f"no row names a media of these runs: got {name!r}; {closest(name, here)}"
        )
    notes = []
    if elsewhere:
        some = ", ".join(list(elsewhere)[:3]) + (", …" if len(elsewhere) > 3 else "")
        notes.append(f"{counted(sum(elsewhere.values()), 'row')} left out: no run here has {some}")
    if clipped:
        notes.append(f"{counted(clipped, 'row')} cut at the media's end (within 1 s beyond it)")
    return placed, notes


def _inside(row: dict[str, Any], media: Mapping[str, Any]) -> int:
    """Cut what reaches a little beyond the media; whether that was needed."""
    if row["start_us"] is None:
        return 0
    first, end = media["first_pts_us"], media["end_us"]
    if row["start_us"] > end or row["end_us"] > end + _BEYOND_END_US or row["end_us"] < first:
        raise SettingError(
            f"{row['where']}: {row['label']!r} from {row['start_us'] / 1e6:g} to "
            f"{row['end_us'] / 1e6:g} s lies outside {Path(media['path']).name}, which runs from "
            f"{first / 1e6:g} to {end / 1e6:g} s; does it belong to another clip?"
        )
    changed = row["end_us"] > end or row["start_us"] < first
    row["start_us"], row["end_us"] = max(first, row["start_us"]), min(end, row["end_us"])
    return int(changed)
