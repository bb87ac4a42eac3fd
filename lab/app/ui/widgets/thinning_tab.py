"""“Fewer samples”: what sampling less often would have cost."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.progress import is_done
from lab.app.ui.widgets.reasons import show_reasons
from lab.app.ui.widgets.selection import Selection
from lab.formats.markdown import plain
from lab.tuning.thinning import thin


def show_thinning(app_state: AppState, picked: Selection) -> None:
    """A dense run subsampled to 0.5, 1, 2 and 5 s at all phase offsets."""
    if not picked.has_coverage:
        st.info(f"This needs clips that were watched for “{plain(picked.label)}”.")
        return
    doing = app_state.computations.get(
        ("thinning", picked.key),
        "Subsampling at all phase offsets",
        lambda _: thin(picked.covered, picked.truth, picked.rule, label=picked.label),
    )
    if not is_done(doing):
        return
    rows = doing.result
    _chart(rows)
    frame = pd.DataFrame(rows)
    st.dataframe(
        frame[
            [
                "interval_s",
                "phases",
                "recall",
                "recall_low",
                "recall_high",
                "precision",
                "delay_s",
                "duration_bias_s",
                "computing",
                "elapsed_s",
            ]
        ],
        hide_index=True,
        width="stretch",
        column_config={
            "interval_s": "Every, s",
            "phases": "Phases",
            "recall": st.column_config.NumberColumn("Recall", format="%.3f"),
            "recall_low": st.column_config.NumberColumn("worst phase", format="%.3f"),
            "recall_high": st.column_config.NumberColumn("best phase", format="%.3f"),
            "precision": st.column_config.NumberColumn("Precision", format="%.3f"),
            "delay_s": st.column_config.NumberColumn("Delay, s", format="%.2f"),
            "duration_bias_s": st.column_config.NumberColumn("Duration bias, s", format="%+.2f"),
            "computing": st.column_config.NumberColumn("Computing", format="%.2f"),
            "elapsed_s": st.column_config.NumberColumn("Took, s (at this share)", format="%.1f"),
        },
        placeholder="",
    )
    show_reasons(row["refused"] for row in rows)
    st.caption(
        "The rule's counts of samples are converted to the same seconds. "
        "Bars: the worst and the best phase offset."
    )


def _chart(rows: list[dict[str, Any]]) -> None:
    """Recall and precision by interval, with the range over phase offsets; what it costs."""
    frame = pd.DataFrame(rows)
    chart = go.Figure()
    for name in ("recall", "precision"):
        chart.add_trace(
            go.Scatter(
                x=frame["interval_s"],
                y=frame[name],
                name=name,
                mode="lines+markers",
                error_y={
                    "type": "data",
                    "symmetric": False,
                    "array": frame[f"{name}_high"] - frame[name],
                    "arrayminus": frame[name] - frame[f"{name}_low"],
                },
            )
        )
    chart.add_trace(
        go.Scatter(
            x=frame["interval_s"],
            y=frame["computing"],
            name="computing",
            mode="lines",
            line={"dash": "dot"},
        )
    )
    chart.update_layout(
        xaxis_title="seconds between samples",
        xaxis={
            "type": "log",
            "tickvals": frame["interval_s"],
            "ticktext": [f"{v:g}" for v in frame["interval_s"]],
        },
        yaxis_range=[0, 1.05],
        height=320,
        margin={"l": 50, "r": 10, "t": 10, "b": 40},
        legend={"orientation": "h", "y": 1.15},
    )
    st.plotly_chart(chart)
