"""What charts leave out, in words: a reader must not take it for nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lab.charts.runs import Runs
from lab.counted import counted

_NAMED = 5


def notes_of(
    *,
    undecided: int,
    without_log: int,
    repeated: int,
    others: Sequence[str],
    twice: Sequence[str],
    rules: bool,
    false: int,
) -> tuple[str, ...]:
    """undecided: runs to which no rule was applied. without_log: those to which it cannot be, for
    their score logs were removed. repeated: sightings of runs that were repeated.
    others: labels that are not shown. twice: labels that several analyses of one clip searched for.
    rules: whether sightings of several rules count. false: sightings that were judged so.
    """
    notes = []
    if undecided:
        notes.append(
            f"{counted(undecided, 'analysis', 'analyses')} without sightings left out, to which "
            "no rule was applied, so that it is not known whether nothing was there; see: lab apply"
        )
    if without_log:
        notes.append(
            f"{counted(without_log, 'analysis', 'analyses')} left out, whose score logs were "
            "removed before this rule was applied, so that it is not known what it finds there; "
            "make the logs again (lab analyze --resume RUN) and apply the rule, or choose under "
            "Rules the one that was applied to them"
        )
    if false:
        notes.append(f"{counted(false, 'sighting')} left out, judged to be false")
    if repeated:
        notes.append(
            f"{counted(repeated, 'sighting')} left out, of clips that were analysed again in the "
            "same way since"
        )
    if others:
        more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
        notes.append(
            f"{counted(len(others), 'label')} left out that were seen less often: "
            f"{', '.join(others[:_NAMED])}{more}; choose labels to see them"
        )
    if twice:
        notes.append(
            f"some clips were searched for {', '.join(twice[:_NAMED])} by several analyses: hours "
            "and sightings of each count"
        )
    if rules:
        notes.append("sightings of several rules count, one presence once for each; choose a rule")
    return tuple(notes)


def placed_notes_of(runs: Runs, run: np.ndarray, *, uneven: int) -> tuple[str, ...]:
    """run: of each sighting. uneven: runs whose gaps are spread evenly."""
    notes = []
    lacking = ~runs.is_placed
    if lacking.any():
        clips = len(np.unique(runs.clip[lacking]))
        notes.append(
            f"{counted(clips, 'clip')} without a known start left out, with "
            f"{counted(int(lacking[run].sum()), 'sighting')}; see: lab starts"
        )
    unknown = runs.is_placed & ~runs.has_clock
    if unknown.any():
        notes.append(
            f"times of {counted(len(np.unique(runs.clip[unknown])), 'clip')} are in UTC, for the "
            "clock of their place is not known; put them into a deployment"
        )
    if uneven:
        notes.append(
            f"in {counted(uneven, 'long analysis', 'long analyses')} with gaps these are spread "
            "evenly"
        )
    return tuple(notes)
