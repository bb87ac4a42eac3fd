"""A camera of this computer, by Video4Linux."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from lab.errors import SettingError, SourceError
from lab.video.live.capture import Capture, Captured
from lab.video.live.encoded import Encoder
from lab.video.live.pictures import checked_height

if TYPE_CHECKING:
    import av
    import av.container
    from av.video.stream import VideoStream

_MAX_INDEX = 255
_MAX_SIDE = 8192
_MAX_FPS = 1000


class DeviceCapture(Capture):
    """A camera at this computer.

    index, path: one of them; 0 is /dev/video0. width, height, fps: what it is asked for; by default
    what it is set to. Cameras that give pictures as they are have them encoded as H.264, and what
    was encoded is analysed.

    Raises SettingError for anything else, and on systems without Video4Linux.
    """

    keeps_to_addresses = True

    def __init__(
        self,
        index: int | None = None,
        path: str | None = None,
        *,
        width: int | None = None,
        height: int | None = None,
        fps: float | None = None,
        max_height: int | None = None,
    ) -> None:
        if (index is None) == (path is None):
            raise SettingError("a device is named by its index or its path, one of the two")
        if index is not None:
            _check("index", index, 0, _MAX_INDEX)
        self._path = f"/dev/video{index}" if path is None else path
        if not isinstance(self._path, str) or not os.path.isabs(self._path):
            raise SettingError(f"path must be that of a device, /dev/..., got {path!r:.80}")
        if (width is None) != (height is None):
            raise SettingError("width and height are given together, or neither")
        self._options: dict[str, str] = {}
        if width is not None and height is not None:
            _check("width", width, 16, _MAX_SIDE)
            _check("height", height, 16, _MAX_SIDE)
            self._options["video_size"] = f"{width}x{height}"
        if fps is not None:
            if isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps <= _MAX_FPS:
                raise SettingError(f"fps must be more than 0 and at most {_MAX_FPS}, got {fps!r}")
            self._options["framerate"] = str(fps)
        if not sys.platform.startswith("linux"):
            raise SettingError(
                "the source device works on Linux; use the source webcam, which is the browser's"
            )
        self.max_height = checked_height(max_height)
        self._open = ExitStack()
        self.stream: VideoStream | None = None

    def read(self) -> Iterator[Captured]:
        """See `lab.video.live.capture.Capture`."""
        import av

        self._check_device()
        try:
            container = self._open.enter_context(
                av.open(self._path, format="video4linux2,v4l2", options=self._options)
            )
            yield from self.read_from(container)
        except (av.FFmpegError, OSError) as error:
            raise SourceError(f"{self._path} gives no pictures: {_why(error)}") from None
        raise SourceError(f"{self._path} gives no more pictures; was it unplugged?")

    def read_from(self, container: av.container.InputContainer) -> Iterator[Captured]:
        """What an open device gives. Raises av.FFmpegError where it breaks off."""
        import av

        given = container.streams.video[0]
        is_raw = given.codec_context.name == "rawvideo"
        self.stream = None if is_raw else given
        encoder: Encoder | None = None
        for packet in container.demux(given):
            if not packet.size:
                continue
            try:
                frames = given.codec_context.decode(packet)
            except av.FFmpegError:
                frames = []  # a damaged picture
            if not is_raw:
                yield Captured(packet, tuple(frames))
                continue
            for frame in frames:
                if encoder is None:
                    base = frame.time_base or packet.time_base
                    encoder = Encoder(frame, base, given.average_rate)
                    self._open.enter_context(encoder)
                    self.stream = encoder.stream
                yield from encoder.encode(frame)

    def time_base(self) -> Fraction:
        assert self.stream is not None
        assert self.stream.time_base is not None
        return self.stream.time_base

    def close(self) -> None:
        self._open.close()

    def _check_device(self) -> None:
        try:
            is_device = stat.S_ISCHR(os.stat(self._path).st_mode)
        except FileNotFoundError:
            raise SourceError(
                f"there is no device {self._path}; plug the camera in ({_found()})"
            ) from None
        except OSError as error:
            raise SourceError(f"{self._path} cannot be read: {error.strerror}") from None
        if not is_device:
            raise SettingError(f"{self._path} is no device; a video file is a source file")
        if not os.access(self._path, os.R_OK | os.W_OK):
            raise SourceError(
                f"{self._path} may not be read by this user; add them to the group video"
            )


_REASONS = {
    errno.ENOTTY: "it is no camera; give the index or path of one",
    errno.EBUSY: "another program uses it; close that",
    errno.ENODEV: "it is gone; was it unplugged?",
    errno.ENXIO: "it is gone; was it unplugged?",
    errno.EIO: "it does not answer; was it unplugged?",
    errno.EINVAL: "it does not take this width, height or fps; leave them out",
}


def _why(error: av.FFmpegError | OSError) -> str:
    text = str(error.strerror or error)
    known = _REASONS.get(error.errno or 0)
    return f"{known} ({text})" if known else text


def _found() -> str:
    found = sorted(str(one) for one in Path("/dev").glob("video[0-9]*"))
    return f"there are {', '.join(found)}" if found else "no camera is there"


def _check(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise SettingError(f"{name} must be a whole number from {least} to {most}, got {value!r}")
