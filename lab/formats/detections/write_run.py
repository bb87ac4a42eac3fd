"""A finished run from detections that were made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lab.formats.detections.earlier import Sample
from lab.runs.run import Run
from lab.score_log.effort import effort_of
from lab.score_log.recipe import make_recipe
from lab.score_log.writer import ScoreLogWriter
from lab.store.store import Store, new_run_id
from lab.video.media import Media
from lab.video.sampling import Sampling


def write_run(
    store: Store,
    media: Media,
    detector: Mapping[str, Any],
    samples: Sequence[Sample],
    *,
    every_s: float,
    threshold: float,
    relative_path: str | None = None,
    imported: Mapping[str, Any] | None = None,
) -> Run:
    """Keep samples as a finished run.

    detector: its recipe: `detector`, `labels`, `score_floor`, and what else it depends on.
    samples: in order of time. every_s: seconds between them; 0 for every frame.
    imported: where they come from, kept beside the recipe.
    """
    store.add_media(media, relative_path)
    recipe = make_recipe(media.media_id, detector, sampling=Sampling(every_s=every_s))
    run_id = new_run_id()
    manifest = {"run_id": run_id, "labels": list(detector["labels"]), "recipe": recipe}
    with ScoreLogWriter(store.log_folder(run_id), manifest) as log:
        recorded = {} if imported is None else {"imported": dict(imported)}
        store.create_run(run_id, recipe, threshold, **recorded)
        for s in samples:
            log.add_sample(s.frame_index, s.pts_us, s.detections, s.failed)
        log.flush()
        log.compact()
    pts_us = np.array([s.pts_us for s in samples], np.int64)
    ok = np.array([s.failed is None for s in samples], bool)
    effort = effort_of(pts_us, ok, media.end_us, every_s).to_dict()
    store.finish_run(run_id, "done", error=None, effort=effort, elapsed_s=0.0)
    return Run(store, run_id)
