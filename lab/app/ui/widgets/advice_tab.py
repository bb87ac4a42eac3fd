"""The step “Better rule”: the search, the best rule under a goal, and what scores mean."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.notes import sentence
from lab.app.ui.widgets.progress import is_done
from lab.app.ui.widgets.reasons import show_reasons
from lab.app.ui.widgets.selection import Selection
from lab.app.ui.widgets.steps import NEXT, go_on_button
from lab.app.ui.widgets.sweep_tab import load_button, search, show_charts, sweep_id
from lab.counted import counted
from lab.errors import SettingError
from lab.formats.markdown import plain
from lab.rules.rule import Rule
from lab.rules.wording import rule_in_words, score_in_words
from lab.tuning.calibration import calibrate
from lab.tuning.choice import Goal
from lab.tuning.footage import footage_of
from lab.tuning.in_use import NAMES
from lab.tuning.recommend import Recommendation, recommend
from lab.tuning.sweep import Sweep

_GOALS = {"f1": "Highest F1", "recall": "Recall of at least …", "false": "At most … false an hour"}
_NAMES = {
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "false_per_hour": "False an hour",
}


def show_better_rule(app_state: AppState, picked: Selection) -> None:
    """The search, the rule that it advises, all that was tried, and what a score means."""
    if not picked.has_coverage:
        st.info(
            f"A search needs clips that were watched for “{plain(picked.label)}”: rules are "
            "measured there. In Review, V says that the whole clip was watched."
        )
        st.page_link("pages/review.py", label="Watch a clip in Review", icon=":material/movie:")
        return
    swept = search(app_state, picked)
    if swept is not None:
        _advice(app_state, picked, swept)
        tried = st.expander(
            f"All {len(swept):,} rules that were tried", key="tried", on_change="rerun"
        )
        if tried.open:
            with tried:
                show_charts(picked, swept)
    meaning = st.expander(
        "What a score means: the chance that it is there", key="calibration", on_change="rerun"
    )
    if meaning.open:
        with meaning:
            _calibration(picked)
    if swept is not None:
        go_on_button(NEXT, "What to annotate next?")


def recommendation(app_state: AppState, picked: Selection, swept: Sweep) -> Recommendation | None:
    """Controls of the goal, and what is advised under it; None while that is being computed."""
    goal = _goal()
    doing = app_state.computations.get(
        ("advice", sweep_id(app_state, picked), picked.key, goal),
        "Choosing a rule",
        lambda _: recommend(_with_footage(picked, swept), goal),
    )
    if not is_done(doing):
        return None
    found: Recommendation = doing.result
    return found


def _goal() -> Goal:
    first, second, third = st.columns([2, 1, 1])
    kind = first.radio(
        "Goal",
        list(_GOALS),
        format_func=_GOALS.__getitem__,
        horizontal=True,
        key="keep_goal",
        persist_state="session",
    )
    least_recall = second.number_input(
        "Recall",
        0.05,
        1.0,
        0.9,
        0.05,
        disabled=kind != "recall",
        key="keep_recall",
        persist_state="session",
    )
    most_false_per_hour = third.number_input(
        "False an hour",
        0.0,
        1000.0,
        1.0,
        disabled=kind != "false",
        key="keep_false",
        persist_state="session",
    )
    return Goal(
        kind=kind,  # type: ignore[arg-type]
        least_recall=least_recall,
        most_false_per_hour=most_false_per_hour,
    )


def _advice(app_state: AppState, picked: Selection, swept: Sweep) -> None:
    """The recommended rule, its figures, and notes on how far to trust them."""
    found = recommendation(app_state, picked, swept)
    if found is None:
        return
    _verdict(picked, found)
    left, right = st.columns([3, 2])
    with left:
        _plateau(found)
    with right:
        _figures(found)
    for note in found.notes:
        st.warning(plain(sentence(note)))
    _load(picked, swept, found)
    _sites(found)


def _verdict(picked: Selection, found: Recommendation) -> None:
    """The advice as a sentence, and the rule that it is about."""
    verdict = plain(sentence(found.verdict))
    if found.is_kept:
        st.success(f"{verdict} Keep it.", icon=":material/check:")
        st.markdown(f"Your rule: {plain(rule_in_words(found.rule.default))}.")
        return
    st.info(verdict, icon=":material/lightbulb:")
    before = picked.rule.of(picked.label)
    changes = rule_in_words(found.rule.default, before)
    st.markdown(f"Change your rule: **{plain(changes)}**.")
    st.caption(f"Now it is: {plain(rule_in_words(before))}.")


def _figures(found: Recommendation) -> None:
    """Figures of the advised rule, with those on footage that it was not chosen on."""
    row = found.to_dict()
    held_out = row["held_out"]
    columns = {f"held out, by {found.folds.by}": held_out} if held_out else {}
    if found.is_kept:
        columns = {"your rule": row["fitted"], "the best found": row["found"]["fitted"]}
    else:
        columns["on the clips it was chosen on"] = row["fitted"]
    st.dataframe(
        [
            {"figure": title, **{k: _value(v, name) for k, v in columns.items()}}
            for name, title in _NAMES.items()
        ],
        hide_index=True,
        placeholder="",
    )
    show_reasons(figures["refused"] for figures in columns.values())
    if held_out and not found.is_kept:
        say_held_out(found)


def say_held_out(found: Recommendation) -> None:
    """What held-out figures are."""
    st.caption(
        f"Held out: for each of {len(found.folds.names)} {plain(found.folds.by)}s the rule was "
        "chosen without it, and counted on it. Expect these figures on new footage."
    )


def _load(picked: Selection, swept: Sweep, found: Recommendation) -> None:
    """The rule goes to Review, with how it was chosen."""
    row = found.to_dict()
    split = {k: row[k] for k in ("goal", "held_out_by", "groups", "seed", "held_out", "label")}
    folds = {n: int(f) for n, f in zip(swept.names, found.folds.fold, strict=True)}
    if found.is_kept:
        st.caption(f"The best found: {plain(rule_in_words(found.found.rule.default))}.")
    load_button(
        picked,
        found.found.rule,
        "Load the best found in Review" if found.is_kept else "Load the recommended rule in Review",
        "load_recommended",
        {**split, "folds": folds},
        is_advised=not found.is_kept,
    )


def _sites(found: Recommendation) -> None:
    """Sites that do better with a threshold of their own."""
    if found.sites:
        st.subheader("Sites with their own threshold")
        st.dataframe(
            pd.DataFrame(
                [
                    {
                        "site": s["site"],
                        "enter at": score_in_words(
                            Rule.from_dict(s["rule"]).default.debounce.enter_threshold
                        ),
                        "gain in F1, held out": _gain(s["f1_gain"], s["f1_gain_interval"]),
                    }
                    for s in found.sites
                ]
            ),
            hide_index=True,
            placeholder="",
        )
    elif found.folds.by == "site":
        st.caption("No site has better held-out figures with its own threshold.")


def _with_footage(picked: Selection, swept: Sweep) -> Sweep:
    footage = footage_of(picked.covered, picked.truth, picked.label)
    return swept.over(footage, picked.rule.of(picked.label))


def _plateau(found: Recommendation) -> None:
    """F1 at every threshold, the other settings kept, and where it does as well."""
    advised = found.advised
    if advised.curve is None or advised.plateau is None:
        return
    curve, plateau = advised.curve.thinned(2000), advised.plateau
    figure = {"recall": "false_per_hour", "false": "recall"}.get(found.goal.kind, "f1")
    # From one score that occurs to the next the counts are those of the higher one.
    chart = go.Figure(
        go.Scatter(
            x=curve.thresholds,
            y=getattr(curve, figure),
            mode="lines",
            line={"shape": "hv"},
            hovertemplate="%{y:.3f} up to %{x:.3f}<extra></extra>",
        )
    )
    chart.add_vrect(
        x0=plateau.above,
        x1=plateau.up_to,
        fillcolor="#7aa6d8",
        opacity=0.25,
        line_width=0,
        annotation_text=plateau.text(),
        annotation_position="top left",
        annotation_yanchor="bottom",  # above the plot, where no line runs
    )
    own = advised.rule.default.debounce.enter_threshold
    chart.add_vline(x=own, line_dash="dot")
    chart.update_layout(
        xaxis_title="Enter at",
        yaxis_title=NAMES[figure],
        xaxis_range=[0, 1],
        height=240,
        margin={"l": 50, "r": 10, "t": 30, "b": 40},
    )
    st.plotly_chart(chart, key="plateau")
    st.caption(
        f"{plain(NAMES[figure][:1].upper() + NAMES[figure][1:])} at every score that occurs, the "
        f"other settings kept: {plain(plateau.text())}. Dotted: the rule, which enters at "
        f"{plain(score_in_words(own))}. The middle, {plain(score_in_words(plateau.middle))}, is "
        "farthest from both ends."
    )


def _gain(value: float, limits: tuple[float, float]) -> str:
    return f"{value:+.3f} [{limits[0]:+.3f}, {limits[1]:+.3f}]"


def _value(row: dict[str, Any], name: str) -> str:
    value, limits = row.get(name), row.get(f"{name}_interval")
    if value is None:
        return "not available"
    return f"{value:.3f}" + (f"  [{limits[0]:.3f}, {limits[1]:.3f}]" if limits else "")


def _calibration(picked: Selection) -> None:
    """The probability that the label is present, by score."""
    st.caption(
        "Calibration: a curve through what was watched says how likely the label is there at each "
        "score. Points: what was observed, with 95 % intervals."
    )
    try:
        made = calibrate(footage_of(picked.covered, picked.truth, picked.label), picked.label)
    except SettingError as error:
        st.info(plain(sentence(str(error))))
        return
    if made.warning:
        st.warning(plain(made.warning))
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
        yaxis_title="probability that it is present",
        height=300,
        margin={"l": 50, "r": 10, "t": 10, "b": 40},
    )
    left.plotly_chart(chart)
    right.dataframe(
        pd.DataFrame(
            [
                {"probability": p, "from score": "never" if t is None else score_in_words(t)}
                for p, t in made.thresholds.items()
            ]
        ),
        hide_index=True,
        placeholder="",
    )
    right.caption(
        f"Logistic fit over {counted(made.samples, 'sample')} with a score in "
        f"{counted(made.clips, 'clip')}; "
        f"the label is present in {made.positives:d} of them."
    )
