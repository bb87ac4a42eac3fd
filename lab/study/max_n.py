"""The largest number at one time of sightings for which it was never counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

import pyarrow as pa
import pyarrow.compute as pc

from lab.errors import LabError, StoreError
from lab.rules.most_at_once import most_at_once
from lab.runs.run import Run
from lab.store.sightings import SightingFilter
from lab.store.store import Store

_BATCH_RUNS = 200
Progress = Callable[[int, int], None]


def count_max_n(
    store: Any = None, *, progress: Progress | None = None, **wanted: Unpack[SightingFilter]
) -> list[str]:
    """Count the largest number at one time of all sightings for which it was never done.

    store: a store, what `lab.open_store` gives, or a folder. wanted: which sightings, as of
    `Store.sightings`; by default those of the current rules. It is kept as their `most_at_once`.
    Gives a line for each log that cannot be read.
    """
    store = Store.coerce(store)
    chosen: SightingFilter = {"current": True, **wanted}  # type: ignore[typeddict-item]
    return with_max_n(store, store.sightings_on_calendar(**chosen), progress)[1]


def with_max_n(
    store: Store, given: pa.Table, progress: Progress | None = None
) -> tuple[pa.Table, list[str]]:
    """Sightings with `most_at_once`, which is counted from their logs once and kept in the store.

    given: with sighting_id, run_id, rule_hash, most_at_once (null where it was never counted).
    progress: is told how many logs are read, and of how many. Also gives a line for each log that
    cannot be read; its sightings stay null.
    """
    missing = given.filter(pc.is_null(given["most_at_once"]))
    pairs = missing.group_by(["run_id", "rule_hash"]).aggregate([]).to_pylist()
    counts: dict[str, int] = {}
    waiting: dict[str, int] = {}
    failed: list[str] = []
    for done, pair in enumerate(pairs, 1):
        try:
            waiting |= most_at_once_of(store, pair["run_id"], pair["rule_hash"])
        except LabError as error:
            failed.append(f"no max_n for run {pair['run_id']}: {error}")
        if done % _BATCH_RUNS == 0 or done == len(pairs):
            if store.catalog.cannot_be_written is None:
                store.set_most_at_once(waiting)
            counts |= waiting
            waiting = {}
        if progress is not None:
            progress(done, len(pairs))
    if counts:
        at = given.column_names.index("most_at_once")
        ids, known = given["sighting_id"].to_pylist(), given["most_at_once"].to_pylist()
        filled = [counts.get(i, n) for i, n in zip(ids, known, strict=True)]
        given = given.set_column(at, "most_at_once", pa.array(filled, pa.int32()))
    return given, failed


def most_at_once_of(store: Store, run_id: str, rule_hash: str) -> dict[str, int]:
    """MaxN of each sighting of a rule in a run, by sighting_id. Raises StoreError, SettingError."""
    rule, sightings = store.sightings_of_rule(run_id, rule_hash)
    run = Run(store, run_id)
    if run.log.damaged:
        raise StoreError(run.damage or "its log is damaged")
    found = most_at_once(list(sightings.values()), run.log, rule, media=run.media)
    return dict(zip(sightings, found, strict=True))
