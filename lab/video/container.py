"""Opening media files safely, and saying in one line why one cannot be used."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import SourceError
from lab.video.hardware import accelerated, cannot_decode

if TYPE_CHECKING:
    import av
    import av.container
    import av.video.stream

# No playlists (hls, concat, dash, sdp) and no image sequences: those open other files.
_DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,gif,asf,ogg,ivf,nut,mxf,"
    "h264,hevc,m4v,mjpeg,yuv4mpegpipe,obu,dv,rm,wtv,apng,vc1,swf,gxf,smjpeg"
)
MAX_PIXELS = 8192 * 8192

# File names that are taken for videos where a whole folder or list is searched.
VIDEO_SUFFIXES = frozenset(
    (
        ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg",
        ".flv", ".gif", ".wmv", ".asf", ".ogv", ".3gp",
    )
)  # fmt: skip


def checked_path(path: str | Path) -> Path:
    """A file that exists and holds something. Raises SourceError."""
    path = Path(path)
    try:
        if path.is_dir():
            raise SourceError(f"{path} is a folder; name a file in it, or analyse the folder")
        if not path.exists():
            raise SourceError(f"no such file: {path}; check the spelling and the folder")
        if path.stat().st_size == 0:
            raise SourceError(f"{path} is empty (0 bytes); copy or record it again")
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}") from None
    return path


@contextlib.contextmanager
def open_arriving(
    file: io.RawIOBase, name: str, options: Mapping[str, str], device: str = "cpu"
) -> Iterator[tuple[av.container.InputContainer, av.video.stream.VideoStream]]:
    """The same of an open file that is read as it arrives. name: for messages.

    Raises SourceError for what is no video, StreamError if the file did not come.
    """
    import av

    safe = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "none"}
    acceleration = accelerated(device)
    try:
        container = av.open(
            file,  # type: ignore[arg-type]  # it only has to be read
            options={**options, **safe},
            metadata_errors="replace",
            **acceleration,
        )
    except (av.FFmpegError, OSError, ValueError, RuntimeError) as error:
        if acceleration:
            raise cannot_decode(Path(name), device, error) from None
        why = getattr(error, "strerror", None) or error
        raise SourceError(
            f"{name} is not a video that can be read ({why}); try to convert it, e.g. to MP4"
        ) from None
    with container:
        yield container, _video_stream(container, Path(name))


@contextlib.contextmanager
def open_video(
    path: str | Path, device: str = "cpu"
) -> Iterator[tuple[av.container.InputContainer, av.video.stream.VideoStream]]:
    """The container and its video stream, ready to decode.

    Only self-contained formats are opened: a playlist or a concat text named `.mp4` is refused
    before it can name another file. device: see `lab.video.hardware`. Raises SourceError.
    """
    import av

    path, acceleration = checked_path(path), accelerated(device)
    try:
        container = av.open(
            str(path.absolute()),
            options={"format_whitelist": _DEMUXERS, "protocol_whitelist": "file"},
            metadata_errors="replace",
            **acceleration,
        )
    except (av.FFmpegError, OSError, ValueError, RuntimeError) as error:
        if acceleration:
            raise cannot_decode(path, device, error) from None
        raise SourceError(_why_not(path, error)) from None
    with container:
        yield container, _video_stream(container, path)


def _why_not(path: Path, error: Exception) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as problem:
        return f"{path} cannot be read: {problem.strerror or problem}"
    if b"\0" not in head and "\ufffd" not in head.decode("utf-8", "replace")[:-1]:
        return (
            f"{path} is a text file, not a video (playlists are not followed); "
            "name the video itself"
        )
    if head[4:8] == b"ftyp":
        return (
            f"{path} is cut off: its index is missing (an MP4 keeps it at the end); copy it again"
        )
    why = getattr(error, "strerror", None) or error
    return f"{path} is not a video that can be read ({why}); try to convert it, e.g. to MP4"


def _video_stream(
    container: av.container.InputContainer, path: Path
) -> av.video.stream.VideoStream:
    from av.stream import Disposition

    streams = [s for s in container.streams.video if Disposition.attached_pic not in s.disposition]
    if not streams:
        raise SourceError(
            f"{path} has no video stream, only {_kinds(container)}; choose another file"
        )
    stream = streams[0]
    context = stream.codec_context
    if context is None or context.codec is None:
        raise SourceError(
            f"{path}: FFmpeg has no decoder for its video codec; convert it, e.g. to H.264"
        )
    if context.width * context.height > MAX_PIXELS:
        raise SourceError(
            f"{path} has {context.width}x{context.height} pixels, more than the limit of "
            f"{MAX_PIXELS}; scale it down"
        )
    context.thread_type = "AUTO"
    return stream


def _kinds(container: av.container.InputContainer) -> str:
    kinds = sorted({stream.type for stream in container.streams})
    return " and ".join(kinds) if kinds else "nothing that can be decoded"
