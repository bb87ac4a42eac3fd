"""Three large figures with their intervals, each with what it means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from lab.evaluation.figures import Figures
from lab.formats.markdown import plain

_INTERVAL = (
    "Below it the 95 % interval: how far chance alone may have moved the figure, for few "
    "annotations say little."
)
FIGURES = {
    "precision": ("Precision", "Of what the rule found, the share that was really there."),
    "recall": ("Recall", "Of what was really there, the share that the rule found."),
    "f1": (
        "F1",
        "Precision and recall as one figure, their harmonic mean: 1 is without a mistake.",
    ),
}


def show_figures(row: Mapping[str, Any], missing: Mapping[str, str]) -> None:
    """Precision, recall and F1 beside each other.

    row: each figure, or None, and its `..._interval`. missing: what stands in place of a figure
    that is None, a dash unless given.
    """
    for place, (name, (title, meaning)) in zip(st.columns(3), FIGURES.items(), strict=True):
        value, limits = row.get(name), row.get(f"{name}_interval")
        is_known = value is not None
        text = f"{value:.2f}" if value is not None else missing.get(name, "–")
        interval = interval_text(limits) if is_known else None
        place.metric(
            plain(title),
            plain(text),
            plain(interval) if interval else None,
            delta_color="off",
            delta_arrow="off",
            delta_description="95 % interval" if interval else None,
            help=plain(f"{meaning} {_INTERVAL}"),
            border=True,
        )


def interval_text(limits: tuple[float, float] | list[float] | None, digits: int = 2) -> str | None:
    """Both ends of an interval, such as `0.54 to 1.00`."""
    return f"{limits[0]:.{digits}f} to {limits[1]:.{digits}f}" if limits else None


def figures_row(figures: Figures) -> dict[str, Any]:
    """The figures of `show_figures` with their intervals."""
    return {
        **{name: getattr(figures, name) for name in FIGURES},
        **{f"{name}_interval": getattr(figures, f"{name}_interval") for name in FIGURES},
    }
