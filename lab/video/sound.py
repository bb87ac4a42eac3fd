"""The waveform of a clip's sound, as much of it as a screen can show. Made by workers."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.atomic_file import write_atomically
from lab.video.container import open_video

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer

MAX_PEAKS = 4096
FILE_NAME = "sound.npz"
_COPY_HZ = 48_000


@dataclass(frozen=True)
class SoundPeaks:
    """The lowest and highest sample in each of equal parts of a clip, of all channels.

    low, high: float32, shape (k,), in [-1, 1], 0 where nothing is to be heard; k is MAX_PEAKS, or 0
    where there is no sound. from_us, to_us: the stretch that they divide. problem: what is
    wrong with the sound, in one line.
    """

    from_us: int
    to_us: int
    low: np.ndarray
    high: np.ndarray
    problem: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """All but the peaks, as JSON."""
        return {
            "has_sound": bool(self.high.size),
            "problem": self.problem,
            "from_us": self.from_us,
            "to_us": self.to_us,
        }

    def save(self, path: Path) -> None:
        """Write it to a file, whole or not at all. Raises OSError."""
        content = io.BytesIO()
        about = np.frombuffer(json.dumps(self.to_dict()).encode(), np.uint8)
        np.savez_compressed(content, low=self.low, high=self.high, about=about)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.getvalue())

    @classmethod
    def load(cls, path: Path) -> SoundPeaks:
        """Read what `save` has written. Raises OSError, or ValueError if it is damaged."""
        try:
            with np.load(path, allow_pickle=False) as arrays:
                about = json.loads(arrays["about"].tobytes())
                stretch = about["from_us"], about["to_us"]
                return cls(*stretch, arrays["low"], arrays["high"], about["problem"])
        except (KeyError, TypeError, zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise ValueError(f"{path} holds no waveform: {error}") from None


def sound_peaks(path: str | Path, from_us: int, to_us: int) -> SoundPeaks:
    """The peaks of a clip's first sound track from one time of it to another.

    Packets that cannot be decoded are left out, and `problem` says how many. Raises SourceError
    if the file is no video.
    """
    none = np.zeros(0, np.float32)
    with open_video(path) as (container, _):
        stream = next(iter(container.streams.audio), None)
        if stream is None:
            return SoundPeaks(from_us, to_us, none, none)
        name = Path(path).name
        if stream.codec_context is None or stream.codec_context.codec is None:
            why = f"FFmpeg has no decoder for the sound of {name}"
            return SoundPeaks(from_us, to_us, none, none, why)
        made = _Peaks(from_us, to_us)
        packets = damaged = 0
        for frames in decoded_sound(container, stream):
            packets += 1
            damaged += frames is None
            for start_us, rate_hz, samples in frames or ():
                made.add(start_us, rate_hz, samples)
        problem = None
        if damaged:
            few = f"{damaged} of {packets} packets cannot" if made.is_heard else "none of it can"
            problem = f"the sound of {name} is damaged: {few} be decoded"
        low, high = (made.low, made.high) if made.is_heard else (none, none)
        return SoundPeaks(from_us, to_us, low, high, problem)


Samples = tuple[float, int, np.ndarray]


def decoded_sound(
    container: InputContainer, stream: AudioStream, **resampled: Any
) -> Iterator[list[Samples] | None]:
    """Of each packet the samples of its frames; None of one that cannot be decoded.

    Samples: the time of the first in microseconds, samples a second, float32 (channels, n).
    resampled: the rate and layout to have, of `av.AudioResampler`; else they are those of the file.
    """
    import av
    from av.stream import Discard

    for other in container.streams:
        if other is not stream:
            other.discard = Discard.all  # neither read nor decoded where the format allows it
    resampler = av.AudioResampler(format="fltp", **resampled)
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
            if packet is None:
                return
            frames = [one for frame in packet.decode() for one in resampler.resample(frame)]
            yield [
                (float(frame.time) * 1e6, frame.sample_rate, frame.to_ndarray())
                for frame in frames
                if frame.time is not None
            ]
        except (av.FFmpegError, ValueError):
            yield None
            if packet is None:  # what cannot be read on would be asked for without an end
                return


class CopiedSound:
    """The sound of a clip for a copy of it, encoded as far as its pictures are; a context manager.

    What cannot be decoded is silence. A clip without sound that can be decoded adds none.
    """

    def __init__(self, path: str | Path, copy: OutputContainer, first_us: int) -> None:
        self._path, self._copy, self._first_us = path, copy, first_us
        self._open = contextlib.ExitStack()
        self._waiting: Iterator[Samples] = iter(())
        self._next: Samples | None = None
        self._stream: Any = None  # of the copy
        self._layout = "mono"

    def __enter__(self) -> CopiedSound:
        container, _ = self._open.enter_context(open_video(self._path))
        stream = next(iter(container.streams.audio), None)
        if stream is not None and stream.codec_context is not None and stream.codec_context.codec:
            self._layout = "mono" if stream.codec_context.channels == 1 else "stereo"
            decoded = decoded_sound(container, stream, rate=_COPY_HZ, layout=self._layout)
            self._waiting = (one for frames in decoded for one in frames or ())
            self._next = next(self._waiting, None)
        if self._next is not None:
            self._stream = self._copy.add_stream("aac", rate=_COPY_HZ, layout=self._layout)
        return self

    def __exit__(self, *problem: object) -> None:
        self._open.close()

    def encode_until(self, pts_us: float) -> None:
        """Add what begins before a time of the clip."""
        import av

        while self._next is not None and self._next[0] < pts_us:
            start_us, rate_hz, samples = self._next
            self._next = next(self._waiting, None)
            if start_us < self._first_us:
                continue  # a copy begins with its first picture
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), "fltp", self._layout)
            frame.sample_rate, frame.time_base = rate_hz, Fraction(1, rate_hz)
            frame.pts = round((start_us - self._first_us) * rate_hz / 1e6)
            self._copy.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Add the rest."""
        if self._stream is not None:
            self.encode_until(float("inf"))
            self._copy.mux(self._stream.encode(None))


class _Peaks:
    def __init__(self, from_us: int, to_us: int) -> None:
        self._from_us = from_us
        self._per_us = MAX_PEAKS / max(1, to_us - from_us)
        self.low = np.zeros(MAX_PEAKS, np.float32)
        self.high = np.zeros(MAX_PEAKS, np.float32)
        self.is_heard = False  # whether anything was decoded

    def add(self, start_us: float, rate_hz: int, samples: np.ndarray) -> None:
        self.is_heard = True
        samples = np.clip(np.nan_to_num(samples), -1, 1)
        at_us = start_us - self._from_us + np.arange(samples.shape[1]) * (1e6 / rate_hz)
        bins = np.floor(at_us * self._per_us).astype(np.int64)
        firsts = np.flatnonzero(np.diff(bins, prepend=bins[0] - 1))
        low = np.minimum.reduceat(samples.min(axis=0), firsts)
        high = np.maximum.reduceat(samples.max(axis=0), firsts)
        found = bins[firsts]
        is_inside = (found >= 0) & (found < MAX_PEAKS)
        found = found[is_inside]
        self.low[found] = np.minimum(self.low[found], low[is_inside])
        self.high[found] = np.maximum(self.high[found], high[is_inside])
