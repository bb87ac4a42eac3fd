"""Files of annotations: which kind one is, and into and out of a store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from lab.annotation import Annotation, Coverage
from lab.errors import SettingError, closest
from lab.formats.annotations import audacity, boris, elan, table, webvtt
from lab.formats.export import export_named
from lab.formats.placing import place, whole

_READ: dict[str, Callable[[str, str], list[dict[str, Any]]]] = {
    "boris": boris.read,
    "audacity": audacity.read,
    "elan": elan.read,
    "webvtt": webvtt.read,
}
FORMATS = ("csv", *_READ)


def read_rows(raw: bytes, name: str, kind: str | None = None) -> list[dict[str, Any]]:
    """Rows as of `lab.formats.annotations.table.read_table`, from a file of any kind.

    kind: one of FORMATS; by default recognised by the name and the first line. Raises
    SettingError for a file that is not valid.
    """
    kind = kind or kind_of(raw, name)
    if kind == "csv":
        return [
            {**row, "where": row["where"].replace("the file", name)}
            for row in table.read_table(raw)
        ]
    if kind not in _READ:
        raise SettingError(f"unknown format {kind!r}; {closest(kind, list(FORMATS))}")
    return _READ[kind](table.decode(raw, name), name)


def kind_of(raw: bytes, name: str) -> str:
    """The format of a file, by its name and its first line."""
    suffix = Path(name).suffix.lower()
    if suffix in (".eaf", ".vtt"):
        return "elan" if suffix == ".eaf" else "webvtt"
    head = table.decode(raw, name)[:4000]
    if any(boris.looks_like(line) for line in head.splitlines()):
        return "boris"
    first = head.split("\n", 1)[0].lower()
    return "audacity" if suffix == ".txt" and "label" not in first else "csv"


def records_of(
    rows: Iterable[Mapping[str, Any]],
    media: Iterable[Mapping[str, Any]],
    *,
    annotator: str | None = None,
    only_media: Mapping[str, Any] | None = None,
    watched: bool = False,
) -> tuple[list[Annotation | Coverage], list[str]]:
    """Records for a store, and notes.

    A row without times is coverage of the whole media. only_media: the media of rows that name
    none. watched: also take every media that is named as wholly watched for every label that is
    named. Raises SettingError.
    """
    given = [dict(row) for row in rows]
    for row in given:
        if not row["media"]:
            if only_media is None:
                raise SettingError(
                    f"{row['where']}: this kind of file names no media; name its clip"
                )
            row["media"] = only_media["media_id"]
    placed, notes = place(given, list(media))
    out: list[Annotation | Coverage] = []
    for clip, row in placed:
        who = annotator or row["annotator"]
        if row["start_us"] is None:
            out.append(whole(clip, row["label"], who, row["origin"]))
            continue
        out.append(
            Annotation(
                media_id=clip["media_id"], label=row["label"], start_us=row["start_us"],
                end_us=row["end_us"], annotator=who, origin=row["origin"],
            )
        )  # fmt: skip
    if watched:
        clips = {clip["media_id"]: clip for clip, _ in placed}
        labels = sorted({row["label"] for _, row in placed})
        who = annotator or (placed[0][1]["annotator"] if placed else "me")
        out += [whole(clip, label, who) for clip in clips.values() for label in labels]
        notes.append(f"{len(clips)} media taken as wholly watched for {', '.join(labels)}")
    return out, notes


def write_rows(
    annotations: Iterable[Annotation],
    coverage: Iterable[Coverage],
    media: Iterable[Mapping[str, Any]],
    kind: str,
) -> str | bytes:
    """A file of annotations; a CSV has a row without times for media watched with nothing found.

    kind: the name of an export for annotations, built in or from a plugin.

    Raises SettingError for an unknown kind, or several media where the kind allows one.
    """
    export = export_named(kind, "annotations")
    names = {m["media_id"]: m.get("relative_path") or Path(m["path"]).name for m in media}
    rows = [
        {"media": names[a.media_id], "label": a.label, "start_us": a.start_us, "end_us": a.end_us,
         "annotator": a.annotator, "origin": a.origin, "media_id": a.media_id}
        for a in annotations
        if a.media_id in names
    ]  # fmt: skip
    if export.is_of_one_media and len({row["media"] for row in rows}) > 1:
        raise SettingError(f"a file of kind {kind} is of one media; choose one clip")
    marked = {(row["media_id"], row["label"], row["annotator"]) for row in rows}
    for c in coverage:
        if c.media_id in names and (c.media_id, c.label, c.annotator) not in marked:
            marked.add((c.media_id, c.label, c.annotator))
            rows.append(
                {"media": names[c.media_id], "label": c.label, "start_us": None, "end_us": None,
                 "annotator": c.annotator, "origin": c.origin, "media_id": c.media_id}
            )  # fmt: skip
    return export.write(rows)


def write_coverage(coverage: Iterable[Coverage], media: Iterable[Mapping[str, Any]]) -> str:
    """CSV of what was watched: the file that `--coverage` takes."""
    names = {m["media_id"]: m.get("relative_path") or Path(m["path"]).name for m in media}
    return table.write_table(
        {"media": names[c.media_id], "label": c.label, "start_us": c.start_us, "end_us": c.end_us,
         "annotator": c.annotator, "origin": c.origin, "media_id": c.media_id}
        for c in coverage
        if c.media_id in names
    )  # fmt: skip
