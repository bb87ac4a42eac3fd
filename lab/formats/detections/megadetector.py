"""MegaDetector's JSON for video, as runs.

Format: https://lila.science/megadetector-output-format, versions 1.3 and above name the frames
that were processed, which a debounce cannot do without.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lab.counted import counted
from lab.detection import Detections
from lab.errors import LabError, SettingError, SourceError, printable
from lab.formats.detections.earlier import EarlierImports, Sample
from lab.formats.detections.long_list import walk
from lab.formats.detections.media import Allowed, find_media
from lab.formats.detections.write_run import MadeRun, RunBatches
from lab.runs.run import Run
from lab.store.store import Store
from lab.video.container import VIDEO_SUFFIXES

_GIF = ".gif"  # a picture for MegaDetector
_THRESHOLD = 0.2
_FLOOR = 0.005  # MegaDetector's own, where nothing was detected


@dataclass
class Imported:
    """The result of an import.

    runs: those of the file. known: how many of them were in the store already. refused: file to
    why it was not imported. failures: file to the reason that the detector gave. notes: for the
    user.
    """

    runs: list[Run] = field(default_factory=list)
    known: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def batches(self, store: Store, earlier: EarlierImports) -> RunBatches:
        """Keeps runs in the store, and what became of each here."""

        def kept(_: str, run: Run, is_known: bool) -> None:
            self.runs.append(run)
            self.known += is_known

        return RunBatches(store, earlier, kept, self.refused.__setitem__)

    def note_known(self) -> None:
        """Say how many runs were there already."""
        if self.known:
            what = counted(self.known, "run was", "runs were")
            self.notes.append(f"{what} in the store already, from an earlier import")

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
    text = _read(Path(path))
    given, lowest = _check(Path(path), text)
    detector = _detector(given, lowest)
    out, earlier = Imported(), EarlierImports(store, path, videos)
    batches = out.batches(store, earlier)
    images = 0
    for entry in _entries(text):
        name = str(entry.get("file", "")).replace("\\", "/")
        if Path(name).suffix.lower() not in VIDEO_SUFFIXES - {_GIF}:
            images += 1
            continue
        if entry.get("failure"):
            out.failures[printable(name)] = str(entry["failure"])
            continue
        try:
            batches.add(name, _run(entry, name, detector, (videos, allowed), earlier, out.notes))
        except LabError as error:
            out.refused[printable(name)] = str(error)
    batches.flush()
    if images:
        out.notes.append(f"{counted(images, 'image')} left out: only videos have a time")
    if not out.runs and not out.refused and not out.failures:
        raise SettingError(f"{path} names no video")
    out.note_known()
    return out


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise SettingError(f"{path} is not whole JSON ({error}); copy it again") from None


def _entries(text: str) -> Iterator[dict[str, Any]]:
    return (value for name, value in walk(text, "images") if name is None)


def _check(path: Path, text: str) -> tuple[dict[str, Any], float]:
    """All but the entries, and their lowest confidence; each is checked when its turn comes."""
    given: dict[str, Any] = {}
    lowest, are_entries = math.inf, True
    try:
        if not text.lstrip().startswith("{"):
            json.loads(text)
            are_entries = False
        for name, value in walk(text, "images") if are_entries else ():
            if name is not None:
                given[name] = value
            elif not isinstance(value, dict):
                are_entries = False
            else:
                lowest = min([lowest, *_confidences(value)])
    except (ValueError, RecursionError) as error:
        raise SettingError(f"{path} is not whole JSON ({error}); copy it again") from None
    if not are_entries or not isinstance(given.get("images"), list):
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
    return given, lowest if lowest < math.inf else _FLOOR


def _confidences(entry: Mapping[str, Any]) -> list[float]:
    found = [d.get("conf") for d in entry.get("detections") or [] if isinstance(d, dict)]
    return [c for c in found if isinstance(c, int | float) and 0 < c <= 1]


def _detector(given: Mapping[str, Any], lowest: float) -> dict[str, Any]:
    """The recipe of the detector that made the file, as far as it says."""
    info = given["info"]
    meta = info.get("detector_metadata") or {}
    categories = {str(k): str(v) for k, v in given["detection_categories"].items()}
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
    where: tuple[str | Path | None, Allowed | None],
    earlier: EarlierImports,
    notes: list[str],
) -> MadeRun:
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
    media, older = (
        (found.media, None) if found else earlier.absent_media(name, (frames[-1] + 1) / rate, rate)
    )
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
            f"{name}: {counted(unlisted, 'detection')} left out, of categories that the file does "
            "not list"
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
    return MadeRun(
        media=media, older=older, detector=recipe, samples=samples, every_s=every_s,
        threshold=detector["typical_threshold"], relative_path=name, imported=earlier.recorded,
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
