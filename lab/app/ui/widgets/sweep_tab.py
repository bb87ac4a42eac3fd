"""The search over a grid of rules, and all of them as charts with points to click."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import clock
from lab.app.ui.widgets.rule_state import go_to_moment
from lab.app.ui.widgets.selection import Selection
from lab.counted import counted
from lab.formats.markdown import plain
from lab.rules.rule import Rule, rule_parameters
from lab.rules.wording import rule_in_words, score_in_words
from lab.tuning.calibration import histogram
from lab.tuning.curve import threshold_curve
from lab.tuning.footage import footage_of
from lab.tuning.rule_grid import SETTINGS, RuleGrid, title_of
from lab.tuning.sweep import Sweep, load_sweep

_FIGURES = {
    "f1": "F1",
    "recall": "Recall",
    "precision": "Precision",
    "false_per_hour": "False an hour",
}
# The enter thresholds, taken from the scores, have a slider of their own.
_TYPED = tuple(name for name in SETTINGS if name != "enter_threshold")


@st.cache_resource(max_entries=4, show_spinner=False)
def _loaded(path: str, changed: int) -> Sweep:
    return load_sweep(Path(path))


def current_sweep(app_state: AppState, picked: Selection) -> Sweep | None:
    """The newest sweep of this choice and these annotations, if one is done."""
    job = _job(app_state, _key(picked))
    if job is None or job.state != "done" or job.result is None:
        return None
    path = Path(job.result["path"])
    return _loaded(str(path), path.stat().st_mtime_ns if path.exists() else 0)


def sweep_id(app_state: AppState, picked: Selection) -> str:
    """Another one for each sweep of this choice."""
    job = _job(app_state, _key(picked))
    return "" if job is None else str(job.job_id)


def search(app_state: AppState, picked: Selection) -> Sweep | None:
    """Controls and progress of the search over a grid of rules; what it found, once it is done."""
    grid = _grid()
    key = _key(picked)
    job = _job(app_state, key)
    left, right = st.columns([1, 3], vertical_alignment="center")
    is_clicked = left.button(
        "Search for a better rule" if job is None else "Search again",
        type="primary" if job is None else "secondary",
        disabled=grid is None or (job is not None and job.is_active),
        key="search_rules",
    )
    if is_clicked and grid is not None:
        job = _submit(app_state, picked, grid, key)
    if job is None:
        right.caption(
            "Every combination of settings is measured against the annotations (a sweep); this "
            "takes a few seconds."
        )
    elif job.is_active:
        st.fragment(_progress, run_every=0.4)(app_state, job)
    elif (swept := current_sweep(app_state, picked)) is None:
        st.error(plain(job.error or "The search was cancelled."))
    else:
        is_old = grid is not None and job.payload["grid"] != grid.to_dict()
        right.caption(
            f"{counted(len(swept), 'rule')} over {counted(len(swept.names), 'clip')}, "
            f"{plain(clock(3600 * swept.hours))} watched."
            + (" What is tried has changed since: search again." if is_old else "")
        )
        return swept
    return None


def _submit(app_state: AppState, picked: Selection, grid: RuleGrid, key: str) -> Any:
    return app_state.engine.submit(
        "sweep",
        f"sweep of {picked.label}",
        store=str(app_state.store.folder),
        run_ids=picked.run_ids,
        label=picked.label,
        rule=picked.rule.to_dict(),
        tiou=picked.tiou,
        annotator=picked.annotator,
        grid=grid.to_dict(),
        key=key,
    )


def _grid() -> RuleGrid | None:
    with st.expander("What is tried", expanded=False):
        default, declared = RuleGrid(), rule_parameters()
        values: dict[str, Any] = {}
        columns = st.columns(3)
        for i, name in enumerate(_TYPED):
            text = columns[i % 3].text_input(
                title_of(name),
                ", ".join(f"{v:g}" for v in getattr(default, name)),
                help=plain(declared[name].text) if name in declared else None,
                key=f"keep_grid_{name}",
                persist_state="session",
            )
            values[name] = text
        thresholds = st.slider(
            "Thresholds",
            5,
            200,
            default.thresholds,
            key="keep_thresholds",
            persist_state="session",
            help="Half of them are scores that occur, half are evenly spaced.",
        )
    try:
        made = {
            n: [float(v) for v in t.replace(";", ",").split(",") if v.strip()]
            for n, t in values.items()
        }
        return RuleGrid(**made, thresholds=thresholds)  # type: ignore[arg-type]
    except ValueError as error:
        st.error(f"The grid is not valid: {plain(error)}")
        return None


def _key(picked: Selection) -> str:
    """A hash of what a sweep depends on, the annotations included."""
    truth = [
        (row["media_id"], t.present.tobytes(), t.covered.tobytes())
        for row in picked.index
        for t in [picked.truth.of(row["media_id"], picked.label)]
    ]
    box = picked.rule.of(picked.label).box_filter.to_dict()
    return str(hash((tuple(picked.run_ids), picked.label, picked.tiou, str(truth), str(box))))


def _job(app_state: AppState, key: str) -> Any:
    return next(
        (j for j in app_state.engine.jobs() if j.kind == "sweep" and j.payload["key"] == key), None
    )


def _progress(app_state: AppState, job: Any) -> None:
    if not job.is_active:
        st.rerun()
    st.progress(
        job.done / job.total if job.total else 0.0, f"{job.done} of {job.total or '?'} clips"
    )
    if st.button("Cancel", key=f"cancel_{job.job_id}"):
        app_state.engine.cancel(job.job_id)


def show_charts(picked: Selection, swept: Sweep) -> None:
    """All rules as points to click, as a map of two settings, and the scores behind them."""
    figures, totals = swept.figures(), swept.totals
    point = _scatter(swept, figures, totals)
    if point is not None:
        _load(picked, swept, point)
    left, right = st.columns(2)
    with left:
        _map(swept, figures)
    with right:
        _curves(picked)


def _scatter(swept: Sweep, figures: dict[str, np.ndarray], totals: np.ndarray) -> int | None:
    """All rules, recall against false sightings an hour; the position that was clicked."""
    _, first, many = np.unique(totals, axis=0, return_index=True, return_counts=True)
    x, y = figures["false_per_hour"], figures["recall"]
    front = swept.pareto()
    chart = go.Figure()
    chart.add_trace(
        go.Scatter(
            x=x[first],
            y=y[first],
            mode="markers",
            name="rules",
            customdata=first,
            marker={
                "size": 6,
                "opacity": 0.55,
                "color": figures["f1"][first],
                "colorscale": "Viridis",
                "colorbar": {"title": "F1"},
            },
            text=[
                f"F1 {figures['f1'][i]:.3f}, {n} rules with the same counts"
                for i, n in zip(first, many, strict=True)
            ],
            hovertemplate="recall %{y:.3f}, %{x:.1f} false an hour<br>%{text}<extra></extra>",
        )
    )
    chart.add_trace(
        go.Scatter(
            x=x[front],
            y=y[front],
            mode="lines+markers",
            name="Pareto front",
            customdata=front,
            line={"shape": "hv", "width": 2},
            marker={"size": 9},
            hovertemplate="recall %{y:.3f}, %{x:.1f} false an hour<extra></extra>",
        )
    )
    chart.update_layout(
        xaxis_title="false sightings an hour",
        yaxis_title="recall",
        height=420,
        margin={"l": 50, "r": 10, "t": 30, "b": 45},
        legend={"orientation": "h", "y": 1.1},
        clickmode="event+select",
    )
    event = st.plotly_chart(
        chart,
        on_select="rerun",
        selection_mode="points",
        key=f"scatter_{len(swept)}_{swept.totals.sum()}",
    )
    points = event["selection"]["points"]
    if not points:
        st.caption(
            "Click a point to load its rule. The line is the Pareto front: no rule beside it finds "
            "more with as few false sightings."
        )
        return None
    position = points[0]["customdata"]
    return swept.alike(int(position[0] if isinstance(position, list | tuple) else position))


def _load(picked: Selection, swept: Sweep, position: int) -> None:
    row, rule = swept.row(position), swept.rule(position)
    st.markdown(
        f"**Recall {_rate(row['recall'])}, {row['false_per_hour']:.1f} false an hour, "
        f"F1 {_rate(row['f1'])}:** {plain(rule_in_words(rule.default))}."
    )
    load_button(picked, rule, "Load this rule in Review", f"load_{position}")


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def load_button(
    picked: Selection,
    found: Rule,
    text: str,
    key: str,
    split: dict[str, Any] | None = None,
    *,
    is_advised: bool = True,
) -> None:
    """A button that loads a rule for this label in Review; the other labels keep theirs.

    split: how it was chosen, for the notebook's entry if it is saved unchanged. is_advised: whether
    the button stands out.
    """
    if st.button(plain(text), key=key, type="primary" if is_advised else "secondary"):
        # The clip that was last open in Review, if it is among these.
        last = [r for r in picked.runs if r.run_id == st.session_state.get("review_run")]
        run = (last or picked.covered or picked.runs)[0]
        rule = merged_rule(picked.rule, found, picked.label, len(run.labels) == 1)
        st.session_state.chosen_by = {"rule_hash": rule.rule_hash, "split": split}
        go_to_moment(run.run_id, rule, None)


def merged_rule(rule: Rule, found: Rule, label: str, alone: bool) -> Rule:
    """`rule` with the settings of `found` for one label; alone: it is the run's only label."""
    if alone:
        return Rule(default=found.default, only=rule.only)
    only = None if rule.only is None else tuple(sorted({*rule.only, label}))
    return Rule(default=rule.default, labels={**rule.labels, label: found.default}, only=only)


def _map(swept: Sweep, figures: dict[str, np.ndarray]) -> None:
    """The best figure for each pair of values of two settings, over all other settings."""
    usable = [n for n in SETTINGS if len(getattr(swept.grid, n)) > 1]
    if len(usable) < 2:
        st.caption("A map needs two settings with several values.")
        return
    columns = st.columns(3)
    across = columns[0].selectbox(
        "Across", usable, format_func=title_of, key="keep_across", persist_state="session"
    )
    down = columns[1].selectbox(
        "Down",
        [n for n in usable if n != across],
        format_func=title_of,
        key="keep_down",
        persist_state="session",
    )
    what = columns[2].selectbox(
        "Figure",
        list(_FIGURES),
        format_func=_FIGURES.__getitem__,
        key="keep_figure",
        persist_state="session",
    )
    cube = figures[what].reshape(swept.grid.shape)
    axes = tuple(i for i, n in enumerate(SETTINGS) if n not in (across, down))
    lowest = what == "false_per_hour"
    filled = np.where(np.isnan(cube), np.inf if lowest else -np.inf, cube)
    best = filled.min(axis=axes) if lowest else filled.max(axis=axes)
    if SETTINGS.index(across) < SETTINGS.index(down):
        best = best.T
    best = np.where(np.isfinite(best), best, np.nan)
    ticks = [_ticks(swept, name) for name in (across, down)]
    chart = go.Figure(
        go.Heatmap(z=best, colorscale="Viridis", reversescale=lowest, customdata=_names(*ticks),
                   hovertemplate="%{customdata}<br>%{z:.3f}<extra></extra>")
    )  # fmt: skip
    chart.update_layout(
        xaxis_title=title_of(across),
        yaxis_title=title_of(down),
        height=340,
        # Values that are alike in three digits stay columns of their own.
        xaxis={"tickvals": list(range(len(ticks[0]))), "ticktext": ticks[0]},
        yaxis={"tickvals": list(range(len(ticks[1]))), "ticktext": ticks[1]},
        margin={"l": 50, "r": 10, "t": 10, "b": 45},
    )
    st.plotly_chart(chart)
    st.caption(f"{_FIGURES[what]}: the best over all values of the other settings.")


def _ticks(swept: Sweep, name: str) -> list[str]:
    values = getattr(swept.grid, name)
    if name == "enter_threshold":
        return [score_in_words(value) for value in values]
    return [f"{value:.3g}" for value in values]


def _names(across: list[str], down: list[str]) -> list[list[str]]:
    """What a cell of the map is called, row by row."""
    return [[f"{x} · {y}" for x in across] for y in down]


def _curves(picked: Selection) -> None:
    footage = footage_of(picked.covered, picked.truth, picked.label)
    curve = threshold_curve(footage, floor=float(picked.first.recipe["score_floor"])).thinned()
    chart = go.Figure(
        go.Scatter(
            x=curve.recall, y=curve.precision, mode="lines", customdata=curve.thresholds,
            hovertemplate="precision %{y:.3f}, recall %{x:.3f} at %{customdata:.3f}<extra></extra>",
        )
    )  # fmt: skip
    chart.update_layout(
        xaxis_title="recall",
        yaxis_title="precision",
        height=250,
        xaxis_range=[0, 1.02],
        yaxis_range=[0, 1.02],
        margin={"l": 50, "r": 10, "t": 10, "b": 40},
    )
    st.plotly_chart(chart)
    st.caption("Precision and recall of single samples at every threshold, without counts or gaps.")
    bars = histogram(footage)
    middle = (np.array(bars["edges"][:-1]) + np.array(bars["edges"][1:])) / 2
    chart = go.Figure(
        [
            go.Bar(x=middle, y=bars["there"], name="present"),
            go.Bar(x=middle, y=bars["not_there"], name="absent"),
        ]
    )
    chart.update_layout(
        barmode="overlay",
        xaxis_title="score",
        yaxis={"title": "samples", "type": "log", "dtick": 1},
        height=220,
        margin={"l": 50, "r": 10, "t": 10, "b": 40},
        legend={"orientation": "h", "y": 1.15},
    )
    chart.update_traces(opacity=0.65)
    st.plotly_chart(chart)
    zero = bars["without_score"]
    st.caption(
        f"Samples by presence of the label; {zero['there']:d} present and "
        f"{zero['not_there']:d} absent "
        "samples have no score."
    )
