"""The settings as text that gives the same sightings elsewhere."""

from __future__ import annotations

import shlex
from typing import Any

import yaml

from lab.rules.box_filter import BoxFilter
from lab.rules.rule import Debounce, Rule
from lab.runs.run import Run
from lab.store.store import Store


def _differs(settings: dict[str, Any], default: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in settings.items() if k not in default or default[k] != v}


def as_python(run: Run, rule: Rule) -> str:
    simple = not rule.labels and rule.only is None and rule.default.box_filter == BoxFilter()
    if simple:
        settings = _differs(rule.default.debounce.to_dict(), {})
        inside = ", ".join(f"{k}={v!r}" for k, v in settings.items())
        made = f"lab.Debounce({inside})"
    else:
        made = f"lab.Rule.from_dict({rule.to_dict()!r})"
    return (
        "import lab\n\n"
        f'run = lab.open_store({str(run.store.folder)!r}).run("{run.run_id}")\n'
        f"run.sightings({made})"
    )


def as_yaml(rule: Rule) -> str:
    return str(yaml.safe_dump(rule.to_dict(), sort_keys=False, allow_unicode=True))


def as_command(run: Run, rule: Rule, store: Store) -> str:
    """A line for the shell; a rule with zones or exceptions goes through a file."""
    base = ["lab", "sightings", run.run_id, "--store", str(store.folder)]
    simple = not rule.labels and rule.default.box_filter == BoxFilter()
    if not simple:
        text = as_yaml(rule)
        return f"cat > rule.yaml <<'RULE'\n{text}RULE\n{shlex.join([*base, '--rule', 'rule.yaml'])}"
    changes = rule.default.debounce.to_dict()
    same = Debounce(enter_threshold=run.default_rule.default.debounce.enter_threshold).to_dict()
    for name, value in _differs(changes, same).items():
        base += [f"--{name.replace('_', '-')}", str(value)]
    if rule.only is not None:
        base += ["--only", ",".join(rule.only)]
    return shlex.join(base)
