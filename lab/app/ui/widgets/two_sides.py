"""Two runs or rules over the same clip, A against B, side by side."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import asset, note_damage, script
from lab.app.ui.widgets.clip_address import clip_address
from lab.app.ui.widgets.clip_with_runs import TO_COMPARE, clip_with_runs, with_logs
from lab.app.ui.widgets.notes import sentence
from lab.app.ui.widgets.phrases_tab import by_peak
from lab.app.ui.widgets.progress import is_done
from lab.app.ui.widgets.reasons import show_reasons
from lab.app.ui.widgets.selection import protocol_name
from lab.counted import counted
from lab.errors import SettingError
from lab.evaluation.comparison import Comparison, compare
from lab.formats.markdown import plain
from lab.media_time import media_time
from lab.rules.rule import Rule
from lab.rules.wording import rule_in_words
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
AS_IN_REVIEW, DEFAULT = "as in Review", "default"


@dataclass(frozen=True)
class Side:
    """What is compared: a label of a run, with a rule."""

    run: Run
    rule: Rule
    rule_name: str
    label: str

    @property
    def key(self) -> tuple[str, str, str]:
        """Equal for sides that are the same by construction."""
        settings = json.dumps(self.rule.of(self.label).to_dict(), sort_keys=True)
        return self.run.run_id, settings, self.label


def show_two_sides(app_state: AppState) -> None:
    """A choice of two different sides over one clip, and how they differ."""
    if not app_state.store.count_runs(state=TO_COMPARE):
        st.info("Nothing has been analysed yet. Pick a clip and run a detector over it first.")
        st.page_link("pages/library.py", label="Go to Library", icon=":material/arrow_back:")
        return
    picked = clip_with_runs(
        app_state, st, "keep_compare_clip", say_runs=True, beside=True, persist_state="session"
    )
    if picked is None:
        st.info("This clip has no run whose score log is here; choose another clip.")
        return
    sides = _choose_sides(app_state, picked[1])
    if sides is None:
        return
    a, b = sides
    note_damage(a.run, b.run)
    if a.key == b.key:
        st.info("A and B are the same run with the same rule. Choose another of either.")
        return
    _show(app_state, a, b)


def _choose_sides(app_state: AppState, rows: list[dict[str, Any]]) -> tuple[Side, Side] | None:
    """Two sides, at first two that differ; None, with what is missing, where there is only one."""
    first, second = rows[0], _other_run(rows)
    run = app_state.run(first["run_id"])
    rules = _rules(app_state, run)
    other_rule = next((n for n in rules if _differs(rules[n], rules[DEFAULT], run)), None)
    if second is None and other_rule is None:
        _say_what_is_missing(first)
        return None
    left, right = st.columns(2)
    with left:
        a = _side(app_state, rows, "A", first, DEFAULT)
    with right:
        is_of_runs = second is not None
        b = _side(app_state, rows, "B", second or first, DEFAULT if is_of_runs else other_rule)
    return a, b


def _other_run(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The newest run of other settings than the first; else any other."""
    others = rows[1:]
    made_otherwise = [r for r in others if r["protocol_hash"] != rows[0]["protocol_hash"]]
    return next(iter([*made_otherwise, *others]), None)


def _rules(app_state: AppState, run: Run) -> dict[str, Rule]:
    """Rules to choose from by name."""
    saved = {row["name"]: row["rule"] for row in app_state.store.rules()}
    rules = {DEFAULT: run.default_rule, **saved}
    if st.session_state.get("rule") is not None and st.session_state.get("rule_run") == run.run_id:
        rules = {AS_IN_REVIEW: st.session_state.rule, **rules}
    return rules


def _differs(rule: Rule, other: Rule, run: Run) -> bool:
    """Whether a rule can be used with the run, and does something else there."""
    try:
        rule.check_floor(float(run.recipe["score_floor"]))
        wanted = rule.wanted(run.labels)
    except SettingError:
        return False
    return any(rule.of(label) != other.of(label) for label in _labels(run)[:1] if label in wanted)


def _say_what_is_missing(row: dict[str, Any]) -> None:
    st.info(
        f"There is one run and one rule here: {plain(protocol_name(row))}, with the default rule. "
        "To compare, save another rule in Review, or analyse the clip in another way."
    )
    left, right = st.columns(2)
    query = {"run": row["run_id"]}
    left.page_link(
        "pages/review.py",
        label="Tune a rule in Review",
        icon=":material/movie:",
        query_params=query,
    )
    right.page_link(
        "pages/analyse.py", label="Analyse it in another way", icon=":material/play_circle:",
        query_params={"media": row["media_id"]},
    )  # fmt: skip


def _side(
    app_state: AppState,
    rows: list[dict[str, Any]],
    name: str,
    at_first: dict[str, Any],
    first_rule: str | None,
) -> Side:
    """Run, rule and label of one side. at_first, first_rule: what is chosen at first."""
    row = st.selectbox(
        f"Run {plain(name)}",
        rows,
        index=rows.index(at_first),
        format_func=lambda r: f"{protocol_name(r)} · {r['run_id']}",
        key=f"run_{name}_{rows[0]['media_id']}",
    )
    run = app_state.run(row["run_id"])
    rules = _rules(app_state, run)
    first, second = st.columns(2)
    names = list(rules)
    picked = first.selectbox(
        f"Rule {plain(name)}",
        names,
        index=names.index(first_rule) if first_rule in names else names.index(DEFAULT),
        key=f"rule_{name}_{run.run_id}",
    )
    label = second.selectbox(f"Label {plain(name)}", _labels(run), key=f"label_{name}_{run.run_id}")
    rule = rules[picked]
    st.caption(f"{plain(rule_in_words(rule.of(label)))}.")
    return Side(run, rule, picked, label)


def _labels(run: Run) -> list[str]:
    """The labels to choose from, strongest first; at least one."""
    return by_peak(run) or list(run.labels[:1])


def _show(app_state: AppState, a: Side, b: Side) -> None:
    truth = app_state.truth.truth_of(a.run.media["media_id"])
    found = compare(
        a.run, b.run, rule_a=a.rule, rule_b=b.rule, label=a.label, label_b=b.label, truth=truth
    )
    for note in found.notes:
        st.caption(plain(sentence(note)))
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
    is_alike = len(found.scores) and (found.scores[:, 0] == found.scores[:, 1]).all()
    if not is_alike:  # as they are of one run and label
        _scatter(found, a.label, b.label)


def _figures(found: Comparison) -> None:
    columns = st.columns(5)
    agree = found.agreement
    columns[0].metric("Sightings of A", plain(found.sightings["a"]))
    columns[1].metric("Sightings of B", plain(found.sightings["b"]))
    columns[2].metric(
        "Seconds that agree", "–" if agree["same"] is None else f"{agree['same']:.1%}"
    )
    columns[3].metric(
        "Kappa",
        "–" if agree["kappa"] is None else f"{agree['kappa']:.2f}",
        help="Cohen's kappa: agreement beyond what chance gives; 1 is full, 0 none.",
    )
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


def _over_all(app_state: AppState, a: Side, b: Side) -> None:
    """The same comparison over every clip that has a run of both protocols."""
    of_sides = [(side.run.run_id, side.rule.rule_hash, side.label) for side in (a, b)]
    logs = tuple(app_state.log_stamp(side.run.run_id) for side in (a, b))
    doing = app_state.computations.get(
        ("comparison", *of_sides, hash(logs), app_state.store.annotations_version),
        "Comparing over all clips",
        lambda _: _compare_all(app_state, a, b),
    )
    if not is_done(doing):
        return
    total: Comparison = doing.result
    f1 = total.f1
    if f1 is None or f1["a"] is None or f1["b"] is None:
        st.caption(
            f"{counted(len(total.names), 'clip')}; none was watched for “{plain(a.label)}”, or "
            "there was nothing to find."
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
    if limits:
        st.caption(
            "In brackets: the 95 % interval of the paired difference, from clips drawn again. "
            + (
                "It contains 0: chance alone may have made it."
                if limits[0] <= 0 <= limits[1]
                else "It does not contain 0: the difference is more than chance."
            )
        )


def _compare_all(app_state: AppState, a: Side, b: Side) -> Comparison:
    def of_protocol(run: Run) -> list[Run]:
        newest = app_state.store.runs(
            protocol_hash=run.protocol_hash, state=TO_COMPARE, newest_of_clip=True
        )
        return app_state.runs([r["run_id"] for r in with_logs(app_state, newest)])

    return compare(
        of_protocol(a.run),
        of_protocol(b.run),
        rule_a=a.rule,
        rule_b=b.rule,
        label=a.label,
        label_b=b.label,
        truth=app_state.truth.truth(),
    )


def _differences(found: Comparison) -> float | None:
    """The list; the time of the row that was clicked."""
    frame = found.to_frame()
    st.subheader(f"Differences ({len(frame)})")
    if frame.empty:
        st.caption("Both find the same sightings.")
        return None
    shown = frame.assign(
        **{name: [media_time(round(1e6 * s)) for s in frame[name]] for name in ("start_s", "end_s")}
    )
    event = st.dataframe(
        shown,
        hide_index=True,
        width="stretch",
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
        height=min(320, 38 * (len(frame) + 1)),
        column_config={
            "start_s": "from",
            "end_s": "to",
            "text": "what",
            "media": "clip",
        },
        placeholder="",
    )
    rows = event["selection"]["rows"] or [cell[0] for cell in event["selection"]["cells"]]
    return float(frame.iloc[rows[0]]["start_s"]) if rows else None


def _play(
    app_state: AppState,
    found: Comparison,
    a: Side,
    b: Side,
    seek_s: float | None,
) -> None:
    media = a.run.media
    src, wait = clip_address(app_state, media)
    kept = st.session_state.setdefault("duet_seek", {"t": None, "n": 0})
    if seek_s is not None and seek_s != kept["t"]:
        st.session_state.duet_seek = kept = {"t": seek_s, "n": kept["n"] + 1}

    def side(name: str, chosen: Side) -> dict[str, Any]:
        run, rule, label = chosen.run, chosen.rule, chosen.label
        only = Rule(default=rule.default, labels=rule.labels, only=(label,))
        d = rule.of(label).debounce
        return {
            "run_id": run.run_id,
            "log_v": log_fingerprint(run.store.log_folder(run.run_id)),
            "name": f"{name}: {label}, {chosen.rule_name}, {protocol_name({'recipe': run.recipe})}",
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
            "size_px": list(a.run.size_px),
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
