"""Many pictures in one request, and what was found in them: the wire format of `/ai/batch`.

A request is four bytes (the length of the header, little-endian), the header as JSON in UTF-8, and
the bytes of the pictures one after the other:

    {"analysis_type": "object_detection", "confidence_threshold": 0.05,
     "frames": [{"format": "bgr", "width": 1280, "height": 720, "size": 2764800},
                {"format": "jpeg", "size": 81234}]}

`bgr` are uint8 values, row by row, blue first; `jpeg` and `png` are files. The answer is JSON, with
one entry for each picture, in order:

    {"results": [{"labels": ["cat"], "confidence": [0.91], "box_xyxy_px": [[10, 20, 30, 40]]},
                 {"error": "..."}, {"gated": "..."}]}

`text` (a list, with null where nothing was read) is there for detectors that read text.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.detection import Detections
from lab.detectors.services.response import (
    Found,
    InvalidResponse,
    confidence_of,
    mapping,
    number,
    rows,
    words,
)

MEDIA_TYPE = "application/vnd.sighting-lab.frames"
PATH = "/ai/batch"
FORMATS = ("bgr", "jpeg", "png")
MAX_FRAMES = 64
_MAX_HEADER_BYTES = 64 * 1024
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True)
class Picture:
    """A picture as it travels. data: its bytes. width_px, height_px: of `bgr` alone."""

    format: str
    data: bytes | memoryview
    width_px: int = 0
    height_px: int = 0


def write_batch(
    pictures: Sequence[Picture], analysis_type: str, confidence_threshold: float
) -> list[bytes | memoryview]:
    """The parts of a request's body, so that nothing is copied once more."""
    header = json.dumps(
        {
            "analysis_type": analysis_type,
            "confidence_threshold": confidence_threshold,
            "frames": [
                {
                    "format": one.format,
                    "size": len(one.data),
                    **(
                        {"width": one.width_px, "height": one.height_px}
                        if one.format == "bgr"
                        else {}
                    ),
                }
                for one in pictures
            ],
        }
    ).encode()
    return [_LENGTH.pack(len(header)) + header, *(one.data for one in pictures)]


def read_batch(body: bytes) -> tuple[dict[str, Any], list[Picture]]:
    """The header and the pictures of a request. Raises InvalidResponse, which says what is wrong.

    The sizes are checked, the pictures are not decoded.
    """
    if len(body) < _LENGTH.size:
        raise InvalidResponse("the body is shorter than its header's length")
    (length,) = _LENGTH.unpack_from(body)
    if length > _MAX_HEADER_BYTES or len(body) < _LENGTH.size + length:
        raise InvalidResponse(f"the header's length is {length}, the body has {len(body)} bytes")
    try:
        header = mapping(json.loads(body[_LENGTH.size : _LENGTH.size + length]), "the header")
    except (ValueError, RecursionError):
        raise InvalidResponse("the header is not JSON") from None
    frames = rows(header.get("frames"), "frames")
    if not 1 <= len(frames) <= MAX_FRAMES:
        raise InvalidResponse(f"frames must be 1 to {MAX_FRAMES}, got {len(frames)}")
    view, place, pictures = memoryview(body), _LENGTH.size + length, []
    for i, row in enumerate(frames):
        what = f"frames[{i}]"
        size = _whole(row.get("size"), f"{what}.size")
        pictures.append(_picture(row, what, view[place : place + size], size))
        place += size
    if place != len(body):
        raise InvalidResponse(f"the pictures are said to end at byte {place} of {len(body)}")
    return header, pictures


def _picture(row: Mapping[str, Any], what: str, data: memoryview, size: int) -> Picture:
    kind = row.get("format")
    if kind not in FORMATS:
        raise InvalidResponse(f"{what}.format is {kind!r}; known: {', '.join(FORMATS)}")
    if len(data) != size:
        raise InvalidResponse(f"{what} has {len(data)} of {size} bytes")
    if kind != "bgr":
        return Picture(str(kind), data)
    width, height = (_whole(row.get(name), f"{what}.{name}") for name in ("width", "height"))
    if width * height * 3 != size or not size:
        raise InvalidResponse(f"{what}: {width} x {height} pixels are not {size} bytes")
    return Picture("bgr", data, width, height)


def _whole(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**31:
        raise InvalidResponse(f"{what} is not a whole number")
    return value


def result_of(found: Detections) -> dict[str, Any]:
    """What was found in one picture, as JSON values that give back the same numbers."""
    if found.error is not None:
        return {"error": found.error}
    if found.gated is not None:
        return {"gated": found.gated}
    return {
        "labels": list(found.labels),
        "confidence": found.confidence.tolist(),
        "box_xyxy_px": found.box_xyxy_px.tolist(),
        **({"text": list(found.text)} if found.text is not None else {}),
    }


def detections_of(
    result: Any, what: str, found: Found, known: Sequence[str], wanted: Sequence[str]
) -> Detections:
    """What a result says of the picture that `found` is for. Raises InvalidResponse.

    known: the labels that may come. wanted: those to keep. Either is empty for any.
    """
    result = mapping(result, what)
    for name, made in (("error", Detections.failed), ("gated", Detections.held_back)):
        if result.get(name) is not None:
            return made(words(result[name], f"{what}.{name}"))
    columns = [result.get(name) for name in ("labels", "confidence", "box_xyxy_px")]
    texts = result.get("text")
    if texts is not None:
        columns.append(texts)
    if not all(isinstance(column, list) and len(column) == len(columns[0]) for column in columns):
        raise InvalidResponse(f"{what}: labels, confidence and box_xyxy_px must be equally long")
    for i, (label, confidence, box) in enumerate(zip(*columns[:3], strict=True)):
        if not isinstance(box, list) or len(box) != 4:
            raise InvalidResponse(f"{what}.box_xyxy_px[{i}] is not a list of four numbers")
        name = words(label, f"{what}.labels[{i}]")
        if known and name not in known:
            raise InvalidResponse(f"{what}.labels[{i}] is {name!r}, which /ai/info does not name")
        score = confidence_of(confidence, f"{what}.confidence[{i}]")
        sides = [number(side, f"{what}.box_xyxy_px[{i}]") for side in box]
        read = None if texts is None or texts[i] is None else texts[i]
        text = None if read is None else words(read, f"{what}.text[{i}]")
        if not wanted or name in wanted:
            found.add(name, score, sides, f"{what}, row {i}", text)
    return found.detections(with_text=texts is not None)


def picture_of(image_bgr: np.ndarray) -> Picture:
    """A uint8 (h, w, 3) picture, its values as they are."""
    image = np.ascontiguousarray(image_bgr)
    return Picture("bgr", image.data.cast("B"), image.shape[1], image.shape[0])
