"""Figures as tables: by label, and by clip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import streamlit as st

from lab.app.ui.widgets.notes import sentence
from lab.evaluation.evaluate import Evaluation
from lab.evaluation.figures import Figures
from lab.formats.markdown import plain

MANY = 500  # clips, or rows of a table
_HOW_COUNTED = (
    "A sighting that overlaps an annotation enough has found it (found); one that does not is "
    "false; an annotation that no sighting overlaps enough is missed. In brackets: the 95 % "
    "interval, within which chance may have moved the figure."
)
_MEANS = {"precision": "precision", "recall": "recall", "F1": "f1", "F1 .5:.95": "f1_mean"}
_HELP = {
    name: st.column_config.TextColumn(help=text)
    for name, text in {
        "F1": "Precision and recall as one figure, their harmonic mean.",
        "F1 .5:.95": "The mean of F1 where more and more overlap (tIoU .5, .55, … .95) is needed.",
        "false an hour": "False sightings in an hour of watched footage.",
        "any overlap P / R": "Precision and recall where any overlap is enough to match.",
        "clips P / R": "Precision and recall of whole clips: with the label, or without.",
        "1 s segments F1": "F1 of seconds: with the label, or without.",
        "onset error": "The median of how much later a sighting begins than its annotation.",
        "offset error": "The median of how much later a sighting ends than its annotation.",
        "delay": "The median time from the beginning of an annotation to its alert.",
        "below resolution": "Annotations shorter than the time between samples; not counted.",
        "watched": "What was watched for the label: the figures are of that.",
    }.items()
}


def show_details(found: Evaluation) -> None:
    """The tables, in an expander; nothing is drawn while it is closed."""
    panel = st.expander(
        "Details: all figures, by label and by clip", key="figure_details", on_change="rerun"
    )
    if not panel.open:
        return
    with panel:
        st.caption(_HOW_COUNTED)
        for note in found.notes:
            st.caption(plain(sentence(note)))
        st.dataframe(
            figure_table(found),
            hide_index=True,
            width="stretch",
            column_config=_HELP,
            placeholder="",
        )
        for text, labels in _refusals(found).items():
            st.caption(
                f"{plain(', '.join(labels[:8]))}"
                f"{f' and {len(labels) - 8} more' if len(labels) > 8 else ''}: {plain(text)}"
            )
        _by_clip(found)


def _by_clip(found: Evaluation) -> None:
    st.subheader("By clip")
    covered = [
        (media_id, label, figures)
        for media_id, by_label in found.clips.items()
        for label, figures in by_label.items()
        if figures.is_covered
    ]
    listed = covered
    if len(covered) > MANY:
        listed = sorted(covered, key=lambda row: -errors_of(row[2]))[:MANY]
        st.caption(
            f"{MANY} of {len(covered):,} rows: those with the most false and missed ones. "
            "`lab evaluate --json` has all."
        )
    rows = [
        {"clip": found.names[media_id], "label": label, **_short(figures)}
        for media_id, label, figures in listed
    ]
    if not rows:
        st.caption("No clip was watched for these labels.")
        return
    rates = {n: st.column_config.NumberColumn(format="%.2f") for n in ("precision", "recall", "F1")}
    st.dataframe(
        pd.DataFrame(rows), hide_index=True, width="stretch", column_config=rates, placeholder=""
    )


def errors_of(figures: Figures) -> int:
    return figures.counts.fp + figures.counts.fn


def _refusals(found: Evaluation) -> dict[str, list[str]]:
    """Reasons why figures are missing, each with its labels."""
    why: dict[str, list[str]] = {}
    for label, figures in found.labels.items():
        for text in sorted(set(figures.refused.values())):
            why.setdefault(text, []).append(label)
    return why


def figure_table(found: Evaluation) -> pd.DataFrame:
    """A row for each label, for all together and for their mean; everything as text."""
    named = [*found.labels.items(), ("all labels", found.overall)]
    rows = [_row(label, figures) for label, figures in named]
    if len(found.labels) > 1:
        means = {title: _plain(found.macro[name]) for title, name in _MEANS.items()}
        rows.append({"label": "mean of labels", **means})
    return pd.DataFrame(rows).fillna("")


def _row(label: str, figures: Figures) -> dict[str, str]:
    row = figures.to_dict()
    return {
        "label": label,
        "found": str(row["tp"]),
        "false": str(row["fp"]),
        "missed": str(row["fn"]),
        "precision": _rate(row, "precision"),
        "recall": _rate(row, "recall") if figures.is_covered else "0 % watched",
        "F1": _rate(row, "f1"),
        "F1 .5:.95": _rate(row, "f1_mean"),
        "false an hour": _rate(row, "false_per_hour", 1),
        "any overlap P / R": _precision_recall(row["overlap"]),
        "clips P / R": _precision_recall(row["clips"]),
        "1 s segments F1": _plain(row["segments"]["f1"]),
        "onset error": _median(row["onset_error"]),
        "offset error": _median(row["offset_error"]),
        "delay": _median(row["delay"]),
        "below resolution": str(row["below_resolution"]),
        "watched": f"{row['covered_s']:.0f} s",
    }


def _rate(row: Mapping[str, Any], name: str, digits: int = 2) -> str:
    value, limits = row[name], row.get(f"{name}_interval")
    if value is None:
        return "–"
    interval = f" [{limits[0]:.{digits}f}, {limits[1]:.{digits}f}]" if limits else ""
    return f"{value:.{digits}f}{interval}"


def _short(figures: Any) -> dict[str, Any]:
    c = figures.counts
    return {
        "found": c.tp,
        "false": c.fp,
        "missed": c.fn,
        "precision": figures.precision,
        "recall": figures.recall,
        "F1": figures.f1,
        "watched, s": figures.covered_s,
    }


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _precision_recall(row: dict[str, Any]) -> str:
    return f"{_plain(row['precision'])} / {_plain(row['recall'])}"


def _median(errors: dict[str, Any]) -> str:
    return "–" if not errors["n"] else f"{errors['median_s']:+.2f} s"
