"""Pieces of a recording as MP4 files that browsers play, and single pictures of it."""

from __future__ import annotations

import secrets
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import SourceError
from lab.video.live.pictures import live_picture
from lab.video.live.recorded_packets import SegmentReader, segments_of
from lab.video.live.stretches import TICK, Stretch, keyframe_before, stretches_of, times_of

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Piece", "cut", "keyframe_before", "picture_at", "picture_before", "recorded_until"]
_OPTIONS = {"movflags": "faststart", "video_track_timescale": str(TICK.denominator)}
_COPIED = {"av1", "h264", "hevc", "libdav1d", "vp9"}
_PLAYED_PIXELS = {"yuv420p", "yuvj420p", "yuv420p10le"}


@dataclass(frozen=True)
class Piece:
    """A file that was cut. from_us, until_us: media times of its first and last picture."""

    path: Path
    from_us: int
    until_us: int
    is_encoded_again: bool


def recorded_until(recording: Path) -> int | None:
    """The media time of the last picture that is kept, in microseconds; None if there is none.

    What is being written counts up to the last keyframe. Raises SourceError if it is no recording.
    """
    for segment in reversed(segments_of(recording)):
        if times := times_of(segment):
            return max(one.pts_us for one in times)
    return None


def cut(
    recording: Path,
    from_us: int,
    until_us: int,
    path: Path,
    *,
    width_px: int | None = None,
    frame_rate: float | None = None,
    is_h264: bool = False,
) -> list[Piece]:
    """What was recorded from one media time to another: whole files, or none at all.

    It begins with the keyframe at or before `from_us`. The packets are copied, unless the
    codec or its pixels are not what browsers play from MP4, the picture is wider than `width_px`,
    there are more pictures a second than `frame_rate`, or `is_h264` is wanted and it is
    another codec: then it is encoded as H.264. Gaps stay as long as they were.

    Where the codec, size or parameter sets change, as after a reconnect to a camera that was set
    anew, another file begins: `path` with `-2`, `-3` and so on before its suffix.

    Raises SourceError if nothing of that time is kept (any more), OSError if it cannot be written.
    """
    stretches = stretches_of(recording, from_us, until_us)
    if not stretches or max(stretches[-1].times()) < from_us:
        raise SourceError(f"of {recording.name} nothing is kept (any more) of the time asked for")
    path.parent.mkdir(parents=True, exist_ok=True)
    parts: list[tuple[Path, Piece]] = []
    try:
        for number, stretch in enumerate(stretches, start=1):
            name = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
            part = path.parent / f".{secrets.token_hex(8)}.part"
            again = _must_encode(stretch, width_px, frame_rate, is_h264)
            span = min(stretch.times()), max(stretch.times())
            parts.append((part, Piece(name, *span, again)))
            if again:
                _encode(stretch, part, width_px, frame_rate)
            else:
                _copy(stretch, part)
        for part, piece in reversed(parts):  # the first one at last: with it all are there
            part.replace(piece.path)
    finally:
        for part, _ in parts:
            part.unlink(missing_ok=True)
    return [piece for _, piece in parts]


def picture_at(recording: Path, pts_us: int) -> np.ndarray | None:
    """The picture of a media time as it was analysed, uint8 BGR of shape (height, width, 3).

    None if it is not kept (any more). Raises SourceError if the folder is no recording, or empty.
    """
    time_us, image = picture_before(recording, pts_us)
    return image if time_us == pts_us else None


def picture_before(recording: Path, pts_us: int) -> tuple[int, np.ndarray]:
    """The last picture at or before a media time, and its own time in microseconds.

    Where none is kept, the first one after it. Raises SourceError if nothing is.
    """
    best = None
    for stretch in stretches_of(recording, pts_us, pts_us):
        for frame, time_us in stretch.frames():
            if best is None or best[0] < time_us <= pts_us:
                segment = stretch.parts[-1].segment
                best = time_us, frame, segment.max_height, segment.rotation_deg
    if best is None:
        raise SourceError(f"of {recording.name} no picture can be decoded (any more)")
    return best[0], live_picture(*best[1:])


def _must_encode(
    stretch: Stretch, width_px: int | None, frame_rate: float | None, is_h264: bool
) -> bool:
    is_ = stretch.parameters
    times = stretch.times()
    seconds = (max(times) - min(times)) / 1e6
    rate = (len(times) - 1) / seconds if seconds else 0.0
    return (
        is_.codec not in _COPIED
        or is_.pixels not in _PLAYED_PIXELS
        or (is_h264 and is_.codec != "h264")
        or (width_px is not None and is_.width_px > width_px)
        or (frame_rate is not None and rate > frame_rate * 1.05)
    )


def _copy(stretch: Stretch, part: Path) -> None:
    import av

    times = stretch.times()
    pts = [time - min(times) for time in times]
    with (
        SegmentReader(stretch.parts[0].segment) as reader,
        av.open(str(part), "w", format="mp4", options=_OPTIONS) as out,
    ):
        stream = out.add_stream_from_template(reader.stream)
        stream.time_base = TICK
        if stretch.parameters.codec == "hevc":
            stream.codec_context.codec_tag = "hvc1"  # Safari plays no other
        for (packet, _), presented, decoded in zip(stretch.packets(), pts, _decoding_times(pts)):
            packet.stream = stream
            packet.time_base = TICK
            packet.duration = 0
            packet.pts, packet.dts = presented, decoded
            out.mux_one(packet)


def _decoding_times(pts: Sequence[int]) -> list[int]:
    """Times that rise, none of them after that at which the picture is presented."""
    ordered = sorted(pts)
    step = max(1, (ordered[-1] - ordered[0]) // max(1, len(ordered) - 1))
    delay = max(0, *(i - bisect_left(ordered, time) for i, time in enumerate(pts)))
    times = [ordered[0] - (delay - i) * step for i in range(delay)]
    for time in ordered[: len(pts) - delay]:
        times.append(max(time, times[-1] + 1) if times else time)
    return times


def _encode(stretch: Stretch, part: Path, width_px: int | None, frame_rate: float | None) -> None:
    import av

    is_ = stretch.parameters
    scale = min(1.0, (width_px or is_.width_px) / is_.width_px)
    size = [max(2, round(side * scale / 2) * 2) for side in (is_.width_px, is_.height_px)]
    step_us = 0.0 if frame_rate is None else 1e6 / frame_rate
    first_us, due_us = min(stretch.times()), float(min(stretch.times()))
    with av.open(str(part), "w", format="mp4", options=_OPTIONS) as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = TICK
        stream.options = {"preset": "veryfast", "crf": "20", "g": "60"}
        for frame, time_us in stretch.frames():
            if time_us < due_us - step_us / 10:
                continue
            due_us = max(due_us + step_us, time_us)
            picture = frame.reformat(width=size[0], height=size[1], format="yuv420p")
            picture.pts, picture.time_base = time_us - first_us, TICK
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
