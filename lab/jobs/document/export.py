"""A document for existing runs: running it again gives the same recipes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from lab.detectors.gate import gate_recipe, make_gate
from lab.detectors.make import detector_settings
from lab.detectors.registered import detectors
from lab.errors import SettingError
from lab.jobs.document.document import EVERY_S
from lab.jobs.document.rules import shorthand
from lab.jobs.document.schema import error_context
from lab.rules.rule import Rule
from lab.runs.run import Run


def document_of(
    runs: Run | Sequence[Run], rule: Rule | Sequence[Rule] | Mapping[str, Rule] | None = None
) -> dict[str, Any]:
    """The document of one run, or of runs of one pass over a clip.

    rule: one for all, one for each, or by the name of the analysis; by default the run's default
    rule. Paths are absolute; defaults are left out. Running the document saves its sightings in
    the store.

    Raises SettingError for runs that are not of one pass, or that no document can reproduce, and
    for a rule that does not fit its run.
    """
    chosen = [runs] if isinstance(runs, Run) else list(runs)
    _check_pass(chosen)
    rules = _rules(chosen, rule)
    for run, one in zip(chosen, rules, strict=True):
        with error_context(f"the rule of {run.analysis}"):
            one.check_floor(float(run.recipe["score_floor"]))
            if run.recipe["labels"]:
                one.wanted(run.recipe["labels"])
    rows = [_analysis(run, one) for run, one in zip(chosen, rules, strict=True)]
    intervals = {row["interval_s"] for row in rows}
    document: dict[str, Any] = {
        "version": 1,
        "source": {"type": "file", "path": chosen[0].media["path"]},
    }
    if len(intervals) == 1:
        (every_s,) = intervals
        if every_s != EVERY_S:
            document["sampling"] = {"every_s": every_s}
    for row in rows:
        if len(intervals) == 1 or row["interval_s"] == EVERY_S:
            del row["interval_s"]
    document["analyses"] = rows
    document["sinks"] = [{"type": "store"}]
    return document


def text_of(document: Mapping[str, Any], format: str = "yaml") -> str:
    """A document as text, `yaml` or `json`."""
    if format == "json":
        return json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    import yaml

    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=100)


def _check_pass(runs: Sequence[Run]) -> None:
    if not runs:
        raise SettingError("no run given; name one, or those of one pass")
    if len(runs) == 1:
        return
    passes = {(run.pass_id, run.media["media_id"]) for run in runs}
    if len(passes) > 1 or runs[0].pass_id is None:
        raise SettingError(
            f"the runs {', '.join(run.run_id for run in runs)} are not of one pass over a clip; "
            "export each by itself"
        )
    names = [run.analysis for run in runs]
    if len(set(names)) < len(names):
        raise SettingError("a run was given twice; name each once")


def _rules(runs: Sequence[Run], rule: Any) -> list[Rule]:
    if rule is None:
        return [run.default_rule for run in runs]
    if isinstance(rule, Rule):
        return [rule] * len(runs)
    if isinstance(rule, Mapping):
        return [rule.get(run.analysis, run.default_rule) for run in runs]
    if len(rule) != len(runs):
        raise SettingError(f"expected a rule for each of {len(runs)} runs, got {len(rule)}")
    return list(rule)


def _analysis(run: Run, rule: Rule) -> dict[str, Any]:
    recipe = run.recipe
    if recipe["detector"] not in detectors:
        raise SettingError(
            f"run {run.run_id}: detector {recipe['detector']!r} is not installed, so no document "
            "can reproduce it"
        )
    if recipe.get("unrecorded_settings"):
        names = ", ".join(recipe["unrecorded_settings"])
        raise SettingError(
            f"run {run.run_id}: its settings {names} are not JSON values, so no document can hold "
            "them"
        )
    settings = detector_settings(recipe, run.environment)
    detector = settings.pop("name")
    recorded = run.environment.get("detector_settings")
    if recorded and recorded.get("weights") is None:
        settings.pop("weights", None)  # the default ones, wherever they lie
    row: dict[str, Any] = {"name": run.analysis, "detector": detector}
    kept = {k: v for k, v in settings.items() if v is not None}
    if kept:
        row["settings"] = json.loads(json.dumps(kept))
    row["interval_s"] = recipe["every_s"]
    row |= {n: recipe[n] for n in ("frame_count", "frame_step") if n in recipe}
    if recipe.get("gate"):
        row["gate"] = _gate(recipe["gate"])
    row["rules"] = shorthand(rule)
    return row


def _gate(recipe: Mapping[str, Any]) -> str | dict[str, Any]:
    """By its kind alone where all else is as by default."""
    usual = gate_recipe(make_gate(recipe["kind"])) or {}
    differs = {k: v for k, v in recipe.items() if k == "kind" or v != usual.get(k)}
    return differs if len(differs) > 1 else str(recipe["kind"])
