"""What a store has of earlier imports, so that a file that comes again changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lab.detection import Detections
from lab.errors import StoreError
from lab.formats.detections.media import made_media
from lab.score_log.recipe import make_recipe, recipe_hash
from lab.score_log.score_log import ScoreLog, read_log
from lab.store.store import Store
from lab.video.media import Media, sha256
from lab.video.sampling import Sampling


@dataclass(frozen=True, eq=False)
class Sample:
    """The imported detections of one frame. failed: why it could not be analysed."""

    frame_index: int
    pts_us: int
    detections: Detections
    failed: str | None = None


class EarlierImports:
    """The finished runs of a store, read once, and the place that a file's names are relative to.

    That place is the folder of the videos, or the file itself where none is given: two memory
    cards have the same names. A file whose content was imported before has the place it had then.
    """

    def __init__(self, store: Store, file: str | Path, videos: str | Path | None) -> None:
        self._store = store
        self._videos = None if videos is None else Path(videos).resolve()
        self._by_recipe: dict[str, list[str]] = {}
        for row in store.run_index(state="done"):
            self._by_recipe.setdefault(row["recipe_hash"], []).append(row["run_id"])
        content, places = sha256(file), store.places_of_imports()
        place = f"file {Path(file).resolve()}"
        place = places.get(content, place) if videos is None else f"folder {self._videos}"
        # Kept beside the recipe of each run.
        self.recorded = {"sha256": content, "place": place, "file": Path(file).name}

    def absent_media(
        self, name: str, duration_s: float, frame_rate: float
    ) -> tuple[Media, Media | None]:
        """Facts of a video that is not available; and as earlier versions named it.

        They are told apart by their name, place, length and rate.
        """
        path = name if self._videos is None else str(self._videos / name)
        place = self.recorded["place"]
        return (
            made_media(name, duration_s, frame_rate, place=place, path=path),
            made_media(name, duration_s, frame_rate),
        )

    def same_run(
        self,
        media: Iterable[Media | None],
        detector: Mapping[str, Any],
        samples: Sequence[Sample],
        every_s: float,
    ) -> str | None:
        """The id of the run that has just these detections, of the first media that has one."""
        for one in media:
            if one is None:
                continue
            recipe = make_recipe(one.media_id, detector, sampling=Sampling(every_s=every_s))
            for run_id in self._by_recipe.get(recipe_hash(recipe), ()):
                try:
                    log = read_log(self._store.log_folder(run_id), run_id)
                except StoreError:
                    continue
                if not log.damaged and _is_same(log, samples):
                    return run_id
        return None


def _is_same(log: ScoreLog, samples: Sequence[Sample]) -> bool:
    if len(log.pts_us) != len(samples) or log.missing:
        return False
    times = np.array([s.pts_us for s in samples], np.int64)
    frames = np.array([s.frame_index for s in samples], np.int64)
    ok = np.array([s.failed is None for s in samples], bool)
    found = [s.detections for s in samples]
    labels = [label for d in found for label in d.labels]
    return (
        np.array_equal(log.pts_us, times)
        and np.array_equal(log.frame_index, frames)
        and np.array_equal(log.ok, ok)
        and np.array_equal(log.sample, np.repeat(np.arange(len(found)), [len(d) for d in found]))
        and [log.labels[i] for i in log.label.tolist()] == labels
        and np.array_equal(log.confidence, np.concatenate([d.confidence for d in found]))
        and np.array_equal(log.box_xyxy_px, np.concatenate([d.box_xyxy_px for d in found]))
    )
