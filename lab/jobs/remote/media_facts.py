"""The facts of a clip, as a worker elsewhere told them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from lab.errors import JobError
from lab.jobs.remote.message import one_line

_WHOLE = ("width_px", "height_px", "rotation_deg", "first_pts_us", "end_us")
_TEXTS = ("container", "codec")
_MAX = 2**53


def checked_facts(given: Mapping[str, Any], place: str, media_id: str) -> dict[str, Any]:
    """Those of `lab.video.media.Media`. place: where the clip lies, seen from here; what can be
    seen here is not taken from there. Raises JobError.
    """
    try:
        facts: dict[str, Any] = {name: _whole(given[name]) for name in _WHOLE}
        facts |= {name: one_line(_text(given[name]))[:100] for name in _TEXTS}
        frames, rate, warning = (given[name] for name in ("frames", "frame_rate", "warning"))
        facts["frames"] = None if frames is None else _whole(frames)
        facts["frame_rate"] = None if rate is None else float(_number(rate))
        facts["warning"] = None if warning is None else one_line(_text(warning))
        for name in ("is_variable_rate", "is_browser_playable"):
            facts[name] = bool(given[name])
        facts["size_bytes"] = _whole(given["size_bytes"])
    except (KeyError, TypeError, ValueError) as error:
        raise JobError(f"the worker told odd facts of the clip: {one_line(error)}") from None
    if facts["end_us"] < facts["first_pts_us"] or min(facts["width_px"], facts["height_px"]) < 0:
        raise JobError("the worker told odd facts of the clip: it ends before it begins")
    if os.path.isfile(place):
        found = os.stat(place)
        facts |= {"size_bytes": found.st_size, "mtime_ns": found.st_mtime_ns}
    return {**facts, "media_id": media_id, "path": place}


def _whole(value: Any) -> int:
    if type(value) is not int or abs(value) > _MAX:
        raise ValueError(f"{str(value)[:40]} is no whole number")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not abs(value) < _MAX:
        raise ValueError(f"{str(value)[:40]} is no number")
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:40]} is no text")
    return value
