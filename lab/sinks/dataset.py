"""A sink that gathers the peaks of sightings, with their boxes, to train a detector with."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from lab.access.addresses import AddressRules
from lab.atomic_file import write_atomically
from lab.errors import LabError, SourceError, printable
from lab.sinks.alike import are_alike, small_picture
from lab.sinks.choices import choice_of, folder_of, in_name, number_of, whole_of
from lab.sinks.dataset_files import (
    Added,
    DatasetIndex,
    in_base64,
    write_coco,
    write_yolo_labels,
    yolo_names,
)
from lab.sinks.event import Box, SightingEvent
from lab.sinks.feed_sink import FeedSink, local_time, try_folder
from lab.sinks.picture import jpeg_of, recorded_peak
from lab.sinks.sink import SinkRefused
from lab.video.live.cutting import picture_before


class DatasetSink(FeedSink):
    """Adds the peak of each sighting that is over: `images/<feed>/<day>/<feed>_<day>_<time>.jpg`.

    Its boxes are in `labels/` and `data.yaml` (format `yolo`), or in `annotations.json` (`coco`);
    with `drawn`, the same picture with boxes is in `drawn/`. Two labels that peak in the same
    picture share it. Left out is what shows the same thing at the same place as a picture that is
    there, unless `duplicates`. How to split is left to you, by feed and day: `train` and `val`
    of `data.yaml` stay as you write them, while `names` grows.

    confidence: of a box at least, to be a label; the best one always is. Look through the labels:
    what the detector missed in a picture is not among them. quality: of the JPEG, which is made of
    the feed's packets where they are kept. negatives_s: so many seconds before each sighting,
    another picture is taken as one that shows nothing, if no sighting is known there; look them
    over. None for no such pictures.
    """

    def __init__(
        self,
        *,
        dir: str | Path = "dataset",
        format: Literal["yolo", "coco"] = "yolo",
        quality: int = 95,
        confidence: float = 0.4,
        drawn: bool = True,
        duplicates: bool = False,
        negatives_s: float | None = None,
    ) -> None:
        self._is_yolo = choice_of(format, "format", ("yolo", "coco")) == "yolo"
        self._quality = whole_of(quality, "quality", 1, 100)
        self._confidence = number_of(confidence, "confidence", 0, 1)
        self._is_drawn, self._has_duplicates = bool(drawn), bool(duplicates)
        self._before_s = None
        if negatives_s is not None:
            self._before_s = number_of(negatives_s, "negatives_s", 0, 3600)
        self._folder = folder_of(dir, "dir")
        self._index: DatasetIndex | None = None
        self._open: dict[str, tuple[str, float]] = {}

    def pictures_of(self, event: SightingEvent) -> Collection[str]:
        """See `lab.sinks.sink.Sink`."""
        if not event.is_over:
            return ()
        return ("picture_jpeg", "plain_jpeg") if self._is_drawn else ("plain_jpeg",)

    def keep_to(self, addresses: AddressRules) -> None:
        """It connects to nothing."""

    def deliver(self, event: SightingEvent) -> None:
        """See `lab.sinks.sink.Sink`."""
        if event.is_test:
            try_folder(self._folder)
            return
        if not event.is_over:
            self._open[event.sighting_id] = (event.media_id, event.onset_earliest_s)
            return
        self._open.pop(event.sighting_id, None)
        try:
            self._index = self._index or DatasetIndex(self._folder)
            self._add(event, self._index)
            if self._before_s is not None:
                self._add_negative(event, self._index, event.onset_earliest_s - self._before_s)
        except OSError as error:
            why = error.strerror or error
            raise LabError(f"{printable(self._folder)} cannot be written: {why}") from None

    def close(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None

    def _add(self, event: SightingEvent, index: DatasetIndex) -> None:
        if event.sighting_id in index.added:
            return
        if not event.boxes:
            raise SinkRefused(f"{event.sighting_id} has no boxes to learn from")
        event = replace(event, boxes=self._sure(event))
        image, jpeg = self._peak(event)
        small = small_picture(image, event.boxes)
        alike = None if self._has_duplicates else _alike(index, event, small)
        name = _picture_name(event) if alike is None else None
        one = Added(
            event.sighting_id,
            event.feed,
            event.media_id,
            (event.onset_earliest_s, event.offset_latest_s),
            event.label,
            event.boxes,
            name,
            image.shape[1],
            image.shape[0],
            in_base64(small),
            alike,
        )
        if name is not None:
            self._write_picture(name, jpeg)
            if self._is_drawn and event.picture_jpeg is not None:
                self._write(self._folder / "drawn" / f"{name}.jpg", event.picture_jpeg)
        self._write_labels(one, index)

    def _write_labels(self, one: Added, index: DatasetIndex) -> None:
        """The files of labels, and at last the line that says that all is there."""
        if one.picture is not None and self._is_yolo:
            labels = [*index.labels(), *([one.label] if one.label else [])]
            names = yolo_names(self._folder, list(dict.fromkeys(labels)))
            together = [*index.in_picture(one.picture), one]
            write_yolo_labels(self._folder, one.picture, together, names)
        if one.picture is not None and not self._is_yolo:
            write_coco(self._folder, [*index.added.values(), one])
        index.add(one)

    def _sure(self, event: SightingEvent) -> tuple[Box, ...]:
        known = event.box_confidences
        if len(known) != len(event.boxes):
            return event.boxes
        least = min(self._confidence, max(known))
        return tuple(box for box, seen in zip(event.boxes, known) if seen >= least)

    def _peak(self, event: SightingEvent) -> tuple[np.ndarray, bytes]:
        """The picture, and as a JPEG: of the packets, or what came with the event."""
        import cv2

        image = recorded_peak(event)
        if image is not None:
            return image, jpeg_of(image, self._quality)
        if event.plain_jpeg is not None:
            image = cv2.imdecode(np.frombuffer(event.plain_jpeg, np.uint8), cv2.IMREAD_COLOR)
        if image is None or event.plain_jpeg is None:
            raise SinkRefused(f"there is no picture of the peak of {event.sighting_id} (any more)")
        return image, event.plain_jpeg

    def _add_negative(self, event: SightingEvent, index: DatasetIndex, at_s: float) -> None:
        entry_id = f"{event.sighting_id}-none"
        if at_s < 0 or entry_id in index.added or event.recording is None:
            return
        try:
            pts_us, image = picture_before(Path(event.recording), round(at_s * 1e6))
        except SourceError:
            return
        if pts_us > round(at_s * 1e6) or self._is_something_there(event.media_id, pts_us / 1e6):
            return
        small = small_picture(image)
        others = [one for one in index.added.values() if one.label is None]
        same = (one for one in others if one.feed == event.feed and one.picture)
        if any(are_alike(one.grey(), (), small, ()) for one in same):
            return
        name = f"{_picture_name(event)}_none"
        self._write_picture(name, jpeg_of(image, self._quality))
        one = Added(
            entry_id,
            event.feed,
            event.media_id,
            (pts_us / 1e6, pts_us / 1e6),
            None,
            (),
            name,
            image.shape[1],
            image.shape[0],
            in_base64(small),
        )
        self._write_labels(one, index)

    def _is_something_there(self, media_id: str, at_s: float) -> bool:
        assert self._index is not None
        known = [
            one.span_s
            for one in self._index.added.values()
            if one.media_id == media_id and one.label is not None
        ]
        still = [(since, np.inf) for media, since in self._open.values() if media == media_id]
        return any(begin <= at_s <= end for begin, end in [*known, *still])

    def _write_picture(self, name: str, jpeg: bytes) -> None:
        self._write(self._folder / "images" / f"{name}.jpg", jpeg)

    def _write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)


def _picture_name(event: SightingEvent) -> str:
    """The same for each sighting with its peak in the same picture."""
    at = local_time(event.peak_utc)
    feed, day = in_name(event.feed), at.strftime("%Y-%m-%d")
    return f"{feed}/{day}/{feed}_{day}_{at.strftime('%H-%M-%S')}-{at.microsecond // 1000:03d}"


def _alike(index: DatasetIndex, event: SightingEvent, small: np.ndarray) -> str | None:
    """The sighting with a picture of the same thing at the same place."""
    for one in index.added.values():
        is_candidate = one.picture and one.label == event.label and one.feed == event.feed
        if is_candidate and are_alike(one.grey(), one.boxes, small, event.boxes):
            return one.entry_id
    return None
