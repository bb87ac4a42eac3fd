"""The Compare page: A against B on the same clip, side by side; or phrasings of one run."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import asset, here, note_damage, script
from lab.app.ui.widgets.clip_address import clip_address
from lab.app.ui.widgets.clip_with_runs import TO_COMPARE, clip_with_runs, with_logs
from lab.app.ui.widgets.phrases_tab import phrasings
from lab.app.ui.widgets.reasons import show_reasons
from lab.app.ui.widgets.selection import protocol_name
from lab.counted import counted
from lab.evaluation.comparison import Comparison, compare
from lab.formats.markdown import plain
from lab.rules.rule import Rule
from lab.runs.run import Run
from lab.score_log.score_log import log_fingerprint

_duet = st.components.v2.component(
    "lab_duet",
    html=asset("duet/duet.html"),
    css=asset("duet/duet.css"),
    js=script("duet/duet.js"),
)
_MAX_POINTS = 4000
_FIGURES = {"same": "seconds alike", "kappa": "kappa"}
SIDES, PHRASINGS = "Two runs or rules", "Phrasings"


def compare_page() -> None:
    """The whole page below its title."""
    app_state = here()
    if not app_state.store.count_runs(state=TO_COMPARE):
        st.info("Nothing has been analysed yet. Pick a clip and run a detector over it first.")
        st.page_link("pages/library.py", label="Go to Library", icon=":material/arrow_back:")
        return
    if _kind() == PHRASINGS:
        phrasings(app_state)
    else:
        _two_sides(app_state)


def _kind() -> str:
    """What is compared; the choice persists while other pages are open."""
    st.session_state.setdefault("keep_compare_kind", SIDES)
    return (
        st.segmented_control(
            "What to compare",
            [SIDES, PHRASINGS],
            key="keep_compare_kind",
            persist_state="session",
            required=True,
            label_visibility="collapsed",
        )
        or SIDES
    )


def _two_sides(app_state: AppState) -> None:
    picked = clip_with_runs(app_state, st, "compare_clip", say_runs=True, beside=True)
    if picked is None:
        st.info("This clip has no run whose score log is here; choose another clip.")
        return
    _, rows = picked
    left, right = st.columns(2)
    with left:
        a = _side(app_state, rows, "A", 0)
    with right:
        b = _side(app_state, rows, "B", 1)
    note_damage(a[0], b[0])
    truth = app_state.truth.truth_of(a[0].media["media_id"])
    found = compare(
        a[0], b[0], rule_a=a[1], rule_b=b[1], label=a[2], label_b=b[2], truth=truth,
    )  # fmt: skip
    for note in found.notes:
        st.caption(plain(note))
    _figures(found)
    if st.toggle(
        "Over all clips that both protocols cover",
        help=(
            "F1 of both protocols with these rules, and the gain with an interval from resampled "
            "clips."
        ),
    ):
        _over_all(app_state, a, b)
    event = _differences(found)
    _play(app_state, found, a, b, event)
    _scatter(found, a[2], b[2])


def _side(
    app_state: AppState, rows: list[dict[str, Any]], name: str, other: int
) -> tuple[Run, Rule, str]:
    """Run, rule and label of one side."""
    index = min(other, len(rows) - 1)
    row = st.selectbox(
        f"Run {plain(name)}",
        rows,
        index=index,
        format_func=lambda r: f"{protocol_name(r)} · {r['run_id']}",
        key=f"run_{name}_{rows[0]['media_id']}",
    )
    run = app_state.run(row["run_id"])
    saved: dict[str, Rule] = {
        "default": run.default_rule,
        **{r["name"]: r["rule"] for r in app_state.store.rules()},
    }
    if st.session_state.get("rule") is not None and st.session_state.get("rule_run") == run.run_id:
        saved = {"as in Review": st.session_state.rule, **saved}
    first, second = st.columns(2)
    picked = first.selectbox(f"Rule {plain(name)}", list(saved), key=f"rule_{name}_{run.run_id}")
    labels = sorted(
        {label for rows_of in [run.log.labels] for label in rows_of},
        key=lambda x: -float(run.series(x).scores.max(initial=0)),
    )
    label = second.selectbox(f"Label {plain(name)}", labels, key=f"label_{name}_{run.run_id}")
    return run, saved[picked], label


def _figures(found: Comparison) -> None:
    columns = st.columns(5)
    agree = found.agreement
    columns[0].metric("Sightings of A", plain(found.sightings["a"]))
    columns[1].metric("Sightings of B", plain(found.sightings["b"]))
    columns[2].metric(
        "Seconds that agree", "–" if agree["same"] is None else f"{agree['same']:.1%}"
    )
    columns[3].metric("Kappa", "–" if agree["kappa"] is None else f"{agree['kappa']:.2f}")
    if found.f1 and found.f1["a"] is not None and found.f1["b"] is not None:
        gain = f"{found.f1['gain']:+.3f}"
        is_same = float(gain) == 0
        columns[4].metric(
            "F1, A → B",
            f"{found.f1['a']:.2f} → {found.f1['b']:.2f}",
            "the same" if is_same else gain,
            delta_color="off" if is_same else "normal",
            delta_arrow="off" if is_same else "auto",
        )
    else:
        columns[4].metric(
            "F1, A → B",
            "–",
            help="The clip was not watched for this label, or there is nothing to find.",
        )
    refused = {_FIGURES[n]: why for n, why in agree["refused"].items() if n in _FIGURES}
    for side in ("a", "b"):
        if found.f1 and side in found.f1["refused"]:
            refused[f"F1 of {side.upper()}"] = found.f1["refused"][side]
    show_reasons([refused])


def _over_all(app_state: AppState, a: tuple[Run, Rule, str], b: tuple[Run, Rule, str]) -> None:
    """The same comparison over every clip that has a run of both protocols."""

    def of_protocol(run: Run) -> list[Run]:
        newest = app_state.store.runs(
            protocol_hash=run.protocol_hash, state=TO_COMPARE, newest_of_clip=True
        )
        return app_state.runs([r["run_id"] for r in with_logs(app_state, newest)])

    total = compare(
        of_protocol(a[0]),
        of_protocol(b[0]),
        rule_a=a[1],
        rule_b=b[1],
        label=a[2],
        label_b=b[2],
        truth=app_state.truth.truth(),
    )
    f1 = total.f1
    if f1 is None or f1["a"] is None or f1["b"] is None:
        st.caption(
            f"{counted(len(total.names), 'clip')}; none was watched for “{plain(a[2])}”, or there "
            "was nothing to find."
        )
        return
    limits = f1["gain_interval"]
    st.markdown(
        f"**{f1['clips']:d} watched clips: F1 {f1['a']:.3f} → {f1['b']:.3f}, "
        f"gain {f1['gain']:+.3f}**"
        + (f" [{limits[0]:+.3f}, {limits[1]:+.3f}]." if limits else ".")
        + f" {counted(len(total.differences), 'difference')} in "
        f"{counted(len(total.names), 'clip')}."
    )


def _differences(found: Comparison) -> float | None:
    """The list; the time of the row that was clicked."""
    frame = found.to_frame()
    st.subheader(f"Differences ({len(frame)})")
    if frame.empty:
        st.caption("Both find the same sightings.")
        return None
    event = st.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
        height=min(320, 38 * (len(frame) + 1)),
        column_config={
            "start_s": st.column_config.NumberColumn("from, s", format="%.2f"),
            "end_s": st.column_config.NumberColumn("to, s", format="%.2f"),
            "text": "what",
            "media": "clip",
        },
    )
    rows = event["selection"]["rows"] or [cell[0] for cell in event["selection"]["cells"]]
    return float(frame.iloc[rows[0]]["start_s"]) if rows else None


def _play(
    app_state: AppState,
    found: Comparison,
    a: tuple[Run, Rule, str],
    b: tuple[Run, Rule, str],
    seek_s: float | None,
) -> None:
    media = a[0].media
    src, wait = clip_address(app_state, media)
    kept = st.session_state.setdefault("duet_seek", {"t": None, "n": 0})
    if seek_s is not None and seek_s != kept["t"]:
        st.session_state.duet_seek = kept = {"t": seek_s, "n": kept["n"] + 1}

    def side(name: str, chosen: tuple[Run, Rule, str]) -> dict[str, Any]:
        run, rule, label = chosen
        only = Rule(default=rule.default, labels=rule.labels, only=(label,))
        d = rule.of(label).debounce
        return {
            "run_id": run.run_id,
            "log_v": log_fingerprint(run.store.log_folder(run.run_id)),
            "name": f"{name}: {label}, {protocol_name({'recipe': run.recipe})}",
            "label": label,
            "enter_threshold": d.enter_threshold,
            "exit_threshold": d.exit_threshold,
            "sightings": [{"onset_s": s.onset_s, "offset_s": s.offset_s} for s in run.find(only)],
        }

    _duet(
        key="duet",
        data={
            "src": src,
            "src_wait": wait,
            "first_pts_us": media["first_pts_us"],
            "end_us": media["end_us"],
            "browser_offset_us": media["browser_offset_us"],
            "size_px": list(a[0].size_px),
            "frame_rate": media["frame_rate"],
            "a": side("A", a),
            "b": side("B", b),
            "seek": kept if kept["t"] is not None else None,
            "differences": [
                {"start_s": d.start_us / 1e6, "end_s": d.end_us / 1e6} for d in found.differences
            ],
        },
    )
    st.caption(
        "Green frame: this side has a sighting. Orange: the sides differ. [ and ] go to the "
        "previous and next difference."
    )


def _scatter(found: Comparison, label_a: str, label_b: str) -> None:
    st.subheader("Scores of the same frames")
    if not len(found.scores):
        st.caption("No two samples are close enough in time to be paired.")
        return
    pick = np.unique(np.linspace(0, len(found.scores) - 1, _MAX_POINTS).round().astype(int))
    chart = go.Figure(
        go.Scatter(
            x=found.scores[pick, 0],
            y=found.scores[pick, 1],
            mode="markers",
            marker={"size": 5, "opacity": 0.5},
            customdata=found.pts_us[pick] / 1e6,
            hovertemplate="A %{x:.3f}, B %{y:.3f} at %{customdata:.2f} s<extra></extra>",
        )
    )
    chart.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line={"dash": "dot", "color": "#888"})
    chart.update_layout(
        xaxis_title=f"A: {label_a}",
        yaxis_title=f"B: {label_b}",
        height=380,
        margin={"l": 50, "r": 10, "t": 10, "b": 45},
        xaxis_range=[-0.02, 1.02],
        yaxis_range=[-0.02, 1.02],
    )
    st.plotly_chart(chart)
    if len(pick) < len(found.scores):
        st.caption(f"{len(pick)} of {len(found.scores)} samples shown, evenly spaced.")
    correlation = np.corrcoef(found.scores.T)[0, 1] if found.scores.std(axis=0).all() else None
    if correlation is not None:
        st.caption(f"Correlation {correlation:.3f} over {len(found.scores)} paired samples.")
