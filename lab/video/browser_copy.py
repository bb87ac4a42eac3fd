"""Pictures and copies for the browser. Made by workers, never by the app's process."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lab.errors import SourceError
from lab.frame import Frame
from lab.video.identity import check_identity
from lab.video.live.playback import recorded_pictures
from lab.video.sampling import Sampling
from lab.video.sound import CopiedSound
from lab.video.sources.file import FileSource

_JPEG_QUALITY = 80


def save_pictures(
    path: str | Path,
    pts_us: Iterable[int],
    folder: Path,
    *,
    width_px: int = 320,
    media: Mapping[str, Any] | None = None,
) -> dict[int, Path]:
    """Write a JPEG for each time that has none yet; those that cannot be decoded are left out.

    media: the clip that the file must still be when its frames were read.

    Returns the time to its file. Raises SourceError if the file is another one.
    """
    wanted = {t: folder / f"{t}.jpg" for t in pts_us}
    todo = sorted(t for t, file in wanted.items() if not file.exists())
    if todo:
        folder.mkdir(parents=True, exist_ok=True)
        frames = [f for f in _frames_at(Path(path), todo) if f.image_bgr is not None]
        if media is not None:
            check_identity(media)
        times = np.array([f.pts_us for f in frames])
        for t in todo:
            at = int(np.searchsorted(times, t, side="right")) - 1
            if len(frames):
                _write_jpeg(wanted[t], frames[max(at, 0)], width_px)
    return {t: file for t, file in wanted.items() if file.exists()}


def _frames_at(path: Path, pts_us: list[int]) -> Iterator[Frame]:
    """Of a clip, or of the folder of a recording."""
    if path.is_dir():
        return recorded_pictures(path, pts_us)
    return FileSource(path).frames_at(pts_us)


def _write_jpeg(file: Path, frame: Frame, width_px: int) -> None:
    image = frame.image_bgr
    assert image is not None
    height, width = image.shape[:2]
    if width > width_px:
        size = (width_px, max(1, round(height * width_px / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    ok, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if ok:
        part = file.with_suffix(f".part{os.getpid()}")
        part.write_bytes(data.tobytes())
        part.replace(file)


def make_playable(
    path: str | Path,
    out: Path,
    progress: Callable[[int, int | None], None] | None = None,
    *,
    media: Mapping[str, Any] | None = None,
) -> Path:
    """A copy that browsers play: H.264 in MP4, upright, fast start, with its sound as AAC.

    Every frame keeps its time relative to the first one, which is at 0. Frames that cannot be
    decoded are missing. The file appears under its name only when it is whole.

    media: the clip that the file must still be when its frames were read. Raises SourceError if
    it is another one, or no frame of it can be decoded.
    """
    import av

    source = FileSource(path)
    total = source.sample_count(Sampling(every_s=0))
    part = out.with_name(f"{out.stem}.part{os.getpid()}.mp4")
    out.parent.mkdir(parents=True, exist_ok=True)
    tick = Fraction(1, 90_000)
    first_us: int | None = None
    try:
        with (
            av.open(str(part), "w", options={"movflags": "faststart"}) as container,
            contextlib.ExitStack() as opened,
        ):
            stream = sound = None
            for done, frame in enumerate(source.frames(0)):
                if frame.image_bgr is None:
                    continue
                image = _even(frame.image_bgr)
                if stream is None:
                    first_us = frame.pts_us
                    stream = container.add_stream("libx264", rate=30)
                    stream.height, stream.width = image.shape[:2]
                    stream.pix_fmt = "yuv420p"
                    stream.codec_context.time_base = tick
                    stream.options = {"preset": "veryfast", "crf": "20", "g": "60"}
                    sound = opened.enter_context(CopiedSound(path, container, first_us))
                picture = av.VideoFrame.from_ndarray(image, format="bgr24")
                picture.time_base = tick
                picture.pts = round((frame.pts_us - (first_us or 0)) * 9 / 100)
                container.mux(stream.encode(picture))
                if sound is not None:
                    sound.encode_until(frame.pts_us)
                if progress is not None and done % 25 == 0:
                    progress(done, total)
            if stream is None:
                raise SourceError(
                    f"{Path(path).name} has no frame that can be decoded, so there is no copy for "
                    "the browser; convert it, or record it again"
                )
            container.mux(stream.encode(None))
            if sound is not None:
                sound.finish()
        if media is not None:
            check_identity(media)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return out


def _even(image_bgr: np.ndarray) -> np.ndarray:
    """4:2:0 needs even sides: repeat the last row or column."""
    height, width = image_bgr.shape[:2]
    if height % 2 or width % 2:
        return np.pad(image_bgr, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return image_bgr
