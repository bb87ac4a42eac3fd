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

# Imported at first use, so that `import lab` is quick and pulls in no model.
_PUBLIC = {
    "Annotation": "lab.annotation",
    "BoxFilter": "lab.box_filter",
    "Coverage": "lab.annotation",
    "Debounce": "lab.rule",
    "Detections": "lab.detection",
    "DetectorError": "lab.errors",
    "Event": "lab.sighting",
    "Frame": "lab.frame",
    "LabError": "lab.errors",
    "LabelRule": "lab.rule",
    "Matching": "lab.evaluation.matching",
    "Rule": "lab.rule",
    "Run": "lab.run",
    "SettingError": "lab.errors",
    "Sighting": "lab.sighting",
    "SourceError": "lab.errors",
    "StoreError": "lab.errors",
    "Tracker": "lab.tracker",
    "Truth": "lab.truth",
    "Analysis": "lab.analysis",
    "add_prompts": "lab.adding",
    "analyze": "lab.analysis",
    "analyze_all": "lab.analysis",
    "Goal": "lab.tuning.recommend",
    "Grid": "lab.tuning.rule_grid",
    "agreement": "lab.evaluation.agreement",
    "compare": "lab.comparison",
    "compare_phrases": "lab.phrasing",
    "evaluate": "lab.evaluation.evaluate",
    "gate_report": "lab.evaluation.gating",
    "make_detector": "lab.analysis",
    "open_store": "lab.opened",
    "probe": "lab.media",
    "recommend": "lab.tuning.recommend",
    "resume": "lab.analysis",
    "sweep": "lab.tuning.sweep",
    "thin": "lab.tuning.thinning",
}
__all__ = ["__version__", *_PUBLIC]

if TYPE_CHECKING:
    from lab.adding import add_prompts
    from lab.analysis import Analysis, analyze, analyze_all, make_detector, resume
    from lab.box_filter import BoxFilter
    from lab.detection import Detections
    from lab.errors import DetectorError, LabError, SettingError, SourceError, StoreError
    from lab.frame import Frame
    from lab.media import probe
    from lab.opened import open_store
    from lab.rule import Debounce, LabelRule, Rule
    from lab.run import Run
    from lab.sighting import Event, Sighting
    from lab.tracker import Tracker


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'lab' has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
