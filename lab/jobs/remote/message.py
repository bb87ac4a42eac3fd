"""What a worker and the app send each other: the form of a part, and how much there may be."""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lab.errors import SettingError

if TYPE_CHECKING:
    from lab.runs.pieces import LogEnd

PART_TYPE = "application/vnd.sighting-lab.part"
MAX_PART_BYTES = 64 << 20
MAX_TEXT = 2000  # characters of a reason
POLL_S = 20.0  # how long a worker that asks for a job is kept waiting
_HEAD = struct.Struct("<I")
_MAX_HEAD_BYTES = 1000


@dataclass(frozen=True)
class SentPart:
    """What the analysis at `index` found since the part before: the two Parquet files of a part."""

    index: int
    samples: bytes
    detections: bytes

    def to_bytes(self) -> bytes:
        sizes = {"analysis": self.index, "samples": len(self.samples)}
        head = json.dumps(sizes | {"detections": len(self.detections)}).encode()
        return b"".join([_HEAD.pack(len(head)), head, self.samples, self.detections])

    @classmethod
    def from_bytes(cls, content: bytes) -> SentPart:
        """Raises SettingError for what is no part."""
        try:
            (size,) = _HEAD.unpack_from(content)
            if size > _MAX_HEAD_BYTES:
                raise ValueError("its header is too long")
            head = json.loads(content[_HEAD.size : _HEAD.size + size])
            index, *sizes = (head[name] for name in ("analysis", "samples", "detections"))
            if not all(type(n) is int and n >= 0 for n in (index, *sizes)):
                raise ValueError("its header holds what is no size")
        except (ValueError, KeyError, TypeError, struct.error, RecursionError) as error:
            raise SettingError(f"this is no part of a log: {error}"[:200]) from None
        begin = _HEAD.size + size
        if begin + sum(sizes) != len(content):
            raise SettingError(
                f"a part of {begin + sum(sizes)} bytes was announced, and {len(content)} came"
            )
        middle = begin + sizes[0]
        return cls(index, content[begin:middle], content[middle:])


def outcome_of(ends: Sequence[LogEnd], broken: tuple[str, str] | None) -> dict[str, Any]:
    """What is told of the end of a claim: of each analysis, and what ended them early, if so."""
    names = ("analysed", "failed_calls", "first_error", "error", "seconds")
    error = None if broken is None else {"kind": broken[0], "text": one_line(broken[1])}
    return {"logs": [{name: getattr(one, name) for name in names} for one in ends], "error": error}


def one_line(text: object) -> str:
    """What somebody else says, fit to be shown and kept."""
    line = "".join(c if c.isprintable() else " " for c in str(text))
    return line[:MAX_TEXT].strip()
