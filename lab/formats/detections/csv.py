"""Detections as a CSV, as runs: `media,pts_s,label,confidence,x1_px,y1_px,x2_px,y2_px`.

A row with a time and no label is a sample without detections: without such rows a frame that was
analysed cannot be distinguished from one that was not.
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from typing import Any

import numpy as np

from lab.detection import Detections
from lab.errors import LabError, SettingError, printable
from lab.formats.annotations.table import decode, read_file, time_us
from lab.formats.detections.earlier import EarlierImports, Sample
from lab.formats.detections.media import Allowed, find_media
from lab.formats.detections.megadetector import Imported
from lab.formats.detections.write_run import MadeRun
from lab.store.store import Store

_BOX = ("x1_px", "y1_px", "x2_px", "y2_px")
_THRESHOLD = 0.4


def import_detections(
    path: str | Path,
    store: Store,
    *,
    videos: str | Path | None = None,
    allowed: Allowed | None = None,
    every_s: float | None = None,
    name: str = "imported",
) -> Imported:
    """One run for each media of the file.

    every_s: the distance of the samples, for a file that lists only those with a detection: the
    others are then filled in. name: of the detector. allowed: refuses paths by a ForbiddenError.

    Raises SettingError, with the line, for a file that is not valid.
    """
    if every_s is not None and not 1e-3 <= every_s <= 86_400:
        raise SettingError(
            f"the distance of samples must be from 0.001 to 86400 s, got {every_s:g}"
        )
    by_media, labels = _read(path)
    floor = min(
        (c for rows in by_media.values() for r in rows for c in (r["confidence"],) if c),
        default=0.05,
    )
    recipe: dict[str, Any] = {
        "detector": name,
        "labels": sorted(labels),
        "score_floor": round(max(1e-3, min(0.2, floor)), 4),
    }
    out, earlier = Imported(), EarlierImports(store, path, videos)
    batches = out.batches(store, earlier)
    for media_name, rows in by_media.items():
        try:
            found = find_media(media_name, videos, allowed)
            times = sorted({r["pts_us"] for r in rows})
            analysed_us = _analysed_us(
                times, rows, every_s, found.media.end_us if found else None, media_name
            )
            media, older = (
                (found.media, None)
                if found
                else earlier.absent_media(media_name, analysed_us[-1] / 1e6 + 1e-6, 25.0)
            )
            if found and times[-1] > media.end_us:
                raise SettingError(
                    f"a detection at {times[-1] / 1e6:g} s lies beyond the end of {media.name}"
                )
            by_time: dict[int, list[dict[str, Any]]] = {t: [] for t in analysed_us}
            for r in rows:
                if r["label"]:
                    by_time[r["pts_us"]].append(r)
            samples = [Sample(i, t, _columns(by_time[t])) for i, t in enumerate(analysed_us)]
            steps = np.diff(analysed_us)
            typical = every_s or (float(round(np.median(steps) / 1e6, 3)) if len(steps) else 0.0)
            batches.add(
                media_name,
                MadeRun(
                    media=media,
                    older=older,
                    detector=recipe,
                    samples=samples,
                    every_s=typical,
                    threshold=_THRESHOLD,
                    relative_path=media_name,
                    imported=earlier.recorded,
                ),
            )
            if found is None:
                out.notes.append(
                    f"{media_name}: no video, so the run has no pictures; "
                    "give the video's folder with --videos"
                )
        except LabError as error:
            out.refused[printable(media_name)] = str(error)
    batches.flush()
    out.note_known()
    return out


def _read(path: str | Path) -> tuple[dict[str, list[dict[str, Any]]], set[str]]:
    text = decode(read_file(path), str(path))
    first = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    reader.fieldnames = [(f or "").strip().lower() for f in reader.fieldnames or []]
    for column in ("media", "pts_s", "label", "confidence"):
        if column not in reader.fieldnames:
            raise SettingError(
                f"{path} has no column {column!r}; "
                f"the columns are media,pts_s,label,confidence,{','.join(_BOX)}"
            )
    by_media: dict[str, list[dict[str, Any]]] = {}
    labels: set[str] = set()
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        media, label = (row.get("media") or "").strip(), (row.get("label") or "").strip()
        if not media:
            raise SettingError(f"{where}: media is empty")
        made: dict[str, Any] = {
            "pts_us": time_us(row["pts_s"] or "", f"{where}, pts_s"),
            "label": label,
            "confidence": 0.0,
        }
        if label:
            labels.add(label)
            made["confidence"] = _number(row["confidence"], f"{where}, confidence")
            if not 0 < made["confidence"] <= 1:
                raise SettingError(
                    f"{where}: confidence must be in (0, 1], got {row['confidence']}"
                )
            box = made["box"] = [_number(row.get(c) or "0", f"{where}, {c}") for c in _BOX]
            if box[2] < box[0] or box[3] < box[1]:
                raise SettingError(
                    f"{where}: the box has a negative size (x1 {box[0]:g}, x2 {box[2]:g}, "
                    f"y1 {box[1]:g}, y2 {box[3]:g})"
                )
        by_media.setdefault(media, []).append(made)
    if not labels:
        raise SettingError(f"{path} has no detection")
    return by_media, labels


def _number(text: Any, where: str) -> float:
    try:
        value = float(str(text).replace(",", "."))
    except ValueError:
        raise SettingError(f"{where}: {text!r} is not a number") from None
    if not math.isfinite(value):
        raise SettingError(f"{where}: {text!r} is not finite")
    return value


def _analysed_us(
    times: list[int],
    rows: list[dict[str, Any]],
    every_s: float | None,
    end_us: int | None,
    name: str,
) -> list[int]:
    """The times of all samples, those without detections included."""
    if every_s is None:
        if all(r["label"] for r in rows):
            raise SettingError(
                "every row is a detection, so frames without any cannot be distinguished from "
                "frames not analysed; add rows without a label for them, or give --every"
            )
        return times
    step = round(every_s * 1e6)
    last = max(times[-1], end_us - 1 if end_us is not None else 0)
    return sorted({*times, *range(times[0] % step, last + 1, step)})


def _columns(rows: list[dict[str, Any]]) -> Detections:
    return Detections(
        [r["label"] for r in rows],
        np.array([r["confidence"] for r in rows], np.float32),
        np.array([r["box"] for r in rows], np.float32).reshape(-1, 4),
    )
