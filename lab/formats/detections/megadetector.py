"""MegaDetector's JSON for video, as runs.

Format: https://lila.science/megadetector-output-format, versions 1.3 and above name the frames
that were processed, which a debounce cannot do without.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lab.detection import Detections
from lab.errors import LabError, SettingError, SourceError
from lab.formats.detections.media import Allowed, find_media, made_media
from lab.formats.detections.write_run import Sample, write_run
from lab.runs.run import Run
from lab.store.store import Store
from lab.video.container import VIDEO_SUFFIXES

_GIF = ".gif"  # a picture for MegaDetector
_THRESHOLD = 0.2


@dataclass
class Imported:
    """The result of an import.

    runs: those imported. refused: file to why it was not imported. failures: file to the reason
    that the detector gave. notes: for the user.
    """

    runs: list[Run] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {
            "runs": [r.summary() for r in self.runs], "refused": self.refused,
            "failures": self.failures, "notes": self.notes,
        }  # fmt: skip


def import_megadetector(
    path: str | Path,
    store: Store,
    *,
    videos: str | Path | None = None,
    allowed: Allowed | None = None,
) -> Imported:
    """One run for each video of a results file.

    videos: the folder that file names are relative to; without it (or without the video) the run
    has no pictures, but can be tuned like any other. allowed: refuses paths by a ForbiddenError;
    what the app passes, for the file may name any path.

    Raises SettingError if the file is not one of MegaDetector, or of a version without frames.
    """
    given = _load(Path(path))
    detector = _detector(given)
    out = Imported()
    images = 0
    for entry in given["images"]:
        name = str(entry.get("file", "")).replace("\\", "/")
        if Path(name).suffix.lower() not in VIDEO_SUFFIXES - {_GIF}:
            images += 1
            continue
        if entry.get("failure"):
            out.failures[name] = str(entry["failure"])
            continue
        try:
            out.runs.append(_run(entry, name, detector, store, (videos, allowed), out.notes))
        except LabError as error:
            out.refused[name] = str(error)
    if images:
        out.notes.append(
            f"{images} image{'s' if images > 1 else ''} left out: only videos have a time"
        )
    if not out.runs and not out.refused and not out.failures:
        raise SettingError(f"{path} names no video")
    return out


def _load(path: Path) -> dict[str, Any]:
    try:
        given = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise SettingError(f"{path} is not whole JSON ({error}); copy it again") from None
    if (
        not isinstance(given, dict)
        or not isinstance(given.get("images"), list)
        or not all(isinstance(e, dict) for e in given["images"])
    ):
        raise SettingError(f"{path} is not a MegaDetector file: it has no list of images")
    info = given.get("info")
    version = str((info or {}).get("format_version", "")) if isinstance(info, dict) else ""
    try:
        number = tuple(int(v) for v in version.split("."))
    except ValueError:
        number = (0,)
    if not (1, 0) <= number < (2,):
        raise SettingError(
            f"{path} has format version {version or 'none'!r}, known are 1.0 to 1.x; "
            "convert it with MegaDetector's own tools"
        )
    if not isinstance(given.get("detection_categories"), dict):
        raise SettingError(
            f"{path} has no detection_categories; it is not a whole MegaDetector file"
        )
    return given


def _detector(given: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe of the detector that made the file, as far as it says."""
    info = given["info"]
    meta = info.get("detector_metadata") or {}
    categories = {str(k): str(v) for k, v in given["detection_categories"].items()}
    confidences = [
        d.get("conf")
        for e in given["images"]
        for d in e.get("detections") or []
        if isinstance(d, dict)
    ]
    lowest = min(
        (c for c in confidences if isinstance(c, int | float) and 0 < c <= 1), default=0.005
    )
    return {
        "detector": "megadetector",
        "weights": str(info.get("detector", "unknown")),
        "image_size": meta.get("image_size"),
        "labels": sorted(set(categories.values())),
        "categories": categories,
        # What lies below the weakest detection was not kept by whoever ran it.
        "score_floor": round(max(1e-3, min(0.2, lowest)), 4),
        "typical_threshold": float(meta.get("typical_detection_threshold", _THRESHOLD)),
    }


def _run(
    entry: Mapping[str, Any],
    name: str,
    detector: Mapping[str, Any],
    store: Store,
    where: tuple[str | Path | None, Allowed | None],
    notes: list[str],
) -> Run:
    processed, rate = entry.get("frames_processed"), entry.get("frame_rate")
    if not isinstance(processed, list) or not processed:
        raise SettingError(
            "it does not say which frames were processed (frames_processed): frames without "
            "detections cannot be distinguished from frames not analysed; run MegaDetector 5.0.29 "
            "or newer"
        )
    if not isinstance(rate, int | float) or not 0 < rate < 1000:
        raise SettingError(f"its frame_rate is {rate!r}; times cannot be computed without it")
    if not all(isinstance(f, int) and not isinstance(f, bool) and f >= 0 for f in processed):
        raise SettingError("frames_processed must be whole numbers from 0")
    frames = sorted(set(processed))
    videos, allowed = where
    found = find_media(name, videos, allowed)
    media = found.media if found else made_media(name, (frames[-1] + 1) / rate, rate)
    if found is None:
        place = f" in {videos}" if videos is not None else "; give its folder with --videos"
        notes.append(
            f"{name}: no video{place}, so the run has no pictures and ends with its last frame"
        )
    width, height = (media.width_px, media.height_px) if found else (1000, 1000)
    by_frame: dict[int, list[tuple[str, float, list[float]]]] = {f: [] for f in frames}
    unlisted = 0
    for d in entry.get("detections") or []:
        confidence, box = _checked(d)
        label = detector["categories"].get(str(d.get("category")))
        if label is None or confidence == 0:
            unlisted += label is None
            continue  # a category that is not listed means “no detection”, says the format
        if d.get("frame_number") not in by_frame:
            raise SettingError(
                f"a detection is on frame {d.get('frame_number')!r}, which is not among the frames "
                "processed"
            )
        x, y, w, h = box
        box_px = [x * width, y * height, (x + w) * width, (y + h) * height]
        by_frame[d["frame_number"]].append((label, confidence, box_px))
    if unlisted:
        notes.append(
            f"{name}: {unlisted} detection(s) of categories that the file does not list left out"
        )
    times = found.times_us(frames) if found else [round(f / rate * 1e6) for f in frames]
    samples = [
        Sample(f, t, _columns(by_frame[f]))
        for f, t in zip(frames, times, strict=True)
        if t is not None
    ]
    steps = np.diff([s.pts_us for s in samples])
    every_s = float(round(np.median(steps) / 1e6, 3)) if len(steps) else 0.0
    recipe = {k: v for k, v in detector.items() if k != "typical_threshold"}
    return write_run(
        store, media, recipe, samples, every_s=every_s, threshold=detector["typical_threshold"],
        relative_path=name,
    )  # fmt: skip


def _checked(d: Any) -> tuple[float, list[float]]:
    """Confidence and relative box. Raises SettingError if they are not valid."""
    if not isinstance(d, dict):
        raise SettingError(f"a detection is {d!r}, not an object")
    numbers = [d.get("conf"), *(d["bbox"] if isinstance(d.get("bbox"), list) else [])]
    if len(numbers) != 5 or not all(
        isinstance(v, int | float) and math.isfinite(v) for v in numbers
    ):
        raise SettingError(
            "a detection needs conf and a bbox of four finite numbers, got "
            f"{d.get('conf')!r} and {d.get('bbox')!r}"
        )
    confidence, *box = (float(v) for v in numbers)
    if not 0 <= confidence <= 1:
        raise SettingError(f"conf must be in [0, 1], got {confidence}")
    if box[2] < 0 or box[3] < 0:
        raise SettingError(f"a bbox is [x, y, width, height], got a negative size in {d['bbox']}")
    return confidence, box


def _columns(found: Iterable[tuple[str, float, list[float]]]) -> Detections:
    rows = list(found)
    try:
        return Detections(
            [r[0] for r in rows],
            np.array([r[1] for r in rows], np.float32),
            np.array([r[2] for r in rows], np.float32).reshape(-1, 4),
        )
    except ValueError as error:
        raise SourceError(f"a detection is not valid: {error}") from None
