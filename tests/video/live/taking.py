"""Taking samples from live sources, and what the same samples are when they are read again."""

import io
import threading
import zlib
from pathlib import Path

import numpy as np

from lab.video.live.make import live_source
from lab.video.sampling import Sampling
from lab.video.source import LiveSource, Sample, Source
from lab.video.sources.recording import RecordingSource

LIMIT_S = 60


def jpeg(number: int = 0, size_px=(64, 48), exif=None) -> bytes:
    """A picture that no other number has. exif: of Pillow."""
    from PIL import Image

    colours = np.random.default_rng(number).integers(0, 255, (6, 8, 3), np.uint8)
    made = io.BytesIO()
    more = {} if exif is None else {"exif": exif}
    Image.fromarray(colours).resize(size_px).save(made, "JPEG", quality=90, **more)
    return made.getvalue()


def shown(sample: Sample) -> tuple:
    """What of a sample must be the same when its recording is read."""
    frame = sample.frame
    image = getattr(frame, "image_bgr", None)
    picture = None if image is None else (image.shape, zlib.crc32(image.tobytes()))
    return (frame.index, frame.pts_us, picture, frame.error, sample.skipped)


def samples_of(source: Source, count: int | None = None, every_s: float = 0) -> list[Sample]:
    """All samples, or so many, after which a live source is stopped, or when it takes too long."""
    found = []
    limit = threading.Timer(LIMIT_S, getattr(source, "stop", lambda: None))
    limit.daemon = True
    limit.start()
    for sample in source.samples([Sampling(every_s=every_s)]):
        found.append(sample)
        if len(found) == count:
            assert isinstance(source, LiveSource)
            source.stop()
    limit.cancel()
    return found


def take(settings: dict, folder: Path, count: int | None = None, **more) -> list[Sample]:
    """The samples of a live source with a state and a recording in the folder."""
    places = {"state_folder": folder / "state", "recording": folder / "recording"}
    with live_source(settings, **{**places, **more}) as source:
        return samples_of(source, count)


def recorded(folder: Path, every_s: float = 0) -> list[Sample]:
    return samples_of(RecordingSource(folder / "recording"), every_s=every_s)
