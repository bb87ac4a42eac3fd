"""Batches: clips into the queue, workers over it, and how each clip ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from lab.errors import LabError, LogRemovedError
from lab.jobs.batch.clips import BatchClips, find_batch, found_clips
from lab.jobs.batch.engine_group import EngineGroup
from lab.jobs.batch.progress import batch_reporter
from lab.jobs.batch.result import BatchResult
from lab.jobs.batch.runner import Report, Runner
from lab.jobs.batch.work import AppliedRule, PreparedWork, Work, work_of, work_of_document
from lab.jobs.document.document import JobDocument
from lab.jobs.document.read import read_job
from lab.jobs.document.rules import named_rule
from lab.jobs.document.sinks import JobSinks, rows_of
from lab.jobs.document.trust import check_trust
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import QueuedJob, Stamp
from lab.jobs.registered import engines
from lab.rules.rule import Debounce, Rule
from lab.runs.run import Run
from lab.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

Place = str | PathLike[str]


def batch(
    paths: Place | Iterable[Place],
    *,
    detector: str = "yolo",
    every_s: float = 0.2,
    labels: Sequence[str] | None = None,
    gate: str | Mapping[str, Any] | None = None,
    store: Store | str | Path | None = None,
    apply: Rule | Debounce | Mapping[str, Any] | str | None = None,
    workers: int | None = None,
    priority: int = 0,
    progress: bool | Report = True,
    engine: str = "local",
    engine_settings: Mapping[str, Any] | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """Run a detector over many clips, in processes of their own, and keep the runs.

    paths: files, folders (with all below), patterns such as `cards/**/*.mp4`, addresses; one or
        many. detector, every_s, labels, gate, settings: as of `lab.analyze`; a name, no object.
    apply: a rule, or the name of a saved one, whose sightings are saved as clips finish.
    workers: processes, each with the model; by default as many as pay on this machine.
    priority: clips of a higher one come first, of those that wait in the queue of the store.
    progress: show a bar, or hand a `BatchProgress` to a function some times a second.
    engine: `local`, processes of this machine, or `ray`, a cluster, with `engine_settings`: those
        of `lab.jobs.cluster.ray_engines.RayEngines`, such as `address`.

    Returns one row a clip: path, state (`done`, `failed`, `cancelled`, `waiting`), run_id, reason,
    seconds, was_there (its run was in the store already), job_id. One bad clip stops no others.
    Called again after it was stopped or killed, it goes on; what is in the store is not computed
    again. Raises SettingError, DetectorError or StoreError where no clip can be analysed;
    KeyboardInterrupt with everything kept.
    """
    if labels is not None:
        settings["labels"] = list(labels)
    kept = Store.coerce(store)
    rule = _rule(apply, kept)
    work = work_of(detector, settings, every_s=every_s, gate=gate, rule=rule)
    result = run_batch(
        find_batch(paths), work, kept, workers=workers, priority=priority, progress=progress,
        engine=engine, engine_settings=engine_settings,
    )  # fmt: skip
    if result.is_interrupted:
        raise KeyboardInterrupt
    if result.stopped is not None:
        raise LabError(result.stopped)
    return result.to_frame()


def run_batch(
    clips: BatchClips,
    work: Work,
    store: Store,
    *,
    workers: int | None = None,
    priority: int = 0,
    progress: bool | Report = True,
    console: TextIO | None = None,
    engine: str = "local",
    engine_settings: Mapping[str, Any] | None = None,
) -> BatchResult:
    """Queue the clips and do them; a clip that fails, and Ctrl+C, are told in the result.

    Raises SettingError, DetectorError or StoreError where no clip can be analysed.
    """
    begun = time.monotonic()
    with _engine_group(engine, workers, engine_settings) as group, JobQueue(store.folder) as queue:
        if not clips.clips:
            return BatchResult(_refused(clips), time.monotonic() - begun)
        notes = [] if queue.note is None else [queue.note]
        with Runner(store, work, group.engines(min(group.count, len(clips.clips)))) as runner:
            queue.add(runner.work.work_id, work.to_dict(), clips.clips.items(), priority=priority)
            result = _run(runner, queue, progress)
            result.notes = notes + _rule_notes(runner.work, store)
            if work.document is not None:
                _write_sinks(result, runner.work, store, console)
    result.jobs = [*result.jobs, *_refused(clips)]
    result.seconds = time.monotonic() - begun
    return result


def run_document(
    document: JobDocument,
    path: str,
    store: Store | str | Path | None,
    *,
    trust: bool = False,
    **options: Any,
) -> BatchResult:
    """The batch of a document in a file; as `lab.run_job`. options: of `run_batch`."""
    if not trust:
        check_trust(document, store_given=store is not None)
    found, refused = document.find()
    kept = store if isinstance(store, Store) else Store(store or document.store)
    clips = found_clips(found, refused)
    return run_batch(clips, work_of_document(document, str(Path(path).absolute())), kept, **options)


def resume_batches(
    store: Store,
    *,
    workers: int | None = None,
    progress: bool | Report = True,
    trust: bool = False,
    console: TextIO | None = None,
    engine: str = "local",
    engine_settings: Mapping[str, Any] | None = None,
) -> BatchResult:
    """Go on with all that waits in the queue of a store, one work after the other."""
    begun, whole = time.monotonic(), BatchResult()
    with _engine_group(engine, workers, engine_settings) as group, JobQueue(store.folder) as queue:
        whole.notes += [] if queue.note is None else [queue.note]
        queue.free_the_dead()
        for work_id, kept in queue.unfinished_work().items():
            if "resume" in kept:
                whole.notes.append(f"run {kept['resume']} is gone on with by the app alone")
                continue
            try:
                work = _work_kept(kept, trust)
                with Runner(
                    store, work, group.engines(group.count, trust=not work.is_app)
                ) as runner:
                    _check_same(runner.work, work_id, kept)
                    if work.is_current:
                        runner.work.use_current(store)
                    queue.take_up(work_id)
                    result = _run(runner, queue, progress)
                    if work.document is not None:
                        _write_sinks(result, runner.work, store, console)
            except LabError as error:
                whole.failures.append(str(error))
                continue
            whole.failures += result.failures
            whole.written += result.written
            whole.is_interrupted, whole.stopped = result.is_interrupted, result.stopped
            if whole.is_interrupted or whole.stopped:
                break
        whole.jobs = queue.in_scope()
    whole.seconds = time.monotonic() - begun
    return whole


def _engine_group(
    engine: str, workers: int | None, settings: Mapping[str, Any] | None
) -> EngineGroup:
    return engines.make(engine, EngineGroup, workers, **(settings or {}))  # type: ignore[type-abstract]


def _run(runner: Runner, queue: JobQueue, progress: bool | Report) -> BatchResult:
    result = BatchResult()
    with batch_reporter(progress) as report:
        try:
            result.stopped = runner.run(queue, report)
        except KeyboardInterrupt:
            result.is_interrupted = True
            result.stopped = "interrupted"
    result.jobs = queue.in_scope()
    return result


def _refused(clips: BatchClips) -> list[QueuedJob]:
    """Rows of what was never queued."""
    empty = QueuedJob(0, "", "", "failed", 0, 0, 0, 0, None, Stamp(), (), False, None, None,
                      None, None)  # fmt: skip
    return [replace(empty, path=path, reason=reason) for path, reason in clips.refused.items()]


def _rule(apply: Any, store: Store) -> AppliedRule | None:
    if apply is None:
        return None
    if isinstance(apply, str):
        saved = {row["name"] for row in store.rules()}
        return AppliedRule(named_rule(apply, store), apply if apply in saved else None)
    return AppliedRule(Rule.coerce(apply))


def _rule_notes(work: PreparedWork, store: Store) -> list[str]:
    """Where another rule is current, what was saved is not what is shown."""
    notes = []
    for protocol, applied in zip(work.protocols, work.rules, strict=True):
        current = store.current_rules(protocol).get(protocol) if applied else None
        if applied and current and current.rule.rule_hash != applied.rule.rule_hash:
            notes.append(
                f"{current.title} is the current rule of protocol {protocol}, and stays so; make "
                f"this one current with: lab apply RULE --protocol {protocol}"
            )
    return notes


def _work_kept(kept: Mapping[str, Any], trust: bool) -> Work:
    """What was queued, from what the queue keeps of it."""
    if "document" not in kept:
        return Work.from_dict(kept)
    document = read_job(kept["document"], expand=True)
    if not trust:
        check_trust(document, store_given=True)
    return work_of_document(document, kept["document"])


def _check_same(work: PreparedWork, work_id: str, kept: Mapping[str, Any]) -> None:
    """Raises LabError if it would not be what was queued; the app queues settings alone."""
    if work.work_id != work_id and not work.work.is_app:
        what = kept.get("document") or "the detector's weights, or the lab's own version,"
        raise LabError(
            f"{what} changed since these clips were queued; give the whole command again for "
            "new runs, or cancel them with: lab jobs cancel --all"
        )


def _write_sinks(
    result: BatchResult, work: PreparedWork, store: Store, console: TextIO | None
) -> None:
    """Give the sightings of all that is done to the sinks of a document."""
    document = work.work.document
    if document is None or result.is_interrupted:
        return
    rows = []
    with JobSinks(document.sinks, console or sys.stdout) as sinks:
        for job in result.jobs:
            if job.work_id != work.work_id:
                continue
            for index, run_id in enumerate(job.run_ids):
                run = Run(store, run_id)
                if run.state == "done":
                    applied = work.rules[index] or work.rule_of(index)
                    name = document.analyses[index].name
                    try:
                        found = applied.found(run)
                    except LogRemovedError as error:
                        result.failures.append(f"{job.path}: not in the files: {error}")
                        continue
                    rows += rows_of(run, name, applied.rule, applied.name, found)
        written, failures = sinks.write(rows)
    result.written += written
    result.failures += failures
