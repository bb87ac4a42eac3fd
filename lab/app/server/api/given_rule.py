"""A rule as the API takes it: its settings, or the name of a saved one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from lab.app.server.state import AppState
from lab.errors import SettingError, closest
from lab.rules.rule import Rule

GivenRule = Annotated[
    str | dict[str, Any],
    Field(
        description="As a file of a rule has it: `default`, `labels`, `only`; a threshold that it "
        "does not give is the default of the run or the detector. Or the name of a saved rule."
    ),
]


def rule_given(
    here: AppState, given: str | dict[str, Any], threshold: float
) -> tuple[Rule, str | None]:
    """The rule, and its name if it is a saved one.

    threshold: where the settings give none. Raises SettingError.
    """
    if isinstance(given, dict):
        return Rule.from_dict(given, threshold), None
    saved = {row["name"]: row["rule"] for row in here.store.rule_rows()}
    if given not in saved:
        raise SettingError(f"no rule {given!r:.80} is saved; {closest(given, list(saved))}")
    return Rule.from_dict(saved[given]), given
