"""The step “How good?”: three figures of each label that was asked about, then the details."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from lab.app.server.computations import Report
from lab.app.server.state import AppState
from lab.app.ui.shared import clock
from lab.app.ui.widgets.annotation_files import annotation_files
from lab.app.ui.widgets.big_figures import FIGURES, figures_row, show_figures
from lab.app.ui.widgets.figure_tables import show_details
from lab.app.ui.widgets.moments import show_moments
from lab.app.ui.widgets.progress import is_done
from lab.app.ui.widgets.selection import Selection
from lab.app.ui.widgets.steps import BETTER, go_on_button
from lab.counted import counted
from lab.errors import SettingError
from lab.evaluation.evaluate import Evaluation, evaluate
from lab.evaluation.figures import Figures
from lab.formats.markdown import plain
from lab.rules.wording import rule_in_words

_MOST_LABELS = 3  # with large figures; the table has all


@dataclass(frozen=True)
class Measured:
    """Figures, and how long the clips are in which they were counted."""

    found: Evaluation
    length_s: float


def show_how_good(app_state: AppState, picked: Selection) -> None:
    """Large figures, what went otherwise, and tables."""
    doing = app_state.computations.get(
        ("figures", picked.key),
        "Comparing sightings with annotations",
        lambda report: _measure(picked, report),
    )
    if not is_done(doing):
        return
    measured: Measured = doing.result
    found = measured.found
    st.caption(
        f"Rule “{plain(picked.rule_name)}”: {plain(rule_in_words(picked.rule.of(picked.label)))}."
    )
    shown = _first_labels(picked, found)
    for label in shown:
        _of_label(label, found.labels[label], measured.length_s)
    if len(found.labels) > len(shown):
        st.caption(f"Under Details: {counted(len(found.labels) - len(shown), 'more label')}.")
    if any(figures.is_covered for figures in found.labels.values()):
        go_on_button(BETTER, "Is there a better rule?")
        show_moments(picked, found)
    show_details(found)
    annotation_files(app_state)


def _measure(picked: Selection, report: Report) -> Measured:
    """Raises SettingError if the rule looks for no label that was asked about."""
    looked_for = picked.rule.wanted(picked.first.labels)
    labels = [
        label for label in dict.fromkeys((picked.label, *picked.asked)) if label in looked_for
    ]
    if not labels:
        raise SettingError(
            f"the rule looks for {', '.join(looked_for) or 'nothing'}, not for {picked.label!r}; "
            "choose another rule"
        )
    found = evaluate(
        picked.runs, picked.truth, picked.rule, labels=labels, tiou=picked.tiou, progress=report
    )
    length_us = sum(run.media["end_us"] - run.media["first_pts_us"] for run in picked.runs)
    return Measured(found, length_us / 1e6)


def _first_labels(picked: Selection, found: Evaluation) -> list[str]:
    """The chosen label, then others that were watched."""
    others = [x for x in picked.asked if x in found.labels and found.labels[x].is_covered]
    chosen = [picked.label] if picked.label in found.labels else []
    return list(dict.fromkeys([*chosen, *others]))[:_MOST_LABELS] or list(found.labels)[:1]


def _of_label(label: str, figures: Figures, length_s: float) -> None:
    st.subheader(plain(label), anchor=False)
    watched = _share_watched(figures, length_s)
    show_figures(figures_row(figures), _missing(figures, watched))
    if figures.is_covered:
        st.caption(plain(_counted(figures, watched, length_s)))
    for text, names in _reasons(figures).items():
        if figures.is_covered:
            st.caption(f"No {plain(', '.join(names))}: {plain(text)}.")
    if not figures.is_covered:
        _how_to_watch(label, figures)


def _share_watched(figures: Figures, length_s: float) -> str:
    share = min(1.0, figures.covered_s / length_s) if length_s > 0 else 0.0
    text = f"{100 * share:.0f}" if not 0 < share < 0.01 else "under 1"
    return f"{text} % watched"


def _missing(figures: Figures, watched: str) -> dict[str, str]:
    """In place of a figure that nobody can know: how much was watched."""
    return {} if figures.is_covered else {"recall": watched, "f1": "–"}


def _counted(figures: Figures, watched: str, length_s: float) -> str:
    c = figures.counts
    return (
        f"{c.tp:,} found, {c.fp:,} false, {c.fn:,} missed. {watched}: "
        f"{clock(figures.covered_s)} of {clock(length_s)}. Figures are of what was watched."
    )


def _reasons(figures: Figures) -> dict[str, list[str]]:
    """Why a large figure is missing: reason to the figures."""
    why: dict[str, list[str]] = {}
    for name, reason in figures.refused.items():
        if name in FIGURES:
            why.setdefault(reason, []).append(FIGURES[name][0])
    return why


def _how_to_watch(label: str, figures: Figures) -> None:
    if figures.is_only_queue:
        st.info(plain(figures.refused["recall"]))
    else:
        st.info(
            f"Nobody has watched these clips for “{plain(label)}”, so nobody knows what was "
            "missed or false: recall and F1 wait for that, and precision for sightings that "
            "somebody judged. In Review, M marks where it begins and ends, and V says that the "
            "whole clip was watched."
        )
    st.page_link("pages/review.py", label="Watch a clip in Review", icon=":material/movie:")
