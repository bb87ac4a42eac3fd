"""The labels of a growing dataset: what was added, and that as YOLO or COCO has it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab.atomic_file import write_atomically
from lab.errors import LabError
from lab.sinks.appended import AppendedFile
from lab.sinks.event import Box

INDEX = "sightings.jsonl"
_SIDE = 16


@dataclass(frozen=True)
class Added:
    """A sighting that was looked at. entry_id: of the sighting, or that of a negative.

    picture: its name below `images`, without the suffix; None for one that is like `alike`, another
    one. label: None for a negative. boxes: as fractions. small: its small picture, in base64.
    span_s: from when to when it was there, at most, in media time of `media_id`.
    """

    entry_id: str
    feed: str
    media_id: str
    span_s: tuple[float, float]
    label: str | None
    boxes: tuple[Box, ...]
    picture: str | None
    width_px: int
    height_px: int
    small: str
    alike: str | None = None

    def grey(self) -> np.ndarray:
        """uint8 of shape (16, 16)."""
        return np.frombuffer(base64.b64decode(self.small), np.uint8).reshape(_SIDE, _SIDE)


def in_base64(small: np.ndarray) -> str:
    return base64.b64encode(small.tobytes()).decode()


class DatasetIndex:
    """What was added, a line each in `sightings.jsonl`: the truth, of which labels are made."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / INDEX
        self._file = AppendedFile(self._path, _id_of)
        self.added: dict[str, Added] = {}
        for line in self._lines():
            if (one := _added(line)) is not None:
                self.added[one.entry_id] = one

    def add(self, one: Added) -> None:
        """Raises LabError if it cannot be written."""
        self._file.append(json.dumps(asdict(one)), one.entry_id)
        self.added[one.entry_id] = one

    def in_picture(self, picture: str) -> list[Added]:
        return [one for one in self.added.values() if one.picture == picture]

    def labels(self) -> list[str]:
        """In the order in which they came."""
        return list(dict.fromkeys(one.label for one in self.added.values() if one.label))

    def close(self) -> None:
        self._file.close()

    def _lines(self) -> list[str]:
        try:
            return self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return []


def write_yolo_labels(folder: Path, picture: str, found: Iterable[Added], names: list[str]) -> None:
    """`labels/<picture>.txt`: class, centre, width and height as fractions. Raises OSError."""
    lines = [
        f"{names.index(one.label)} {_centred(box)}\n"
        for one in found
        for box in one.boxes
        if one.label is not None
    ]
    path = folder / "labels" / f"{picture}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, "".join(lines))


def yolo_names(folder: Path, known: Sequence[str]) -> list[str]:
    """The classes of `data.yaml`, and after them those that are not in it yet, which are written.

    What else the file says, such as a split, stays. Raises LabError if it cannot be read, OSError
    if it cannot be written.
    """
    import yaml

    path = folder / "data.yaml"
    said: Any = {"path": ".", "train": "images", "val": "images"}
    try:
        if path.exists():
            said = yaml.safe_load(path.read_text(encoding="utf-8"))
        names = said.get("names") or []
        names = [names[key] for key in sorted(names)] if isinstance(names, dict) else list(names)
    except (yaml.YAMLError, AttributeError, TypeError, UnicodeDecodeError):
        raise LabError(f"{path} is no data.yaml of YOLO; mend it, or remove it") from None
    new = [label for label in known if label not in names]
    if new or not path.exists():
        names += new
        said["names"] = dict(enumerate(names))
        write_atomically(path, yaml.safe_dump(said, allow_unicode=True, sort_keys=False))
    return names


def write_coco(folder: Path, added: Iterable[Added]) -> None:
    """`annotations.json`, whole. Raises OSError."""
    pictures: dict[str, dict[str, Any]] = {}
    categories: dict[str, int] = {}
    boxes: list[dict[str, Any]] = []
    for one in added:
        if one.picture is None:
            continue
        size = {"width": one.width_px, "height": one.height_px}
        file = {"id": len(pictures) + 1, "file_name": f"{one.picture}.jpg", **size}
        picture = pictures.setdefault(one.picture, file)
        for box in one.boxes:
            category = categories.setdefault(str(one.label), len(categories) + 1)
            left, top, right, bottom = _pixels(box, one)
            width, height = right - left, bottom - top
            boxes.append(
                {
                    "id": len(boxes) + 1,
                    "image_id": picture["id"],
                    "category_id": category,
                    "bbox": [round(v, 2) for v in (left, top, width, height)],
                    "area": round(width * height, 2),
                    "iscrowd": 0,
                }
            )
    said = {
        "images": list(pictures.values()),
        "annotations": boxes,
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
    }
    write_atomically(folder / "annotations.json", json.dumps(said, ensure_ascii=False))


def _centred(box: Box) -> str:
    left, top, right, bottom = (min(1.0, max(0.0, side)) for side in box)
    values = ((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)
    return " ".join(f"{value:.6f}" for value in values)


def _pixels(box: Box, one: Added) -> list[float]:
    sides = (one.width_px, one.height_px) * 2
    return [min(1.0, max(0.0, part)) * side for part, side in zip(box, sides)]


def _id_of(line: str) -> str | None:
    one = _added(line)
    return None if one is None else one.entry_id


def _added(line: str) -> Added | None:
    """None for a line that a killed process left unfinished."""
    try:
        kept = json.loads(line)
        kept["boxes"] = tuple(tuple(box) for box in kept["boxes"])
        kept["span_s"] = tuple(kept["span_s"])
        return Added(**kept)
    except (ValueError, TypeError, KeyError):
        return None
