"""Running a document: every clip through all analyses, then the rules, then the sinks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from lab.detectors.detector import Detector
from lab.errors import LabError, SettingError, StoreError
from lab.jobs.document.checks import check_secrets, narrowed, rule_for
from lab.jobs.document.document import JobAnalysis, JobDocument
from lab.jobs.document.read import job_of
from lab.jobs.document.schema import error_context
from lab.jobs.document.sinks import JobSinks, Row, rows_of
from lab.jobs.document.trust import check_trust
from lab.rules.rule import Rule
from lab.runs.analyze import Analysis, analyze_all
from lab.runs.make_detector import make_detector
from lab.runs.progress import Report
from lab.runs.run import Run
from lab.store.store import Store


@dataclass
class JobResult:
    """The result of a job.

    runs: those that were made or reused, clip after clip, each clip's in the order of the
    analyses. sightings: of all finished runs, as rows with times in seconds. rules: those that
    found them, by the name of the analysis. failures: messages about clips and analyses that
    failed. written: files.
    """

    runs: list[Run] = field(default_factory=list)
    sightings: list[Row] = field(default_factory=list)
    rules: dict[str, Rule] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """What `lab analyze --job --json` prints."""
        return {
            "runs": [{"analysis": run.analysis, **run.summary()} for run in self.runs],
            "sightings": self.sightings,
            "rules": {name: rule.to_dict() for name, rule in self.rules.items()},
            "failures": self.failures,
            "written": [str(path) for path in self.written],
        }


@dataclass
class _Ready:
    """An analysis with its detector, which is created once for all clips."""

    given: JobAnalysis
    detector: Detector
    rule: Rule
    rule_name: str | None = None

    def analysis(self) -> Analysis:
        one = self.given
        return Analysis(
            detector=self.detector, name=one.name, interval_s=one.interval_s,
            frame_count=one.frame_count, frame_step=one.frame_step, gate=one.gate,
        )  # fmt: skip


def run_job(
    document: JobDocument | Mapping[str, Any],
    store: Store | str | Path | None = None,
    *,
    progress: bool | Report = True,
    reuse: bool = False,
    cancelled: Callable[[], bool] = lambda: False,
    console: TextIO | None = None,
    trust: bool = False,
) -> JobResult:
    """Run a job: one decode of each clip for all analyses.

    document: as `read_job` or `job_of` gives it, or a mapping. store: wins over the document's.
    reuse: take finished runs of the same recipe. console: where a console sink writes; by
    default standard output. trust: whether it may run code that is not the lab's, send pictures
    to an address, and write outside of its folder; see `lab.jobs.document.trust`.

    A clip that cannot be analysed among others is named in `failures`, and so is an analysis
    that failed while others did not. Raises SettingError, SourceError, DetectorError or
    StoreError where nothing can be run, or where the only clip failed; SettingError that says
    what it would do, where it needs `trust`.
    """
    job = document if isinstance(document, JobDocument) else job_of(document)
    if not trust:
        check_trust(job, store_given=store is not None)
    kept = store if isinstance(store, Store) else Store(store if store is not None else job.store)
    clips, refused = job.find()
    result = JobResult(failures=list(refused))
    with ExitStack() as stack:
        ready = [_made(job, i, kept, stack) for i in range(len(job.analyses))]
        sinks = stack.enter_context(JobSinks(job.sinks, console or sys.stdout))
        sinks.check(clips)
        _name_rules(job, ready)
        result.rules = {one.given.name: one.rule for one in ready}
        for clip in clips:
            if cancelled():
                break
            try:
                found = _one_clip(clip, job, ready, kept, progress, reuse, cancelled)
            except LabError as error:
                if len(clips) + len(refused) == 1 or isinstance(error, SettingError | StoreError):
                    raise
                result.failures.append(
                    str(error) if str(clip) in str(error) else f"{clip}: {error}"
                )
                continue
            result.runs += found
            for run, one in zip(found, ready, strict=True):
                _decide(run, one, job, result)
        result.written, failures = sinks.write(result.sightings)
        result.failures += failures
    return result


def _made(job: JobDocument, i: int, store: Store, stack: ExitStack) -> _Ready:
    one, place = job.analyses[i], f"analyses[{i}]"
    with error_context(place):
        detector = make_detector(one.detector, store=store, **one.settings)
    stack.callback(detector.close)
    ready = _Ready(one, detector, Rule())
    check_secrets(detector, job.secrets, place)
    ready.rule = rule_for(one, detector, place)
    return ready


def _name_rules(job: JobDocument, ready: list[_Ready]) -> None:
    """A name for several rules would keep only the last: each gets that of its analysis, too."""
    name = next((s["name"] for s in job.sinks if s["type"] == "store" and "name" in s), None)
    several = len({one.rule.rule_hash for one in ready}) > 1
    for one in ready:
        one.rule_name = f"{name}: {one.given.name}" if name and several else name


def _one_clip(
    clip: Path,
    job: JobDocument,
    ready: list[_Ready],
    store: Store,
    progress: bool | Report,
    reuse: bool,
    cancelled: Callable[[], bool],
) -> list[Run]:
    analyses = [one.analysis() for one in ready]
    return analyze_all(
        clip, analyses, store=store, progress=progress, reuse=reuse, cancelled=cancelled
    )


def _decide(run: Run, one: _Ready, job: JobDocument, result: JobResult) -> None:
    if run.state != "done":
        why = run.error or "go on with --resume"
        result.failures.append(f"{run.media['path']}: {one.given.name} {run.state}: {why}")
        return
    open_labels = not run.recipe["labels"]
    found = run.find(narrowed(one.rule, run.labels) if open_labels else one.rule)
    for sink in job.sinks:
        if sink["type"] == "store":
            if one.rule_name is not None:
                run.store.save_rule(one.rule_name, one.rule, run.run_id)
            run.store.save_sightings(run.run_id, one.rule, found, one.rule_name)
    result.sightings += rows_of(run, one.given.name, one.rule, one.rule_name, found)
