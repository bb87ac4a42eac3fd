"""How many samples a run's gate skipped, and its cost in recall on annotated clips."""

from __future__ import annotations

import streamlit as st

from lab.app.server.state import AppState
from lab.errors import LabError
from lab.evaluation.gate_report import gate_report
from lab.formats.markdown import plain
from lab.rules.rule import Rule
from lab.runs.run import Run


def gate_line(app_state: AppState, run: Run, rule: Rule) -> None:
    """One line below the player, for runs with a gate."""
    if not run.recipe.get("gate"):
        return
    try:
        report = gate_report(run, app_state.truth.truth_of(run.media["media_id"]), rule)
    except LabError as error:
        st.caption(f"The gate: {plain(error)}")
        return
    text = (
        f"The gate skipped **{report.gated:d} of {report.samples:d} samples** ({report.saved:.0%})."
    )
    for label, row in report.labels.items():
        if row["recall"] is None:
            continue
        text += (
            f" {plain(label)}: {row['hidden']:d} of {row['annotations']:d} annotated presences "
            f"were never analysed; recall {row['recall']:.2f}"
        )
        whole = row["recall_without_gate"]
        text += "." if whole is None else f", without the gate {whole:.2f}."
    if not report.labels:
        text += " Annotate the clip to see its cost in recall."
    st.caption(text)
