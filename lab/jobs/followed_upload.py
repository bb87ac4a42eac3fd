"""The job `follow` of a worker: analysing an upload while another process receives it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lab.atomic_file import write_atomically
from lab.detectors.detector import Detector
from lab.errors import LabError, SettingError, SourceError, StreamError
from lab.jobs.upload_events import UploadEvents
from lab.jobs.upload_rules import UploadRule
from lab.runs.analyze import Analysis, analyze_all
from lab.runs.execute import PlannedRun
from lab.runs.follow import follow, settle
from lab.runs.progress import Report
from lab.runs.run import Run
from lab.score_log.recipe import protocol_hash
from lab.store.store import Store
from lab.video.followed_file import FollowedFile, WholeFile
from lab.video.media import Media
from lab.video.probe import probe
from lab.video.sources.streamed import OtherFramesError, StreamedSource
from lab.video.streaming_buffer import StreamingBuffer

# In the upload's folder, beside what the server keeps there.
NOTES, EVENTS, RUNS = "notes", "events.ndjson", "runs.json"


def follow_upload(
    job: Mapping[str, Any],
    detectors: Sequence[Detector],
    *,
    store: Store,
    progress: Report,
    cancelled: Callable[[], bool],
) -> dict[str, Any]:
    """Analyse an upload, or go on with that; see `lab.runs.follow.follow`.

    job: folder of the upload's notes, part (the file as it grows), path (where it lies once it is
    whole), media_id until then, is_whole, silence_s, analyses and rules, one for each, as
    `lab.jobs.upload_rules` takes them.
    """
    folder = Path(job["folder"])
    analyses = [
        Analysis(detector=made, **{k: v for k, v in one.items() if k != "detector"})
        for made, one in zip(detectors, job["analyses"], strict=True)
    ]
    rules = [
        UploadRule(given, made.default_threshold)
        for given, made in zip(job["rules"], detectors, strict=True)
    ]
    events = UploadEvents(folder / EVENTS)
    try:
        runs = _runs(job, folder, analyses, rules, events, store, progress, cancelled)
        for run, rule in zip(runs, rules, strict=True):
            rule.settle(store, run.protocol_hash)
        events.ended(runs, [one.rule for one in rules])
    except LabError as error:
        events.failed(str(error), runs_of(folder))
        raise
    except KeyboardInterrupt:
        events.failed("the analysis was ended", runs_of(folder))
        raise
    finally:
        events.close()
    for run, one in zip(runs, rules, strict=True):
        if one.is_kept and run.state == "done":
            store.save_sightings(run.run_id, one.rule, run.find(one.rule), one.name)
    return {**runs[0].summary(), "runs": [run.summary() for run in runs]}


def settle_upload(job: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """Give the runs of an upload that has arrived since they ended the clip's identity."""
    media = probe(job["path"])
    settle(store, job["media_id"], media)
    return {"media_id": media.media_id}


def runs_of(folder: Path) -> list[str]:
    """The runs that were begun of an upload; none before that."""
    try:
        found: list[str] = json.loads((folder / RUNS).read_text())
    except (OSError, ValueError):
        return []
    return found


def _is_there(store: Store, run_id: str) -> bool:
    """False for one that was removed since."""
    try:
        store.run(run_id)
    except SettingError:
        return False
    return True


def _runs(
    job: Mapping[str, Any],
    folder: Path,
    analyses: Sequence[Analysis],
    rules: Sequence[UploadRule],
    events: UploadEvents,
    store: Store,
    progress: Report,
    cancelled: Callable[[], bool],
) -> list[Run]:
    def begun(planned: Sequence[PlannedRun], media: Media) -> None:
        fresh = iter([one.run_id for one in planned if one.run_id not in before])
        run_ids = [one or next(fresh) for one in before or [None] * len(planned)]
        if run_ids != runs_of(folder):
            write_atomically(folder / RUNS, json.dumps(run_ids))
        mine = [rules[run_ids.index(one.run_id)] for one in planned]  # what is done is not planned
        for plan, rule in zip(planned, mine, strict=True):
            rule.settle(store, protocol_hash(plan.recipe))
        events.begun(planned, [one.rule for one in mine], media)

    before = [one if _is_there(store, one) else None for one in runs_of(folder)]
    with _arriving(job, folder, cancelled) as buffer:
        try:
            with _opened(job, buffer) as source:
                return follow(
                    source,
                    analyses,
                    store=store,
                    run_ids=before,
                    progress=progress,
                    cancelled=cancelled,
                    on_begun=begun,
                    on_logged=events.logged,
                )
        except OtherFramesError as error:
            events.failed(str(error), runs_of(folder))
    return analyze_all(job["path"], analyses, store=store, progress=progress, cancelled=cancelled)


@contextmanager
def _arriving(
    job: Mapping[str, Any], folder: Path, cancelled: Callable[[], bool]
) -> Iterator[StreamingBuffer]:
    if job["is_whole"]:
        try:
            whole = WholeFile(job["path"])
        except OSError as error:
            why = error.strerror or error
            raise SourceError(f"{job['path']} cannot be read: {why}") from None
        with whole:
            yield whole
        return
    with _followed(job, folder, cancelled) as followed:
        yield followed


def _followed(job: Mapping[str, Any], folder: Path, cancelled: Callable[[], bool]) -> FollowedFile:
    """The file as it grows; or as it lies since it is whole."""
    notes, silence_s = folder / NOTES, job["silence_s"]
    try:
        try:
            return FollowedFile(job["part"], notes, silence_s=silence_s, cancelled=cancelled)
        except FileNotFoundError:
            return FollowedFile(job["path"], notes, silence_s=silence_s, cancelled=cancelled)
    except OSError as error:
        raise StreamError(f"the upload is gone: {error.strerror or error}") from None


@contextmanager
def _opened(job: Mapping[str, Any], buffer: StreamingBuffer) -> Iterator[StreamedSource]:
    """What is no video is told to who sends it."""
    try:
        source = StreamedSource(buffer, job["path"], media_id=job["media_id"])
    except StreamError:
        raise
    except SourceError as error:
        buffer.abort(str(error))
        raise
    with source:
        yield source
