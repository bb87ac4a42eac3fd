"""Make the sample clips and their truth: photographs that move over a background.

    pip install scikit-image av && python sample_videos/make_samples.py

What is where, and when, is written here and nowhere else; `ground_truth.csv` follows from it.
A thing is there from the first frame that shows it to the last one.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from skimage import data, transform

FOLDER = Path(__file__).parent
WIDTH_PX, HEIGHT_PX = 640, 360


@dataclass(frozen=True)
class Visit:
    """A picture that is there in [start_s, end_s], moving from one place to another (pixels)."""

    label: str
    start_s: float
    end_s: float
    from_px: tuple[int, int]
    to_px: tuple[int, int]

    def at(self, t: float) -> tuple[int, int]:
        share = (t - self.start_s) / max(1e-9, self.end_s - self.start_s)
        x, y = (round(a + share * (b - a)) for a, b in zip(self.from_px, self.to_px, strict=True))
        return x, y


@dataclass(frozen=True)
class Clip:
    name: str
    times_s: list[Fraction]
    visits: list[Visit]
    cover: Callable[[np.ndarray, float], None] | None = None


def rgb(image: np.ndarray, height_px: int) -> np.ndarray:
    scaled = transform.resize(
        image, (height_px, round(image.shape[1] * height_px / image.shape[0])), anti_aliasing=True
    )
    return (scaled * 255).astype(np.uint8)


PICTURES = {"cat": rgb(data.chelsea(), 220), "person": rgb(data.astronaut(), 300)}
_GROUND = np.tile(data.gravel(), (1, 3))


def background(t: float) -> np.ndarray:
    """Gravel that drifts slowly to the left."""
    x = round(8 * t)
    grey = _GROUND[60 : 60 + HEIGHT_PX, x : x + WIDTH_PX] // 2 + 60
    return np.repeat(grey[:, :, None], 3, axis=2).copy()


def paste(frame: np.ndarray, picture: np.ndarray, at_px: tuple[int, int]) -> None:
    x, y = at_px
    h, w = picture.shape[:2]
    frame[y : y + h, x : x + w] = picture


def steady(length_s: float, fps: int = 10) -> list[Fraction]:
    return [Fraction(i, fps) for i in range(round(length_s * fps))]


def varying() -> list[Fraction]:
    """10 fps, then 25, then 4, then 10 again."""
    times, t = [], Fraction(0)
    for length_s, fps in ((4, 10), (4, 25), (4, 4), (4, 10)):
        times += [t + Fraction(i, fps) for i in range(length_s * fps)]
        t += length_s
    return times


def post(frame: np.ndarray, t: float) -> None:
    """Something hides the picture for 0.4 s in the middle of its visit."""
    if 5.95 <= t < 6.35:
        frame[20:350, 130:480] = 95


CLIPS = [
    Clip(
        "cat_comes_and_goes.mp4",
        varying(),
        [
            Visit("cat", 2.0, 6.0, (40, 80), (240, 110)),
            Visit("cat", 9.0, 13.4, (280, 110), (120, 70)),
        ],
    ),
    Clip(
        "person_hidden_for_a_moment.mp4",
        steady(12),
        [Visit("person", 2.4, 10.0, (150, 40), (160, 50))],
        cover=post,
    ),
    Clip(
        "cat_then_person.mp4",
        steady(12),
        [
            Visit("cat", 1.6, 5.8, (40, 90), (150, 90)),
            Visit("person", 6.0, 10.4, (200, 40), (260, 50)),
        ],
    ),
    Clip("nothing.mp4", steady(8), []),
]


def frames(clip: Clip) -> Iterator[tuple[Fraction, np.ndarray]]:
    for time_s in clip.times_s:
        t = float(time_s)
        frame = background(t)
        for visit in clip.visits:
            if visit.start_s - 1e-9 <= t <= visit.end_s + 1e-9:
                paste(frame, PICTURES[visit.label], visit.at(t))
        if clip.cover is not None:
            clip.cover(frame, t)
        yield time_s, frame


def write(clip: Clip) -> None:
    tick = Fraction(1, 1000)
    with av.open(str(FOLDER / clip.name), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH_PX, HEIGHT_PX, "yuv420p"
        stream.codec_context.time_base = tick
        stream.options = {"crf": "30", "preset": "slow", "g": "50"}
        for time_s, image in frames(clip):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.time_base, frame.pts = tick, round(time_s / tick)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def main() -> None:
    for clip in CLIPS:
        write(clip)
    with (FOLDER / "ground_truth.csv").open("w", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["media", "label", "start_s", "end_s"])
        for clip in CLIPS:
            for visit in clip.visits:
                out.writerow([clip.name, visit.label, visit.start_s, visit.end_s])
            if not clip.visits:
                out.writerow([clip.name, "person", "", ""])  # watched, nothing there


if __name__ == "__main__":
    main()
