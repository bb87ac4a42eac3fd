"""The player with the rule, and what can be done with the rule."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any, Unpack

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lab.app.server.state import AppState
from lab.app.ui.shared import asset, here, note_damage, script
from lab.app.ui.widgets.choices import MOST
from lab.app.ui.widgets.clip_address import clip_address, is_waiting
from lab.app.ui.widgets.gate_report import gate_line
from lab.app.ui.widgets.group_bar import group_bar, say_saved
from lab.app.ui.widgets.one_screen import one_screen
from lab.app.ui.widgets.prompts import add_panel
from lab.app.ui.widgets.questions import current_ask
from lab.app.ui.widgets.review_address import asked_by_address, show_address
from lab.app.ui.widgets.rule_state import current_rule, current_seek, keep_place, load_rule
from lab.app.ui.widgets.saving import save_button, save_sightings_button
from lab.app.ui.widgets.snippets import as_command, as_python, as_yaml
from lab.errors import LabError, SettingError
from lab.experiments.entry import save_rule_entry
from lab.formats.markdown import plain
from lab.jobs.document.export import document_of, text_of
from lab.rules.rule import Rule, rule_parameters
from lab.runs.run import Run
from lab.score_log.score_log import log_fingerprint
from lab.store.run_queries import RunFilter

_player = st.components.v2.component(
    "lab_player",
    html=asset("player/player.html"),
    css=asset("player/player.css"),
    js=script("player/main.js"),
)


def choose_run(app_state: AppState, line: DeltaGenerator, linked: str | None) -> str | None:
    """The run that is asked for, or the newest; None if there is none.

    line: where the choice goes. linked: by the address.
    """
    state, asked = st.session_state, linked or st.session_state.get("review_run")
    runs, is_all = _newest(app_state, line)
    if not runs and is_all:
        return None
    others = [i for i in {asked, state.get("review_pick")} if i and i not in runs]
    named = {} if is_all or not others else _with_logs(app_state, run_id=others)
    known = {**named, **runs}
    requested = asked if asked in known else None
    if asked and not requested:
        st.warning(f"There is no run {plain(repr(asked))} in this store; the newest is selected.")
    # A link names a run, a click picks one: the newer of the two wins.
    is_newer = requested and requested != state.get("review_shown")
    if is_newer or state.get("review_pick") not in known:
        state.review_pick = requested or next(iter(runs), None) or next(iter(known))
    if state.review_pick in named:
        runs = {state.review_pick: named[state.review_pick], **runs}
    media = app_state.store.names_of_media({row["media_id"] for row in runs.values()})
    picked = line.selectbox(
        "Run",
        list(runs),
        key="review_pick",
        label_visibility="collapsed",
        format_func=lambda i: (
            f"{media.get(runs[i]['media_id'], '?')} · {_what(runs[i])} · every "
            f"{runs[i]['recipe']['every_s']:g} s · {runs[i]['state']} · {i}"
        ),
    )
    app_state.expect(picked, runs[picked]["state"])
    if requested and picked != requested:
        st.session_state.pop("rule", None)
    state.review_run = state.review_shown = picked
    return picked


def _newest(app_state: AppState, line: DeltaGenerator) -> tuple[dict[str, dict[str, Any]], bool]:
    """The newest runs with a log, by id, and whether these are all. Of many, those that fit a text
    that is typed.
    """
    runs = _with_logs(app_state, limit=MOST + 1)
    if len(runs) <= MOST:
        return runs, True
    text = line.text_input(
        "Find run",
        key="review_find",
        persist_state="session",
        placeholder="Clip, site, detector, labels",
        help=f"The list offers the newest {MOST} that fit.",
        label_visibility="collapsed",
        width=200,
    )
    if text.strip():
        runs = _with_logs(app_state, text=text, limit=MOST + 1)
    if not runs:
        st.caption("Nothing fits.")
    return dict(list(runs.items())[:MOST]), False


def _with_logs(
    app_state: AppState, *, limit: int | None = None, **wanted: Unpack[RunFilter]
) -> dict[str, dict[str, Any]]:
    """Runs by id, the newest first, without those whose log is missing."""
    found: dict[str, dict[str, Any]] = {}
    missing = offset = 0
    while True:
        rows = app_state.store.runs(limit=limit, offset=offset, **wanted)
        here = [r for r in rows if app_state.store.log_folder(r["run_id"]).is_dir()]
        found |= {row["run_id"]: row for row in here}
        missing, offset = missing + len(rows) - len(here), offset + len(rows)
        if limit is None or len(rows) < limit or len(found) >= limit:
            break
    if missing:
        st.warning(
            f"The score logs of {missing} run(s) are missing from "
            f"{plain(app_state.store.folder / 'logs')}; those runs are not listed."
        )
    return found


def _what(row: dict[str, Any]) -> str:
    """The analysis, if it was one of several or not the default detector, and its labels."""
    title = row["environment"].get("analysis") or row["recipe"]["detector"]
    labels = _few(row["recipe"]["labels"])
    return labels if title == "yolo" else f"{title}: {labels or 'any label'}"


def _few(labels: list[str]) -> str:
    return ", ".join(labels) if len(labels) <= 3 else f"{len(labels)} labels"


def show_player(
    app_state: AppState, run: Run, rule: Rule, ask: dict[str, Any] | None = None
) -> Rule:
    """Show the player; return the rule as of the last released control.

    ask: a question from the queue or an audit, with label, start_us, end_us, origin, text,
        title and n.
    """
    media = run.media
    source, wait = clip_address(app_state, media)
    data = {
        "run_id": run.run_id,
        "state": run.state,
        "log_v": log_fingerprint(run.store.log_folder(run.run_id)) if run.state == "done" else "",
        "media_id": media["media_id"],
        "src": source,
        "src_wait": wait,
        "first_pts_us": media["first_pts_us"],
        "end_us": media["end_us"],
        "browser_offset_us": media["browser_offset_us"],
        "start_ms": _start_ms(media),
        "size_px": list(run.size_px),
        "frame_rate": media["frame_rate"],
        "interval_s": run.sample_interval_s,
        "score_floor": run.recipe["score_floor"],
        "gate": bool(run.recipe.get("gate")),
        "rule": rule.to_dict(),
        "rule_n": st.session_state.rule_n,
        "sliders": sliders(),
        "seek": current_seek(run.run_id) if ask is None else None,
        "ask": ask,
    }
    result = _player(
        key="player",
        height="stretch",
        data=data,
        on_rule_change=lambda: None,
        on_run_state_change=lambda: None,
        on_answered_change=lambda: None,
        on_visited_change=lambda: None,
    )
    return rule_from_player(result.get("rule"), run, rule)


def _start_ms(media: Mapping[str, Any]) -> int | None:
    """When the clip's time 0 was, by local time, in milliseconds as if that were UTC."""
    if media["start_utc"] is None:
        return None
    corrected_s = (media["utc_offset_s"] or 0) + (media["clock_correction_s"] or 0)
    local = media["start_utc"].replace(tzinfo=UTC) + timedelta(seconds=corrected_s)
    return round(local.timestamp() * 1000)


def sliders() -> list[list[Any]]:
    """Rows for the player: name, title, minimum, maximum, step, help; or a heading alone."""
    rows: list[list[Any]] = []
    group = None
    for name, p in rule_parameters().items():
        if p.slider is None:
            continue
        if p.group != group:
            rows.append([p.group])
            group = p.group
        maximum, step = p.slider
        rows.append(
            [name, p.title, p.minimum or (step if p.kind == "score" else 0), maximum, step, p.text]
        )
    return rows


def rule_from_player(text: str | None, run: Run, rule: Rule) -> Rule:
    """The rule that the player sent, or `rule` if the message is stale or not valid.

    The component keeps its last message over a switch of run or rule; that message is then stale.
    What it shows is kept as `result`; it is None until the figures are those of this rule.
    """
    st.session_state.result = None
    try:
        message = json.loads(text) if text else {}
        if (message.get("run_id"), message.get("rule_n")) != (run.run_id, st.session_state.rule_n):
            return rule
        new = Rule.from_dict(message["rule"])
        new.check_floor(run.recipe["score_floor"])
    except (LabError, ValueError, KeyError, AttributeError) as error:
        st.error(f"{plain(error)}. The last valid rule stays in use.")
        return rule
    st.session_state.result = message.get("result")
    st.session_state.rule = new
    st.session_state.setdefault("rules_of_runs", {})[run.run_id] = new
    return new


def keep_panel(app_state: AppState, run: Run, rule: Rule) -> None:
    """Save the rule and the sightings, load a saved rule, copy the settings."""
    with st.popover("Code", help="The same settings as Python, YAML, command line and job"):
        _snippets(run, rule)
    with st.popover("Rules", help="Save this rule, or load one"):
        _rules(app_state, run, rule)
    name = st.session_state.get("rule_name") or ""
    count = save_sightings_button(st, run, rule, name)
    if count is not None:
        say_saved(app_state, run, rule, count)


def _rules(app_state: AppState, run: Run, rule: Rule) -> None:
    name = st.text_input(
        "Name of the rule", key="rule_name", placeholder="for example: otters, strict"
    )
    if save_button(st, "Save rule", run, rule, disabled=not name.strip(), width="stretch"):
        by = st.session_state.get("chosen_by") or {}
        split = by.get("split") if by.get("rule_hash") == rule.rule_hash else None
        truth = app_state.truth.truth_of(run.media["media_id"])
        save_rule_entry(run, rule, name, truth, split=split)
        st.toast(f"Rule {plain(repr(name))} saved, with an entry in Notebook.")
    saved = {row["name"]: row["rule"] for row in app_state.store.rules()}
    if not saved:
        return
    picked = st.selectbox("Saved rules", list(saved), index=None, placeholder="Load a rule")
    if picked and st.button(f"Load {plain(repr(picked))}"):
        try:
            saved[picked].check_floor(run.recipe["score_floor"])
            saved[picked].wanted(run.labels)
            load_rule(saved[picked])
            st.rerun()
        except SettingError as error:
            st.error(plain(error))


def _snippets(run: Run, rule: Rule) -> None:
    python, yaml, command, job = st.tabs(["Python", "YAML", "Command line", "Job"])
    python.code(as_python(run, rule), language="python", wrap_lines=True)
    yaml.code(as_yaml(rule), language="yaml", wrap_lines=True)
    command.code(as_command(run, rule), language="bash", wrap_lines=True)
    with job:
        _job(run, rule)
    st.caption(
        "Each gives the same sightings. The address of this page contains the run and the rule."
    )


def _job(run: Run, rule: Rule) -> None:
    """The whole analysis as one document."""
    try:
        text = text_of(document_of(run, rule))
    except LabError as error:
        st.caption(f"This run cannot be written as a job: {plain(error)}")
        return
    st.code(text, language="yaml", height=220, wrap_lines=True)
    st.download_button("Download job.yaml", text, "job.yaml", "application/yaml")
    st.caption("Run it again anywhere: `lab analyze --job job.yaml`")


def other_analyses(app_state: AppState, run: Run) -> None:
    """A choice between the runs of the same pass over the clip."""
    if run.pass_id is None:
        return
    rows = app_state.store.runs(pass_id=run.pass_id, order="oldest")
    names = {r["run_id"]: r["environment"]["analysis"] for r in rows}
    if len(names) < 2:
        return
    picked = st.selectbox(
        "Analyses of this pass",
        list(names),
        index=list(names).index(run.run_id),
        format_func=names.__getitem__,
        key=f"pass_{run.run_id}",
        label_visibility="collapsed",
        width=160,
    )
    if picked != run.run_id:
        st.session_state.pop("rule", None)  # of the other detector
        st.session_state.review_run = picked
        st.rerun()


def about_run(app_state: AppState, run: Run, rule: Rule | None) -> None:
    """The run's state; opened, what it was made with. rule: None while its figures are hidden."""
    with st.popover(plain(run.state), help="About this run"):
        recipe = run.recipe
        st.markdown(
            f"{plain(run.media['name'])}  \n{plain(recipe['detector'])}, every "
            f"{run.sample_interval_s:g} s, {plain(', '.join(run.labels) or 'any label')}  \n"
            f"Run {plain(run.run_id)}"
        )
        if rule is not None:
            gate_line(app_state, run, rule)


def review() -> None:
    """The whole page: a line of controls, what is wrong, and the player."""
    one_screen()
    app_state = here()
    linked = asked_by_address()
    line = st.container(horizontal=True, vertical_alignment="center", key="context")
    ask = current_ask(app_state, line)
    run_id = choose_run(app_state, line, linked.get("run"))
    if run_id is None:
        st.info("Nothing has been analysed yet. Pick a clip and run a detector over it first.")
        st.page_link("pages/library.py", label="Go to Library", icon=":material/arrow_back:")
        return
    run = app_state.run(run_id)
    with line:
        other_analyses(app_state, run)
    if run.error:
        st.error(f"This run is {plain(run.state)}: {plain(run.error)}")
    note_damage(run)
    if ask is not None and ask["media_id"] != run.media["media_id"]:
        st.info("The open question is about another clip. Choose that run again, or stop asking.")
        ask = None
    linked_rule = linked.get("rule") if linked.get("run") in (None, run_id) else None
    rule = show_player(app_state, run, current_rule(run, linked_rule), ask)
    is_blind = ask is not None and ask["blind"]
    show_address(run_id, None if is_blind else rule)
    keep_place(app_state, run_id, rule)
    with line:
        about_run(app_state, run, None if is_blind else rule)
        if ask is None:
            add_panel(app_state, run)
            group_bar(app_state, run, rule)
        if not is_blind:
            keep_panel(app_state, run, rule)
    if is_waiting(app_state, run):
        st.fragment(_look_again, run_every=1.5)(app_state, run_id, run.state)


def _look_again(app_state: AppState, run_id: str, state: str) -> None:
    run = app_state.run(run_id)
    if run.state != state or not run.media["is_browser_playable"]:
        if run.state == state and is_waiting(app_state, run):
            return
        st.rerun()
