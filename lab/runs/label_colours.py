"""Which of a run's labels has which colour, the same while it goes on and when it is over.

The player (`components/player/label_colours.js`) does the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.runs.run import Run

COLOURS = 8


def clear_labels(run: Run) -> tuple[str, ...] | None:
    """Labels in the order in which they were first seen clearly, which a run that goes on only adds
    to; None for a run of few labels, or of prompts: there all have the order of the log.
    """
    named = run.recipe["labels"]
    if 0 < len(named) <= COLOURS or "prompt_mode" in run.recipe:
        return None
    return run.log.clear_labels


def colour_numbers(run: Run) -> dict[str, int]:
    """The position of each label's colour among `COLOURS`. One of many labels that was never seen
    clearly has one by its name, which may be that of another.
    """
    clear = clear_labels(run)
    if clear is None:
        return {label: i % COLOURS for i, label in enumerate(run.log.labels)}
    by_name = {label: sum(map(ord, label)) % COLOURS for label in run.log.labels}
    return by_name | {label: i % COLOURS for i, label in enumerate(clear)}
