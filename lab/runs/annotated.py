"""The pictures of a run with what its detector found drawn on them, as a video."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.errors import SettingError, SourceError, printable
from lab.frame import Frame
from lab.rules.rule import LabelRule, Rule
from lab.runs.label_colours import colour_numbers
from lab.video.drawing import Colour, draw_box, draw_lines
from lab.video.identity import check_identity
from lab.video.live.recorded_frames import recorded_frames
from lab.video.sampling import Sampling
from lab.video.sources.file import FileSource
from lab.video.written import WrittenVideo

if TYPE_CHECKING:
    from lab.runs.run import Run

# As in the player: those of Okabe and Ito, without black and yellow.
_COLOURS: tuple[Colour, ...] = (
    (233, 180, 86), (0, 159, 230), (115, 158, 0), (167, 121, 204), (0, 94, 213), (196, 127, 31),
    (255, 51, 214), (108, 17, 253),
)  # fmt: skip
_NO_PICTURE_PX = (640, 360)
_REPORT_EVERY = 25
Progress = Callable[[int, int | None], None]


@dataclass(frozen=True)
class AnnotatedVideo:
    """path: of the file. frames: how many it has. from_us, until_us: times of the first and the
    last of them in the media; the file's own times count from the first.
    """

    path: Path
    frames: int
    from_us: int
    until_us: int

    def to_dict(self) -> dict[str, Any]:
        return {
            "path": str(self.path),
            "frames": self.frames,
            "from_s": self.from_us / 1e6,
            "until_s": self.until_us / 1e6,
        }


def save_annotated(
    run: Run,
    path: str | Path,
    rule: Rule | None = None,
    *,
    from_s: float | None = None,
    until_s: float | None = None,
    progress: Progress | None = None,
) -> AnnotatedVideo:
    """Write every frame of a run's clip or recording, with boxes and sightings, as H.264 MP4.

    Each frame keeps its time. It has the boxes of the last sample at or before it, as long as that
    is no older than one sampling interval: those that the rule's zones and sizes let through and
    that reach its exit threshold, with a thin line below its enter threshold. In a corner stand the
    media time and the sightings that are open. A frame that could not be decoded shows the one
    before. There is no sound. The file lies under its name when it is whole, and not before.

    rule: default: the run's. from_s, until_s: media times of the first and the last frame; default:
    all. progress: is told the frames that are done, and of how many, which of a recording is what
    its length so far lets expect; None where that is not known.

    Raises SettingError for a rule that the run cannot answer and for times that are not in order;
    SourceError if the clip is not there any more, or has no frame between these times; LabError if
    the file cannot be written.
    """
    drawing = _Drawing(run, run.default_rule if rule is None else rule)
    from_us, until_us = _span(from_s, until_s)
    out = Path(path)
    if out.absolute() == run.media_path.absolute():
        raise SettingError(f"{printable(out)} is the clip itself; name another file")
    frames, total = _frames(run, from_us, until_us)
    with WrittenVideo(out) as video:
        for frame in frames:
            video.add(drawing.draw(frame), frame.pts_us)
            if progress is not None and video.count % _REPORT_EVERY == 0:
                progress(video.count, total or _expected(run, video, until_us))
        if video.first_us is None or video.last_us is None:
            raise SourceError(
                f"{run.media['name']} has no frame between these times; leave out --from and "
                "--until, or look whether the recording was removed"
            )
        if not run.media_path.is_dir():
            check_identity(run.media)
    if progress is not None:
        progress(video.count, video.count)
    return AnnotatedVideo(out, video.count, video.first_us, video.last_us)


def _span(from_s: float | None, until_s: float | None) -> tuple[int | None, int | None]:
    for name, value in (("from", from_s), ("until", until_s)):
        if value is not None and not np.isfinite(value):
            raise SettingError(f"{name} must be a time in seconds, got {value}")
    if from_s is not None and until_s is not None and until_s < from_s:
        raise SettingError(f"until must be at least from ({from_s:g} s), got {until_s:g} s")
    as_us = [None if value is None else round(value * 1e6) for value in (from_s, until_s)]
    return as_us[0], as_us[1]


def _frames(
    run: Run, from_us: int | None, until_us: int | None
) -> tuple[Iterator[Frame], int | None]:
    """Each frame between these times, and how many there are where that is known."""
    path = run.media_path
    if path.is_dir():  # what was recorded of a feed
        recorded = (
            one for one in recorded_frames(path) if from_us is None or one.pts_us >= from_us
        )
        return _until((one.picture() for one in recorded), until_us), None
    check_identity(run.media)
    source = FileSource(path)
    total = source.sample_count(Sampling(every_s=0)) if from_us is until_us is None else None
    after_us = None if from_us is None else from_us - 1
    return _until(source.frames(0, after_us), until_us), total


def _expected(run: Run, video: WrittenVideo, until_us: int | None) -> int | None:
    """Frames of a recording, by the distance of those that there were so far."""
    end_us = run.media["end_us"] if until_us is None else min(until_us, run.media["end_us"])
    first_us, last_us = video.first_us, video.last_us
    if not run.media_path.is_dir() or first_us is None or last_us is None or last_us >= end_us:
        return None
    return max(video.count, round(video.count * (end_us - first_us) / (last_us - first_us or 1)))


def _until(frames: Iterator[Frame], until_us: int | None) -> Iterator[Frame]:
    for frame in frames:
        if until_us is not None and frame.pts_us > until_us:
            return
        yield frame


class _Drawing:
    """What a run's log and a rule say of each frame, drawn on it. Frames come in order of time."""

    def __init__(self, run: Run, rule: Rule) -> None:
        self._log = run.log
        self._colours = colour_numbers(run)
        self._sightings = run.find(rule)
        self._size_px = run.size_px
        self._interval_us = round(run.sample_interval_s * 1e6)
        self._whole_frame = bool(run.recipe.get("whole_frame"))
        self._rules: dict[int, LabelRule] = {
            self._log.labels.index(label): rule.of(label) for label in rule.wanted(run.labels)
        }
        self._last: np.ndarray | None = None

    def draw(self, frame: Frame) -> np.ndarray:
        """The picture, drawn on."""
        lines: list[tuple[str, Colour | None]] = [(_clock(frame.pts_us), None)]
        if frame.image_bgr is None:
            image = self._before()
            lines.append(("this frame could not be decoded", None))
        else:
            self._last = frame.image_bgr
            image = np.ascontiguousarray(frame.image_bgr).copy()
            self._draw_boxes(image, frame.pts_us)
        for sighting in self._sightings:
            if sighting.onset_us <= frame.pts_us <= sighting.offset_us:
                lines.append((sighting.label, self._colour(sighting.label)))
        draw_lines(image, lines)
        return image

    def _draw_boxes(self, image: np.ndarray, pts_us: int) -> None:
        if self._whole_frame:
            return
        log = self._log
        sample = int(np.searchsorted(log.pts_us, pts_us, side="right")) - 1
        if sample < 0 or pts_us - int(log.pts_us[sample]) > self._interval_us:
            return
        rows = log.rows_between(sample, sample + 1)
        for row in rows[np.argsort(log.confidence[rows], kind="stable")]:
            label, score = int(log.label[row]), float(log.confidence[row])
            rule = self._rules.get(label)
            if rule is None or score < rule.debounce.exit_threshold:
                continue
            box = log.box_xyxy_px[row]
            if rule.box_filter.mask(box[None], *self._size_px)[0]:
                name = log.labels[label]
                is_thin = score < rule.debounce.enter_threshold
                draw_box(image, box, f"{name} {score:.2f}", self._colour(name), is_thin=is_thin)

    def _colour(self, label: str) -> Colour:
        return _COLOURS[self._colours[label]]

    def _before(self) -> np.ndarray:
        if self._last is not None:
            return self._last.copy()
        width, height = self._size_px if all(self._size_px) else _NO_PICTURE_PX
        return np.zeros((height, width, 3), np.uint8)


def _clock(pts_us: int) -> str:
    """Media time as text, such as 1:05.20."""
    minutes, seconds = divmod(pts_us / 1e6, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{seconds:05.2f}" if hours else f"{minutes}:{seconds:05.2f}"
