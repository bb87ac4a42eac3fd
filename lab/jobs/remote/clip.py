"""A clip that a worker elsewhere analyses, as the app sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.jobs.batch.work import PreparedWork
from lab.jobs.cluster.clip import ClipOnCluster, whole_run
from lab.jobs.cluster.order import Description
from lab.jobs.remote.link import Expected, Link
from lab.runs.run import Run
from lab.score_log.recipe import recipe_hash


@dataclass
class ClipElsewhere(ClipOnCluster):
    """As of `ClipOnCluster`; the worker's detectors must be those that the app would load.

    link: the cluster, by its own name. place: where the app may read the clip.
    """

    link: Link = None  # type: ignore[assignment]
    place: str = ""
    _hashes: Sequence[str] = field(default=(), init=False)

    def analyze(
        self, place: str, analyses: Sequence[Mapping[str, Any]], *, reuse: bool = False,
        media_id: str | None = None,
    ) -> tuple[list[Run], bool]:  # fmt: skip
        """As of `ClipOnCluster`; without the worker where all runs are there."""
        found = [whole_run(self.store, one) for one in self._hashes] if reuse else [None]
        if all(found):
            return Run.many(self.store, [one for one in found if one]), True
        return super().analyze(place, analyses, reuse=reuse, media_id=media_id)

    def expect(self, work: PreparedWork, media_id: str) -> None:
        """Before `analyze`: what the clip must be analysed with."""
        detectors = [
            Description(one.labels, one.recipe(), one.default_threshold, one.weights_path,
                        one.made_from, False)
            for one in work.detectors
        ]  # fmt: skip
        hashes = self._hashes = work.recipe_hashes(media_id)
        recipes = [one.recipe() for one in work.detectors]
        self.link.expect(Expected(self.place, hashes, detectors, recipes))

    def resume(
        self, run_id: str, detector: Mapping[str, Any], sampling: Mapping[str, Any],
        recipe: Mapping[str, Any],
    ) -> Run:  # fmt: skip
        known = Description(tuple(recipe["labels"]), {}, 0.0, None, None, False)
        self.link.expect(Expected(self.place, [recipe_hash(recipe)], [known]))
        return super().resume(run_id, detector, sampling, recipe)
