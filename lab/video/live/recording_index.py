"""The file that makes a folder a recording, read; what it holds says `lab.video.live.recorder`."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from lab.errors import SourceError
from lab.video.live.media_clock import Epoch

INDEX = "recording.jsonl"


@dataclass
class RecordedSegment:
    """A file. shifts: of its times, each from a packet on. first: `ticks` and `index` of the frame
    of its first packet. is_fresh: a new decoder began with it. marks: after so many `packets` of
    the file a new decoder began; with `ticks` and `reason`, for a picture that was not kept.
    epochs_before: how many epochs of its connection had begun when its first packet came.
    """

    name: str
    time_base: Fraction
    shifts: list[tuple[int, int]]
    first: dict[str, int] | None = None
    is_fresh: bool = False
    marks: list[dict[str, Any]] = field(default_factory=list)
    epochs_before: int = 0


@dataclass
class RecordedConnection:
    """The files of one connection, in order, and where its times begin.

    max_height, fps: as of `lab.video.live.capture.Capture`. until_us: the media time of the last
    frame that counts; None while it is being written. marks: as of a segment, before the first.
    extra_us: media times of samples that were taken when it was not their turn. camera_times: media
    times at which the camera's clock said something new, with Unix seconds by it.
    """

    max_height: int | None = None
    fps: float | None = None
    until_us: int | None = None
    segments: list[RecordedSegment] = field(default_factory=list)
    epochs: list[Epoch] = field(default_factory=list)
    rotations_deg: list[int] = field(default_factory=list)
    extra_us: set[int] = field(default_factory=set)
    camera_times: list[tuple[int, float]] = field(default_factory=list)
    marks: list[dict[str, Any]] = field(default_factory=list)


def read_recording(folder: Path) -> list[RecordedConnection]:
    """Raises SourceError if it is no recording."""
    if not (folder / INDEX).is_file():
        raise SourceError(f"{folder} holds no recording: there is no {INDEX}")
    try:
        lines = read_lines(folder)
    except OSError as error:
        why = error.strerror or error
        raise SourceError(f"{folder} holds no recording: {INDEX}: {why}") from None
    found: list[RecordedConnection] = []
    for line in lines:
        kind = line.pop("kind")
        if kind == "connection":
            last_us = line.pop("last_us", None)
            if found:
                found[-1].until_us = _earlier(found[-1].until_us, last_us)
            found.append(RecordedConnection(**line))
        elif found:
            _note(found[-1], kind, line)
    return found


def _note(connection: RecordedConnection, kind: str, line: dict[str, Any]) -> None:
    if kind == "segment":
        shifts, time_base = [(0, line["shift"])], Fraction(line["time_base"])
        is_fresh = line.get("is_fresh", False)
        connection.segments.append(
            RecordedSegment(
                line["name"],
                time_base,
                shifts,
                is_fresh=is_fresh,
                epochs_before=len(connection.epochs),
            )
        )
    elif kind in ("damaged", "drained"):
        owner = connection.segments[-1] if connection.segments else connection
        owner.marks.append(line)
    elif kind == "shift":
        connection.segments[-1].shifts.append((line["packet"], line["shift"]))
    elif kind == "first":
        connection.segments[-1].first = line
    elif kind == "epoch":
        connection.rotations_deg.append(line.pop("rotation_deg", 0))
        connection.epochs.append(Epoch.from_dict(line))
    elif kind == "camera_clock":
        connection.camera_times.append((line["pts_us"], line["camera_time"]))
    elif kind == "extra":
        connection.extra_us.add(line["pts_us"])
    elif kind == "end":
        connection.until_us = _earlier(connection.until_us, line["last_us"])


def _earlier(one: int | None, other: int | None) -> int | None:
    return min((us for us in (one, other) if us is not None), default=None)


def read_lines(folder: Path) -> list[dict[str, Any]]:
    """What the index of a recording says, without lines that a killed process left unfinished;
    nothing where there is none.
    """
    found = []
    with suppress(FileNotFoundError), (folder / INDEX).open(encoding="utf-8") as file:
        for line in file:
            with suppress(ValueError):
                found.append(json.loads(line))
    return [line for line in found if isinstance(line, dict) and "kind" in line]


def last_epoch(folder: Path, last_us: int) -> Epoch | None:
    """The epoch that a media time belongs to; None where nothing was recorded."""
    found = None
    for line in read_lines(folder):
        if line["kind"] == "epoch" and line["media_us"] <= last_us:
            found = {k: v for k, v in line.items() if k not in ("kind", "rotation_deg")}
    return None if found is None else Epoch.from_dict(found)
