"""What is wrong with a document beyond its schema, before and after detectors are made."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any

from lab.detectors.detector import Detector
from lab.detectors.gate import make_gate
from lab.detectors.registered import detectors
from lab.errors import SettingError, closest
from lab.jobs.document.document import JobAnalysis, JobDocument
from lab.jobs.document.rules import rule_of
from lab.jobs.document.schema import error_context
from lab.rules.rule import THRESHOLD_DEFAULT, Rule
from lab.video.sampling import Sampling

_SET_BY_LAB = ("name", "store")


def check_document(job: JobDocument) -> None:
    """Check what can be checked without creating a detector. Raises SettingError."""
    names = [one.name for one in job.analyses]
    for i, one in enumerate(job.analyses):
        place = f"analyses[{i}]"
        if (first := names.index(one.name)) != i:
            raise SettingError(
                f"{place}.name: {one.name!r} is also the name of analyses[{first}]; "
                "each needs a name of its own"
            )
        with error_context(f"{place}.detector"):
            if one.detector not in detectors:
                raise SettingError(
                    f"unknown detector {one.detector!r}; {closest(one.detector, detectors.names())}"
                )
        with error_context(place):
            Sampling(every_s=one.interval_s, frame_count=one.frame_count, frame_step=one.frame_step)
        with error_context(f"{place}.gate"):
            make_gate(one.gate)
        check_settings(one, f"{place}.settings")
        _check_rule(one, place)
        _check_labels(one, place)
    stores = [i for i, sink in enumerate(job.sinks) if sink["type"] == "store"]
    if len(stores) > 1:
        raise SettingError(
            f"sinks[{stores[1]}]: there is a sink of type 'store' already; remove one"
        )
    outputs = [sink["path"] for sink in job.sinks if "path" in sink]
    for i, sink in enumerate(job.sinks):
        if "path" in sink and outputs.count(sink["path"]) > 1:
            raise SettingError(f"sinks[{i}].path: two sinks write {sink['path']!r}")


def check_settings(one: JobAnalysis, place: str) -> None:
    """Raises SettingError for the names of settings that its detector does not take; a plugin
    takes what it likes.
    """
    for name in _SET_BY_LAB:
        if name in one.settings:
            raise SettingError(
                f"{place}: {name!r} is not a setting of a detector; "
                f"{name} is given beside settings or above them"
            )
    if one.is_plugin:
        return
    known = [
        n for n in inspect.signature(detectors.get(one.detector)).parameters if n not in _SET_BY_LAB
    ]
    for name in one.settings:
        if name not in known:
            raise SettingError(f"{place}: unknown key {name!r}; {closest(name, known)}")
    check_labels(one.detector, one.settings.get("labels"), f"{place}.labels")


def check_labels(detector: str, labels: Any, place: str) -> None:
    """Raises SettingError for a label that a built-in detector never has, where that is known
    before it is made.
    """
    declared = getattr(detectors.get(detector), "labels", ())
    if not isinstance(declared, tuple) or not declared or not isinstance(labels, list | tuple):
        return
    for label in labels:
        if isinstance(label, str) and label.strip() not in declared:
            raise SettingError(
                f"{place}: the detector {detector!r} has no label {label!r:.80}; "
                f"{closest(label, list(declared))}"
            )


def _check_rule(one: JobAnalysis, place: str) -> None:
    """The rule, with the thresholds and floor that a built-in detector declares."""
    if one.is_plugin:
        rule_of(one.rules, THRESHOLD_DEFAULT, f"{place}.rules")
        return
    declared: type[Detector] = detectors.get(one.detector)
    rule = rule_of(one.rules, declared.default_threshold, f"{place}.rules")
    floor = one.settings.get("score_floor")
    floor = declared.default_score_floor if floor is None else floor
    if isinstance(floor, int | float) and not isinstance(floor, bool):
        with error_context(f"{place}.rules"):
            rule.check_floor(floor)


def _check_labels(one: JobAnalysis, place: str) -> None:
    """A detector has no labels but those that its settings ask for, if they ask for any."""
    labels = one.settings.get("labels")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        return
    known = [label.strip() for label in labels]
    rules = one.rules or {}
    for label in (*(rules.get("only") or ()), *(rules.get("labels") or ())):
        if label not in known:
            raise SettingError(
                f"{place}.rules: {label!r} is not among the labels of its settings; "
                f"{closest(label, known)}"
            )


def rule_for(one: JobAnalysis, detector: Detector, place: str) -> Rule:
    """The rule of an analysis, once its detector exists.

    Raises SettingError for a label that the detector does not have, or a threshold below its
    floor.
    """
    rule = rule_of(one.rules, detector.default_threshold, f"{place}.rules")
    with error_context(f"{place}.rules"):
        for label in (*(rule.only or ()), *rule.labels):
            if detector.labels and label not in detector.labels:
                raise SettingError(
                    f"the detector has no label {label!r}; {closest(label, list(detector.labels))}"
                )
        rule.check_floor(float(detector.recipe()["score_floor"]))
    return rule


def check_secrets(detector: Detector, secrets: Mapping[str, str], place: str) -> None:
    """Raises SettingError if what a run would keep holds the value of a variable."""
    kept = json.dumps([detector.recipe(), detector.made_from], default=str, ensure_ascii=False)
    for name, value in secrets.items():
        if len(value) >= 4 and json.dumps(value, ensure_ascii=False)[1:-1] in kept:
            raise SettingError(
                f"{place}: this detector writes the value of ${{{name}}} into its recipe, which "
                "is kept; give it the value in another way"
            )


def narrowed(rule: Rule, labels: tuple[str, ...]) -> Rule:
    """The rule, limited to the labels of a run whose detector declares none."""
    return Rule(
        default=rule.default,
        labels={k: v for k, v in rule.labels.items() if k in labels},
        only=None if rule.only is None else tuple(label for label in rule.only if label in labels),
    )
