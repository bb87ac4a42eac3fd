"""Facts about a media file: identity, format, times, and what a browser can play."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab.frame import Frame
from lab.video.container import checked_path, open_video
from lab.video.packet_index import PacketIndex
from lab.video.time_grid import to_us

_BLOCK_BYTES = 1 << 20
_TS_PACKET_BYTES = 188
_BROWSER_CONTAINERS = ("mp4", "matroska")
_BROWSER_CODECS = ("h264", "vp8", "vp9", "av1")
_BROWSER_PIXELS = ("yuv420p", "yuvj420p")


@dataclass(frozen=True, kw_only=True)
class Media:
    """The facts of a clip that its file gives.

    media_id: recognises the file wherever it lies (`identify`).
    width_px, height_px: of the upright picture. rotation_deg: as in the metadata.
    frames: presented frames; None where only decoding can tell.
    first_pts_us, end_us: presentation time of the first frame, and where the last one ends.
    is_browser_playable: whether browsers play the original; else a copy is made.
    warning: what is wrong with a file that can still be used, such as being cut off.
    mtime_ns: when the file was last changed, as it was read; None where that is not known.
    """

    media_id: str
    path: str
    size_bytes: int
    container: str
    codec: str
    width_px: int
    height_px: int
    rotation_deg: int
    frames: int | None
    frame_rate: float | None
    is_variable_rate: bool
    first_pts_us: int
    end_us: int
    is_browser_playable: bool
    warning: str | None
    mtime_ns: int | None = None

    @property
    def name(self) -> str:
        return Path(self.path).name

    @property
    def duration_s(self) -> float:
        return (self.end_us - self.first_pts_us) / 1e6

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def identify(path: str | Path) -> str:
    """16 hex digits of BLAKE2b over the size and three 1 MiB blocks (first, middle, last)."""
    path = checked_path(path)
    with path.open("rb") as file:

        def read(start: int, end: int) -> bytes:
            file.seek(start)
            return file.read(end - start)

        return identity_of_blocks(path.stat().st_size, read)


def identity_of_blocks(size: int, read: Callable[[int, int], bytes]) -> str:
    """The same of a file elsewhere. read: gives the bytes from a position to another one, fewer
    at the end of the file.
    """
    digest = hashlib.blake2b(str(size).encode(), digest_size=8)
    for start in (0, max(0, size // 2 - _BLOCK_BYTES // 2), max(0, size - _BLOCK_BYTES)):
        digest.update(read(start, start + _BLOCK_BYTES))
    return digest.hexdigest()


def sha256(path: str | Path) -> str:
    """The full hash of a file, for citing it."""
    with checked_path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_facts(path: str | Path, index: PacketIndex, first: Frame | None) -> Media:
    """The facts of a file. first: its first frame as it was decoded, None if it has none.

    Raises SourceError.
    """
    with open_video(path) as (container, stream):
        context = stream.codec_context
        rotation = _rotation(context, container, stream)
        width, height = context.width, context.height
        if rotation % 180:
            width, height = height, width
        if first is not None and first.image_bgr is not None:
            height, width = first.image_bgr.shape[:2]
        names = container.format.name.split(",")
        rate = stream.average_rate
        declared_us = _declared_us(container, stream)
        promised = stream.frames if names[0] == "avi" else 0
        playable = (
            any(name in _BROWSER_CONTAINERS for name in names)
            and _codec(context.name) in _BROWSER_CODECS
            and context.pix_fmt in _BROWSER_PIXELS
        )
    found = Path(path).stat()  # before its content is read: a later change must show
    first_us = first.pts_us if first is not None else 0
    frames = len(index.presented)
    end_us = max(index.last_us, first_us)
    if index.linear is not None:
        end_us = first_us + declared_us
    return Media(
        media_id=identify(path),
        path=os.path.abspath(path),
        size_bytes=found.st_size,
        container=names[0],
        codec=_codec(index.codec),
        width_px=width,
        height_px=height,
        rotation_deg=rotation,
        frames=frames,
        frame_rate=float(rate) if rate else None,
        is_variable_rate=index.is_variable,
        first_pts_us=first_us,
        end_us=end_us,
        is_browser_playable=playable,
        warning=_warning(first, index, first_us, end_us, declared_us, promised, path),
        mtime_ns=found.st_mtime_ns,
    )


def arriving_facts(
    media_id: str, path: str | Path, container: Any, stream: Any, first: Frame, rotation: int
) -> Media:
    """What is known of a file of which only the beginning is there.

    media_id: what it is called until then. path: where it will lie. Its `size_bytes` is 0, its end
    is what the file says.
    """
    assert first.image_bgr is not None
    height, width = first.image_bgr.shape[:2]
    rate = stream.average_rate
    return Media(
        media_id=media_id,
        path=os.path.abspath(path),
        size_bytes=0,
        container=container.format.name.split(",")[0],
        codec=_codec(stream.codec_context.name),
        width_px=width,
        height_px=height,
        rotation_deg=rotation,
        frames=None,
        frame_rate=float(rate) if rate else None,
        is_variable_rate=False,
        first_pts_us=first.pts_us,
        end_us=first.pts_us + _declared_us(container, stream),
        is_browser_playable=False,
        warning=None,
    )


def _codec(decoder: str) -> str:
    """The codec's name, where FFmpeg names the library that decodes it."""
    return {"libdav1d": "av1", "libvpx": "vp8", "libvpx-vp9": "vp9"}.get(decoder, decoder)


def _rotation(context: Any, container: Any, stream: Any) -> int:
    import av

    stream.codec_context.thread_type = "NONE"  # several would decode on behind the first
    try:
        for frame in container.decode(stream):
            return int(frame.rotation)
    except av.FFmpegError:
        pass  # reported as a first frame that cannot be decoded
    return 0


def _declared_us(container: Any, stream: Any) -> int:
    """How long the video is, as the file says; 0 if it does not."""
    if stream.duration and stream.time_base:
        return to_us(stream.duration, stream.time_base)
    tag = stream.metadata.get("DURATION", "")  # as Matroska's writers put it: hh:mm:ss.fff
    try:
        hours, minutes, seconds = tag.split(":")
        return round((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 1e6)
    except ValueError:
        return int(container.duration or 0)


def _warning(
    first: Frame | None,
    index: PacketIndex,
    first_us: int,
    end_us: int,
    declared_us: int,
    promised: int,
    path: str | Path,
) -> str | None:
    length_us = end_us - first_us
    if first is None or first.image_bgr is None:
        return "its first frame cannot be decoded"
    if index.broken is not None:
        return f"it breaks off at {length_us / 1e6:.1f} s ({index.broken})"
    # Some containers count their length from 0, others from the first frame.
    if declared_us - max(length_us, end_us) > 500_000:
        return (
            f"it is cut off: the file says {declared_us / 1e6:.1f} s, "
            f"frames end at {length_us / 1e6:.1f} s"
        )
    if promised > len(index.packets) + 1:
        return (
            f"it is cut off at {length_us / 1e6:.1f} s: "
            f"{len(index.packets)} of {promised} frames are there"
        )
    if Path(path).suffix.lower() == ".ts" and Path(path).stat().st_size % _TS_PACKET_BYTES:
        return f"it ends at {length_us / 1e6:.1f} s in the middle of a packet: it may be cut off"
    return None
