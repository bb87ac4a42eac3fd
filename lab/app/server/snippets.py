"""The rule as text that reproduces its sightings outside the app: the route, and its texts."""

from __future__ import annotations

import shlex
from typing import Any

import yaml

from lab.app.cli.rule_options import rule_arguments
from lab.errors import LabError
from lab.jobs.document.export import document_of, text_of
from lab.rules.rule import Rule
from lab.runs.run import Run


def snippets_of(run: Run, rule: Rule) -> dict[str, Any]:
    """Every form of a rule on a run, for the player.

    job: None, with `job_problem` in words, for a run that cannot be written as a job.
    Raises SettingError for a rule that the run cannot answer.
    """
    rule.check_floor(float(run.recipe["score_floor"]))
    rule.wanted(run.labels)
    job, problem = None, None
    try:
        job = text_of(document_of(run, rule))
    except LabError as error:
        problem = f"This run cannot be written as a job: {error}"
    return {
        "python": as_python(run, rule),
        "yaml": as_yaml(rule),
        "command": as_command(run, rule),
        "job": job,
        "job_problem": problem,
    }


def as_python(run: Run, rule: Rule) -> str:
    """Lines for a notebook; a rule for all labels and boxes is written as a Debounce."""
    if rule == Rule.coerce(rule.default.debounce):
        settings = rule.default.debounce.to_dict()
        made = f"lab.Debounce({', '.join(f'{k}={v!r}' for k, v in settings.items())})"
    else:
        made = f"lab.Rule.from_dict({rule.to_dict()!r})"
    return (
        "import lab\n\n"
        f"run = lab.open_store({str(run.store.folder)!r}).run({run.run_id!r})\n"
        f"run.sightings({made})"
    )


def as_yaml(rule: Rule) -> str:
    """A file for `--rule`, and for `lab.Rule.from_dict`."""
    return str(yaml.safe_dump(rule.to_dict(), sort_keys=False, allow_unicode=True))


def as_command(run: Run, rule: Rule) -> str:
    """A line for the shell; a rule that options cannot express is written to a file first."""
    base = ["lab", "sightings", run.run_id, "--store", str(run.store.folder)]
    words = rule_arguments(rule, run.default_rule)
    if words is not None:
        return shlex.join([*base, *words])
    line = shlex.join([*base, "--rule", "rule.yaml"])
    return f"cat > rule.yaml <<'RULE'\n{as_yaml(rule)}RULE\n{line}"
