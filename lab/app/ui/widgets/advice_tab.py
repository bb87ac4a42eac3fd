"""The Advice tab: the best rule under a goal, and what scores mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.selection import Selection
from lab.app.ui.widgets.sweep_tab import current_sweep, load_button
from lab.errors import SettingError
from lab.rules.rule import Rule
from lab.tuning.calibration import calibrate
from lab.tuning.choice import Goal
from lab.tuning.footage import footage_of
from lab.tuning.recommend import recommend
from lab.tuning.sweep import Sweep

_GOALS = {"f1": "Highest F1", "recall": "Recall of at least …", "false": "At most … false an hour"}


def show_advice(app_state: AppState, picked: Selection) -> None:
    """A rule with held-out figures, and what a score means."""
    swept = current_sweep(app_state, picked)
    if swept is None:
        st.info("Advice is drawn from a sweep: start one on the tab “Sweep”.")
    else:
        _advice(picked, swept)
    _calibration(picked)


def _advice(picked: Selection, swept: Sweep) -> None:
    """A rule, its held-out figures, and honest lines about them."""
    first, second, third = st.columns([2, 1, 1])
    kind = first.radio(
        "Goal",
        list(_GOALS),
        format_func=_GOALS.__getitem__,
        horizontal=True,
        key="keep_goal",
        persist_state="session",
    )
    least = second.number_input(
        "Recall",
        0.05,
        1.0,
        0.9,
        0.05,
        disabled=kind != "recall",
        key="keep_recall",
        persist_state="session",
    )
    most = third.number_input(
        "False an hour",
        0.0,
        1000.0,
        1.0,
        disabled=kind != "false",
        key="keep_false",
        persist_state="session",
    )
    goal = Goal(kind=kind, least_recall=least, most_false_per_hour=most)  # type: ignore[arg-type]
    found = recommend(swept, goal)
    row = found.to_dict()
    d = found.rule.default.debounce
    st.markdown(
        f"**Enter at {d.enter_threshold:.3f}** after {d.enter_frames} samples, exit below {d.exit_threshold:.3f} after "
        f"{d.exit_frames}, merge gap {d.merge_gap_s:g} s, at least {d.min_duration_s:g} s."
    )
    held = row["held_out"]
    for note in found.notes:
        st.warning(note)
    shown = {f"held out, by {found.folds.by}": held} if held else {}
    shown["on the clips it was chosen on"] = row["fitted"]
    names = ("precision", "recall", "f1", "false_per_hour")
    st.dataframe(
        [
            {"figure": n.replace("_", " "), **{k: _value(v, n) for k, v in shown.items()}}
            for n in names
        ],
        hide_index=True,
    )
    if held:
        st.caption(
            f"Held out: for each of {len(found.folds.names)} {found.folds.by}s the rule was chosen without it. "
            "These are the figures to expect elsewhere; intervals resample whole groups."
        )
    split = {k: row[k] for k in ("goal", "held_out_by", "groups", "seed", "held_out", "label")}
    folds = {n: int(f) for n, f in zip(swept.names, found.folds.fold, strict=True)}
    load_button(
        picked,
        found.rule,
        "Load the recommended rule on Tune",
        "load_recommended",
        {**split, "folds": folds},
    )
    if found.sites:
        st.subheader("Sites with a threshold of their own")
        st.dataframe(
            pd.DataFrame(
                [
                    {
                        "site": s["site"],
                        "enter at": Rule.from_dict(s["rule"]).default.debounce.enter_threshold,
                        "gain in F1, held out": f"{s['f1_gain']:+.3f} [{s['f1_gain_interval'][0]:+.3f}, {s['f1_gain_interval'][1]:+.3f}]",
                    }
                    for s in found.sites
                ]
            ),
            hide_index=True,
        )
    elif found.folds.by == "site":
        st.caption("No site does better, held out, with a threshold of its own.")


def _value(row: dict[str, Any], name: str) -> str:
    value, limits = row.get(name), row.get(f"{name}_interval")
    if value is None:
        return "cannot be said"
    return f"{value:.3f}" + (f"  [{limits[0]:.3f}, {limits[1]:.3f}]" if limits else "")


def _calibration(picked: Selection) -> None:
    """The probability that the label is there, by score."""
    if not picked.covered:
        return
    st.subheader("What a score means")
    try:
        made = calibrate(footage_of(picked.covered, picked.truth, picked.label), picked.label)
    except SettingError as error:
        st.info(str(error))
        return
    if made.warning:
        st.warning(made.warning)
    left, right = st.columns([2, 1])
    x = np.linspace(0.005, 0.995, 199)
    chart = go.Figure(go.Scatter(x=x, y=made.probability(x), mode="lines", name="fit"))
    chart.add_trace(
        go.Scatter(
            x=[(b["from"] + b["to"]) / 2 for b in made.bins],
            y=[b["share"] for b in made.bins],
            mode="markers",
            name="observed",
            error_y={
                "type": "data",
                "array": [b["high"] - b["share"] for b in made.bins],
                "arrayminus": [b["share"] - b["low"] for b in made.bins],
            },
        )
    )
    chart.update_layout(
        xaxis_title="score",
        yaxis_title="probability that it is there",
        height=300,
        margin={"l": 50, "r": 10, "t": 10, "b": 40},
    )
    left.plotly_chart(chart)
    right.dataframe(
        pd.DataFrame(
            [
                {"probability": p, "from score": "never" if t is None else f"{t:.3f}"}
                for p, t in made.thresholds.items()
            ]
        ),
        hide_index=True,
    )
    right.caption(
        f"Logistic, over {made.samples} samples with a score in {made.clips} clip(s), {made.positives} of them with it."
    )
