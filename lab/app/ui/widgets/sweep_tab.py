"""The Sweep tab: all rules of a grid, as charts with points to click."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.rule_state import go_to_moment
from lab.app.ui.widgets.selection import Selection
from lab.counted import counted
from lab.formats.markdown import plain
from lab.rules.rule import Rule, rule_parameters
from lab.tuning.calibration import histogram
from lab.tuning.curve import threshold_curve
from lab.tuning.footage import footage_of
from lab.tuning.rule_grid import SETTINGS, RuleGrid, title_of
from lab.tuning.sweep import Sweep, load_sweep

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


def show_sweep(app_state: AppState, picked: Selection) -> None:
    """Controls, progress, charts."""
    if not picked.has_coverage:
        st.info(f"A sweep needs clips that were watched for “{plain(picked.label)}”.")
        return
    grid = _grid()
    key = _key(picked)
    job = _job(app_state, key)
    is_clicked = st.button(
        "Sweep", type="primary", disabled=grid is None or (job is not None and job.is_active)
    )
    if is_clicked and grid is not None:
        job = app_state.engine.submit(
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
    if job is None:
        st.caption("Measures every combination against the annotations; this takes a few seconds.")
    elif job.is_active:
        st.fragment(_progress, run_every=0.4)(app_state, job)
    elif (swept := current_sweep(app_state, picked)) is None:
        st.error(plain(job.error or "The sweep was cancelled."))
    else:
        if grid is not None and job.payload["grid"] != grid.to_dict():
            st.caption("The grid has changed: sweep again to update the charts.")
        _charts(picked, swept)


def _grid() -> RuleGrid | None:
    with st.expander("What is swept", expanded=False):
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


def _charts(picked: Selection, swept: Sweep) -> None:
    figures, totals = swept.figures(), swept.totals
    st.caption(
        f"{counted(len(swept), 'rule')} over {counted(len(swept.names), 'clip')}, "
        f"{swept.hours:.2f} h watched."
    )
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
        st.caption("Click a point to load its rule.")
        return None
    position = points[0]["customdata"]
    return swept.alike(int(position[0] if isinstance(position, list | tuple) else position))


def _load(picked: Selection, swept: Sweep, position: int) -> None:
    row = swept.row(position)
    st.markdown(
        f"**Recall {_rate(row['recall'])}, {row['false_per_hour']:.1f} false an hour, "
        f"F1 {_rate(row['f1'])}:** enter at {row['enter_threshold']:.3f} "
        f"after {row['enter_frames']:.0f}, exit after {row['exit_frames']:.0f} samples, "
        f"merge gap {row['merge_gap_s']:g} s, "
        f"at least {row['min_duration_s']:g} s."
    )
    load_button(picked, swept.rule(position), "Load this rule in Review", f"load_{position}")


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def load_button(
    picked: Selection, found: Rule, text: str, key: str, split: dict[str, Any] | None = None
) -> None:
    """A button that loads a rule for this label in Review; the other labels keep theirs.

    split: how it was chosen, for the notebook's entry if it is saved unchanged.
    """
    if st.button(plain(text), key=key, type="primary"):
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
        ["f1", "recall", "precision", "false_per_hour"],
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
    ticks = [[f"{v:.3g}" for v in getattr(swept.grid, n)] for n in (across, down)]
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
    st.caption(f"The best {plain(what.replace('_', ' '))} over all values of the other settings.")


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
    st.caption("Precision and recall at every threshold, without debounce.")
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
