"""Finished runs from detections that were made elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.errors import LabError
from lab.formats.detections.earlier import EarlierImports, Sample
from lab.runs.run import Run
from lab.score_log.effort import effort_of
from lab.score_log.recipe import make_recipe
from lab.score_log.writer import ScoreLogWriter, sync_logs
from lab.store.outcomes import write_outcome
from lab.store.run_facts import write_run_facts
from lab.store.store import EndedRun, NewRun, Store, new_run_id
from lab.video.media import Media
from lab.video.sampling import Sampling

# Of a batch, which is written in two transactions: how many runs, and samples in memory.
_BATCH_RUNS = 200
_BATCH_SAMPLES = 200_000


@dataclass(frozen=True, eq=False, kw_only=True)
class MadeRun:
    """A finished run that is to be kept.

    detector: its recipe: `detector`, `labels`, `score_floor`, and what else it depends on.
    samples: in order of time. every_s: seconds between them; 0 for every frame.
    older: the media as earlier versions named it. imported: where the detections come from, kept
    beside the recipe.
    """

    media: Media
    detector: Mapping[str, Any]
    samples: Sequence[Sample]
    every_s: float
    threshold: float
    relative_path: str | None = None
    older: Media | None = None
    imported: Mapping[str, Any] | None = None

    @property
    def recorded(self) -> dict[str, Any]:
        return {} if self.imported is None else {"imported": dict(self.imported)}

    def recipe(self) -> dict[str, Any]:
        sampling = Sampling(every_s=self.every_s)
        return make_recipe(self.media.media_id, self.detector, sampling=sampling)

    def effort(self) -> dict[str, Any]:
        pts_us = np.array([s.pts_us for s in self.samples], np.int64)
        ok = np.array([s.failed is None for s in self.samples], bool)
        return effort_of(pts_us, ok, self.media.end_us, self.every_s).to_dict()


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
    """Keep samples as a finished run; see `MadeRun`."""
    made = MadeRun(
        media=media, detector=detector, samples=samples, every_s=every_s, threshold=threshold,
        relative_path=relative_path, imported=imported,
    )  # fmt: skip
    return write_runs(store, [made])[0]


def write_runs(store: Store, made: Sequence[MadeRun]) -> list[Run]:
    """Keep finished runs, all in the same few transactions; the runs, in their order.

    Their rows are there, as running, before their logs; ended before that, they are interrupted.
    """
    recipes = {new_run_id(): one.recipe() for one in made}
    planned = list(zip(recipes.items(), made, strict=True))
    with ExitStack() as stack:
        logs = [
            stack.enter_context(
                ScoreLogWriter(
                    store.log_folder(run_id),
                    {"run_id": run_id, "labels": list(one.detector["labels"]), "recipe": recipe},
                    is_durable=False,
                )
            )
            for (run_id, recipe), one in planned
        ]
        new = [
            NewRun(run_id, recipe, one.threshold, one.recorded) for (run_id, recipe), one in planned
        ]
        for log, run, one in zip(logs, new, made, strict=True):
            write_run_facts(log.folder, run, one.media)
        store.create_runs(
            new,
            media=[one.media for one in made],
            relative_paths={one.media.media_id: one.relative_path for one in made},
        )
        for log, one in zip(logs, made, strict=True):
            for s in one.samples:
                log.add_sample(s.frame_index, s.pts_us, s.detections, s.failed)
            log.flush()
            log.compact()
        ended = [EndedRun(run_id, "done", None, one.effort(), 0.0) for (run_id, _), one in planned]
        for log, end in zip(logs, ended, strict=True):
            write_outcome(
                log.folder, "done", error=None, effort=end.effort, elapsed_s=0.0, is_durable=False
            )
        sync_logs(log.folder for log in logs)
        store.finish_runs(ended)
    return Run.many(store, list(recipes))


class RunBatches:
    """Collects finished runs and keeps them in batches, so that memory and transactions are few.

    A run that the store has from an earlier import is not kept twice.
    on_kept: is told the name of each, its run, and whether the store had it. on_refused: the name,
    and why it was not kept.
    """

    def __init__(
        self,
        store: Store,
        earlier: EarlierImports,
        on_kept: Callable[[str, Run, bool], None],
        on_refused: Callable[[str, str], None],
    ) -> None:
        self._store, self._earlier = store, earlier
        self._on_kept, self._on_refused = on_kept, on_refused
        self._waiting: list[tuple[str, MadeRun | str]] = []

    def add(self, name: str, made: MadeRun) -> None:
        media = [made.media, made.older]
        same = self._earlier.same_run(media, made.detector, made.samples, made.every_s)
        self._waiting.append((name, same or made))
        samples = sum(len(one.samples) for _, one in self._waiting if isinstance(one, MadeRun))
        if len(self._waiting) >= _BATCH_RUNS or samples >= _BATCH_SAMPLES:
            self.flush()

    def flush(self) -> None:
        """Keep what is waiting. Call it at the end."""
        waiting, self._waiting = self._waiting, []
        made = [one for _, one in waiting if isinstance(one, MadeRun)]
        known = [one for _, one in waiting if isinstance(one, str)]
        refused = None
        new: Iterator[Run] = iter(())
        try:
            new = iter(write_runs(self._store, made) if made else [])
        except LabError as error:
            refused = str(error)
        old = iter(Run.many(self._store, known) if known else [])
        for name, one in waiting:
            if isinstance(one, str):
                self._on_kept(name, next(old), True)
            elif refused is None:
                self._on_kept(name, next(new), False)
            else:
                self._on_refused(name, refused)
