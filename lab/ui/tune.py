"""The player with the rule, and what can be done with the rule."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import streamlit as st

from lab.errors import LabError, SettingError
from lab.experiments.entry import save_rule_entry
from lab.rule import Rule
from lab.run import Run
from lab.score_log import mark_of
from lab.server.desk import Desk
from lab.ui.gated import gate_line
from lab.ui.parts import asset, here, script
from lab.ui.prompts import add_panel
from lab.ui.snippets import as_command, as_python, as_yaml

_player = st.components.v2.component(
    "lab_player",
    html=asset("player/player.html"),
    css=asset("player/player.css"),
    js=script("player/main.js"),
)


def pack(rule: Rule) -> str:
    """A rule as a word for the page's address."""
    text = json.dumps(rule.to_dict(), separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(zlib.compress(text.encode(), 9)).decode().rstrip("=")


def unpack(word: str) -> Rule:
    """Raises SettingError if the address was cut or changed."""
    try:
        raw = base64.urlsafe_b64decode(word + "=" * (-len(word) % 4))
        text = zlib.decompressobj().decompress(raw, 1 << 20)
        return Rule.from_dict(json.loads(text))
    except (ValueError, zlib.error, TypeError, AttributeError) as error:
        raise SettingError(f"the rule in this address cannot be read ({error}); ask for the link again") from None


def choose_run(desk: Desk) -> str | None:
    """The run in the address, or the newest; None if there is none."""
    media = {row["media_id"]: row["name"] for row in desk.store.all_media()}
    rows = desk.store.runs()
    runs = {r["run_id"]: r for r in rows if desk.store.log_folder(r["run_id"]).is_dir()}
    if len(runs) < len(rows):
        st.warning(f"The score logs of {len(rows) - len(runs)} run(s) are gone from {desk.store.folder / 'logs'}; they are left out.")
    if not runs:
        return None
    asked = st.query_params.get("run") or st.session_state.get("tune_run")
    if asked and asked not in runs:
        st.warning(f"There is no run {asked!r} in this store; the newest is shown.")
    ids, state = list(runs), st.session_state
    # A link names a run, a click picks one: the newer of the two counts.
    if state.get("tune_pick") not in runs or (asked in runs and asked != state.get("tune_shown")):
        state.tune_pick = asked if asked in runs else ids[0]
    picked = st.selectbox(
        "Run",
        ids,
        key="tune_pick",
        format_func=lambda i: (
            f"{media.get(runs[i]['media_id'], '?')} · {_what(runs[i])} · every "
            f"{runs[i]['recipe']['every_s']:g} s · {runs[i]['state']} · {i}"
        ),
    )
    desk.expect(picked, runs[picked]["state"])
    if picked != asked and asked in runs:
        st.query_params.pop("rule", None)
        st.session_state.pop("rule", None)
    st.query_params["run"] = state.tune_run = state.tune_shown = picked
    return picked


def _what(row: dict[str, Any]) -> str:
    """The analysis, if it was one of several or not the default detector, and its labels."""
    title = row["environment"].get("analysis") or row["recipe"]["detector"]
    labels = _few(row["recipe"]["labels"])
    return labels if title == "yolo" else f"{title}: {labels or 'any label'}"


def _few(labels: list[str]) -> str:
    return ", ".join(labels) if len(labels) <= 3 else f"{len(labels)} labels"


def current_rule(run: Run) -> Rule:
    """The rule of this session, of the address, or the run's default."""
    state = st.session_state
    tuned: dict[str, Rule] = state.setdefault("rules_of_runs", {})
    if state.get("rule_run") != run.run_id or "rule" not in state:
        rule = tuned.get(run.run_id, run.default_rule)
        if "rule" in st.query_params:
            try:
                rule = unpack(st.query_params["rule"])
                rule.check_floor(run.recipe["score_floor"])
                rule.wanted(run.labels)
            except SettingError as error:
                st.warning(str(error))
                rule = run.default_rule
        state.rule, state.rule_run = rule, run.run_id
        state.rule_n = state.get("rule_n", 0) + 1
    tuned[run.run_id] = state.rule
    kept: Rule = state.rule
    return kept


def load_rule(rule: Rule) -> None:
    """Make `rule` that of the session; the player takes it over."""
    st.session_state.rule = rule
    st.session_state.rule_n = st.session_state.get("rule_n", 0) + 1


def show_player(desk: Desk, run: Run, rule: Rule, ask: dict[str, Any] | None = None) -> Rule:
    """The player; the rule as it stands after the last release of a control.

    ask: a question from the queue or an audit: label, start_us, end_us, origin, text, title, n.
    """
    media = run.media
    source, wait = clip_address(desk, media)
    data = {
        "run_id": run.run_id,
        "state": run.state,
        "log_v": mark_of(run.store.log_folder(run.run_id)) if run.state == "done" else "",
        "media_id": media["media_id"],
        "src": source,
        "src_wait": wait,
        "first_pts_us": media["first_pts_us"],
        "end_us": media["end_us"],
        "browser_offset_us": media["browser_offset_us"],
        "size_px": list(run.size_px),
        "frame_rate": media["frame_rate"],
        "interval_s": run.sample_interval_s,
        "score_floor": run.recipe["score_floor"],
        "gate": bool(run.recipe.get("gate")),
        "rule": rule.to_dict(),
        "rule_n": st.session_state.rule_n,
        "seek": st.session_state.get("seek"),
        "ask": ask,
    }
    result = _player(
        key="player",
        data=data,
        on_rule_change=lambda: None,
        on_run_state_change=lambda: None,
        on_answered_change=lambda: None,
    )
    return _rule_of(getattr(result, "rule", None), run, rule)


def _rule_of(text: str | None, run: Run, rule: Rule) -> Rule:
    """What the player says of its rule, if it speaks of this run and of this loading of a rule.

    The component keeps its last word over a switch of run or rule; that word is then stale.
    """
    try:
        said = json.loads(text) if text else {}
        if said.get("run_id") != run.run_id or said.get("rule_n") != st.session_state.rule_n:
            return rule
        new = Rule.from_dict(said["rule"])
        new.check_floor(run.recipe["score_floor"])
    except (LabError, ValueError, KeyError, AttributeError) as error:
        st.error(f"{error}. The last rule that can be answered stays in use.")
        return rule
    st.session_state.rule = new
    st.session_state.setdefault("rules_of_runs", {})[run.run_id] = new
    return new


def clip_address(desk: Desk, media: dict[str, Any]) -> tuple[str | None, str]:
    """Where the browser gets the clip, or None and what there is to wait for."""
    if not Path(media["path"]).is_file():
        return None, "The video is not at hand; scores, sightings and annotations work without it."
    if media["is_browser_playable"]:
        return f"/api/media/{media['media_id']}/file", ""
    if desk.store.playable_file(media["media_id"]).exists():
        return f"/api/media/{media['media_id']}/file?copy=1", ""
    jobs = [
        j
        for j in desk.engine.jobs()
        if j.kind == "playable" and j.payload["media_id"] == media["media_id"]
    ]
    if not jobs:
        jobs = [
            desk.engine.submit(
                "playable",
                f"copy of {media['name']} for the browser",
                media_id=media["media_id"],
                path=media["path"],
                store=str(desk.store.folder),
            )
        ]
    if jobs[0].state == "failed":
        return None, f"No copy could be made for the browser: {jobs[0].error}"
    share = f" {100 * jobs[0].done // jobs[0].total} %" if jobs[0].total else ""
    return None, f"Making a copy that the browser can play…{share}"


def is_waiting(desk: Desk, run: Run) -> bool:
    """Whether something the player shows is still being made."""
    media_id = run.media["media_id"]
    return run.state == "running" or any(
        j.is_active and j.kind == "playable" and j.payload["media_id"] == media_id
        for j in desk.engine.jobs()
    )


def keep_panel(desk: Desk, run: Run, rule: Rule) -> None:
    """Save the rule and the sightings, load a saved rule, copy the settings."""
    st.query_params["rule"] = pack(rule)
    left, right = st.columns(2)
    with left:
        saved = {row["name"]: row["rule"] for row in desk.store.rules()}
        name = st.text_input("Name of the rule", placeholder="for example: otters, strict")
        first, second = st.columns(2)
        if first.button("Save rule", disabled=not name.strip(), width="stretch"):
            by = st.session_state.get("chosen_by") or {}
            split = by.get("split") if by.get("rule_hash") == rule.rule_hash else None
            save_rule_entry(run, rule, name, desk.truth.truth(), split=split)
            st.toast(f"Rule {name!r} saved, with an entry under Experiments.")
        if second.button("Save sightings", type="primary", width="stretch"):
            count = run.save_sightings(rule, name.strip() or None)
            st.toast(f"{count} sightings saved.")
        if saved:
            picked = st.selectbox("Saved rules", list(saved), index=None, placeholder="Load a rule")
            if picked and st.button(f"Load {picked!r}"):
                try:
                    saved[picked].check_floor(run.recipe["score_floor"])
                    saved[picked].wanted(run.labels)
                    load_rule(saved[picked])
                    st.rerun()
                except SettingError as error:
                    st.error(str(error))
    with right:
        python, yaml, command, job = st.tabs(["Python", "YAML", "Command line", "Job"])
        python.code(as_python(run, rule), language="python")
        yaml.code(as_yaml(rule), language="yaml")
        command.code(as_command(run, rule, desk.store), language="bash")
        with job:
            _job(run, rule)
        st.caption("Each gives the same sightings. The address of this page carries run and rule.")


def _job(run: Run, rule: Rule) -> None:
    """The whole analysis as one document."""
    from lab.job_document import document_of, text_of

    try:
        text = text_of(document_of(run, rule))
    except LabError as error:
        st.caption(f"This run cannot be written as a job: {error}")
        return
    st.code(text, language="yaml", height=220)
    st.download_button("Download job.yaml", text, "job.yaml", "application/yaml")
    st.caption("Run it again anywhere: `lab analyze --job job.yaml`")


def other_analyses(desk: Desk, run: Run) -> None:
    """Runs of the same pass over the clip, to go from one to the other."""
    if run.pass_id is None:
        return
    rows = [r for r in desk.store.runs() if r["environment"].get("pass_id") == run.pass_id]
    names = {r["run_id"]: r["environment"]["analysis"] for r in rows[::-1]}
    if len(names) < 2:
        return
    picked = st.pills("Analyses of this pass", list(names), default=run.run_id, format_func=names.__getitem__, key=f"pass_{run.run_id}")
    if picked is not None and picked != run.run_id:
        st.query_params.pop("rule", None)  # of the other detector
        st.session_state.pop("rule", None)
        st.query_params["run"] = picked
        st.rerun()


def go_to_moment(run_id: str, rule: Rule, pts_s: float | None) -> None:
    """Open Tune at a run, with a rule, at a moment."""
    load_rule(rule)
    st.session_state.rule_run = run_id
    if pts_s is not None:
        count = (st.session_state.get("seek") or {"n": 0})["n"] + 1
        st.session_state.seek = {"t": pts_s, "n": count}
    st.switch_page("pages/tune.py", query_params={"run": run_id})


def tune() -> None:
    """The whole page below its title."""
    from lab.ui.asking import current_ask

    desk = here()
    ask = current_ask(desk)
    run_id = choose_run(desk)
    if run_id is None:
        st.info("Nothing has been analysed yet. Pick a clip and run a detector over it first.")
        st.page_link("pages/source.py", label="Go to Source", icon=":material/arrow_back:")
        return
    run = desk.run(run_id)
    other_analyses(desk, run)
    if run.error:
        st.error(f"This run is {run.state}: {run.error}")
    for part in run.log.damaged:
        st.warning(f"A part of this run is damaged and left out: {part}")
    if ask is not None and ask["media_id"] != run.media["media_id"]:
        st.info("A question is open about another clip; it waits there. Choose that run again, or stop asking.")
        ask = None
    if ask is None:
        add_panel(desk, run)
    rule = show_player(desk, run, current_rule(run), ask)
    if ask is None or not ask["blind"]:
        gate_line(desk, run, rule)
    if ask is None or not ask["blind"]:
        keep_panel(desk, run, rule)
    if is_waiting(desk, run):
        st.fragment(_look_again, run_every=1.5)(desk, run_id, run.state)


def _look_again(desk: Desk, run_id: str, state: str) -> None:
    run = desk.run(run_id)
    if run.state != state or not run.media["is_browser_playable"]:
        if run.state == state and is_waiting(desk, run):
            return
        st.rerun()
