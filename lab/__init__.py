"""Sighting Lab: when was X there?

The way a frame takes:

    source -> sampler -> detector -> score log -> rule: filter, tracker -> sighting -> store

`analyze` runs a detector over a clip once and keeps what it saw, down to a low floor, as a
score log. A `Debounce` or `Rule` turns that log into sightings, as often as one likes and
without the model:

    import lab

    run = lab.analyze("clip.mp4", every_s=0.2, labels=["person"])
    run.sightings(lab.Debounce(enter_threshold=0.4))
    lab.open_store().runs()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Imported at first use, so that `import lab` is quick and pulls in no model. `module:attribute`
# where the public name is another than that of the code.
_PUBLIC = {
    "Annotation": "lab.annotation",
    "BoxFilter": "lab.rules.box_filter",
    "Coverage": "lab.annotation",
    "Debounce": "lab.rules.debounce",
    "Detections": "lab.detection",
    "DetectorError": "lab.errors",
    "DetstreamDetector": "lab.detectors.plugins.detstream",
    "Event": "lab.sighting",
    "Frame": "lab.frame",
    "LabError": "lab.errors",
    "LabelRule": "lab.rules.rule",
    "Matching": "lab.evaluation.matching",
    "Rule": "lab.rules.rule",
    "Run": "lab.runs.run",
    "SettingError": "lab.errors",
    "Sighting": "lab.sighting",
    "SourceError": "lab.errors",
    "StoreError": "lab.errors",
    "Tracker": "lab.rules.tracker",
    "Truth": "lab.evaluation.truth",
    "Analysis": "lab.runs.analyze",
    "add_prompts": "lab.runs.add_prompts",
    "analyze": "lab.runs.analyze",
    "analyze_all": "lab.runs.analyze",
    "apply": "lab.runs.apply",
    "batch": "lab.jobs.batch.batch",
    "chart": "lab.charts:make_chart",
    "Goal": "lab.tuning.recommend",
    "Grid": "lab.tuning.rule_grid:RuleGrid",
    "agreement": "lab.evaluation.agreement",
    "compare": "lab.evaluation.comparison",
    "compare_phrases": "lab.evaluation.phrasing",
    "connect": "lab.remote_store.opened",
    "count_max_n": "lab.study.max_n",
    "deployments": "lab.study.deployments",
    "document_of": "lab.jobs.document.export",
    "evaluate": "lab.evaluation.evaluate",
    "events": "lab.study.events",
    "export_camtrap_dp": "lab.study.camtrap_dp.export",
    "gate_report": "lab.evaluation.gate_report",
    "join_camtrap_dp": "lab.study.camtrap_dp.join:join_package",
    "join_deployments": "lab.study.joining:join",
    "job_of": "lab.jobs.document.read",
    "make_detector": "lab.runs.make_detector",
    "open_store": "lab.runs.open_store",
    "probe": "lab.video.probe",
    "read_camtrap_dp": "lab.study.camtrap_dp.read:read_package",
    "read_deployments": "lab.study.deployment_file",
    "read_job": "lab.jobs.document.read",
    "read_starts": "lab.study.starts",
    "recommend": "lab.tuning.recommend",
    "resume": "lab.runs.resume",
    "run_job": "lab.jobs.document.run",
    "sweep": "lab.tuning.sweep",
    "thin": "lab.tuning.thinning",
    "undo_apply": "lab.runs.apply",
    "Feed": "lab.feeds.feed",
    "watch": "lab.feeds.watching",
}
__all__ = ["__version__", *_PUBLIC]

if TYPE_CHECKING:
    from lab.annotation import Annotation, Coverage
    from lab.charts import make_chart as chart
    from lab.detection import Detections
    from lab.detectors.plugins.detstream import DetstreamDetector
    from lab.errors import DetectorError, LabError, SettingError, SourceError, StoreError
    from lab.evaluation.agreement import agreement
    from lab.evaluation.comparison import compare
    from lab.evaluation.evaluate import evaluate
    from lab.evaluation.gate_report import gate_report
    from lab.evaluation.matching import Matching
    from lab.evaluation.phrasing import compare_phrases
    from lab.evaluation.truth import Truth
    from lab.feeds.feed import Feed
    from lab.feeds.watching import watch
    from lab.frame import Frame
    from lab.jobs.batch.batch import batch
    from lab.jobs.document.export import document_of
    from lab.jobs.document.read import job_of, read_job
    from lab.jobs.document.run import run_job
    from lab.remote_store.opened import connect
    from lab.rules.box_filter import BoxFilter
    from lab.rules.debounce import Debounce
    from lab.rules.rule import LabelRule, Rule
    from lab.rules.tracker import Tracker
    from lab.runs.add_prompts import add_prompts
    from lab.runs.analyze import Analysis, analyze, analyze_all
    from lab.runs.apply import apply, undo_apply
    from lab.runs.make_detector import make_detector
    from lab.runs.open_store import open_store
    from lab.runs.resume import resume
    from lab.runs.run import Run
    from lab.sighting import Event, Sighting
    from lab.study.camtrap_dp.export import export_camtrap_dp
    from lab.study.camtrap_dp.join import join_package as join_camtrap_dp
    from lab.study.camtrap_dp.read import read_package as read_camtrap_dp
    from lab.study.deployment_file import read_deployments
    from lab.study.deployments import deployments
    from lab.study.events import events
    from lab.study.joining import join as join_deployments
    from lab.study.max_n import count_max_n
    from lab.study.starts import read_starts
    from lab.tuning.recommend import Goal, recommend
    from lab.tuning.rule_grid import RuleGrid as Grid
    from lab.tuning.sweep import sweep
    from lab.tuning.thinning import thin
    from lab.video.probe import probe


def __getattr__(name: str) -> Any:
    if name == "retention":  # a module of functions
        return import_module("lab.retention")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'lab' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    value = getattr(import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
