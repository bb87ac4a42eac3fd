"""Phrasings: labels of one run, compared on identical frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import asset, note_damage, script
from lab.app.ui.widgets.clip_address import clip_address, is_waiting
from lab.app.ui.widgets.clip_with_runs import clip_with_runs
from lab.app.ui.widgets.notes import sentence
from lab.app.ui.widgets.selection import MOST_ASKED, protocol_name
from lab.evaluation.phrasing import Phrasing, compare_phrases
from lab.evaluation.truth import Truth
from lab.formats.csv import to_csv
from lab.formats.markdown import plain
from lab.rules.rule import Rule
from lab.runs.run import Run
from lab.score_log.parts import added_folders
from lab.score_log.score_log import log_fingerprint

MAX, _DEFAULT_COUNT = 6, 3
_panels = st.components.v2.component(
    "lab_phrases",
    html=asset("phrases/phrases.html"),
    css=asset("phrases/phrases.css"),
    js=script("phrases/phrases.js"),
)


def phrasings(app_state: AppState) -> None:
    """The choices, the panels and the table."""
    run = _run(app_state)
    if run is None:
        st.info(
            "Every run here has only one label. Run a detector for two or more phrases, or add "
            "prompts to a run."
        )
        st.page_link("pages/analyse.py", label="Go to Analyse", icon=":material/arrow_back:")
        return
    strongest = by_peak(run)
    if len(strongest) < 2:
        st.info("This run has fewer than two labels: there is nothing to compare.")
        return
    key = f"keep_phrases_labels_{run.run_id}"
    st.session_state.setdefault(key, strongest[:_DEFAULT_COUNT])
    phrases = st.multiselect(
        "Phrases",
        strongest,
        key=key,
        persist_state="session",
        max_selections=MAX,
        help="Two to six, strongest first. All are compared on the same frames.",
    )
    first, second = st.columns(2)
    rule = _rule(app_state, first, run)
    annotations = app_state.truth.truth_of(run.media["media_id"])
    label = second.selectbox(
        "Against the annotations of",
        sorted(annotations.by_media.get(run.media["media_id"], {})),
        index=None,
        key=f"keep_phrases_truth_{run.media['media_id']}",
        persist_state="session",
        placeholder="No annotations",
        help="A label that was annotated on this clip; its annotations count for every phrase.",
    )
    if len(phrases) < 2:
        st.info("Choose at least two phrases.")
        return
    found = compare_phrases(run, phrases, rule, annotations if label else None, label)
    for note in found.notes:
        st.caption(plain(sentence(note)))
    _show(app_state, run, found, annotations)
    table = to_csv(found.flat_rows(), list(found.flat_rows()[0]))
    st.download_button(
        "Table as CSV", table, f"phrases_{run.run_id}.csv", "text/csv", on_click="ignore"
    )
    if is_waiting(app_state, run):
        st.fragment(_rerun_when_ready, run_every=1.5)(app_state, run)


def by_peak(run: Run) -> list[str]:
    """The run's labels by highest score, descending; ties keep the run's order.

    Of a run that was told no labels, and so knows very many, those that it found.
    """
    log = run.log
    peak = dict.fromkeys(run.labels, 0.0) | dict(zip(log.labels, log.peaks.tolist(), strict=True))
    strongest = sorted(peak, key=lambda label: -peak[label])
    return [x for x in strongest if peak[x] > 0] if len(strongest) > MOST_ASKED else strongest


def _run(app_state: AppState) -> Run | None:
    """The run that is chosen; None if there is none with several phrases."""
    left, right = st.columns(2)
    picked = clip_with_runs(
        app_state, left, "keep_phrases_clip", phrases=True, persist_state="session"
    )
    if picked is None:
        return None
    clip, rows = picked
    fit = [
        row
        for row in rows
        if len(row["recipe"]["labels"]) != 1
        or added_folders(app_state.store.log_folder(row["run_id"]))
    ]
    of_clip = {row["run_id"]: row for row in fit or rows}
    run_id = right.selectbox(
        "Run",
        list(of_clip),
        format_func=lambda i: f"{protocol_name(of_clip[i])} · {i}",
        key=f"keep_phrases_run_{clip}",
        persist_state="session",
    )
    app_state.expect(run_id, of_clip[run_id]["state"])
    run = app_state.run(run_id)
    note_damage(run)
    return run


def _rule(app_state: AppState, place: Any, run: Run) -> Rule:
    rules: dict[str, Rule] = {
        "default": run.default_rule,
        **{r["name"]: r["rule"] for r in app_state.store.rules()},
    }
    if st.session_state.get("rule") is not None and st.session_state.get("rule_run") == run.run_id:
        rules = {"as in Review": st.session_state.rule, **rules}
    return rules[
        place.selectbox(
            "Rule", list(rules), key=f"keep_phrases_rule_{run.run_id}", persist_state="session"
        )
    ]


def _show(app_state: AppState, run: Run, found: Phrasing, annotations: Truth) -> None:
    media = run.media
    src, wait = clip_address(app_state, media)
    truth = None
    if found.truth is not None:
        of_label = annotations.of(media["media_id"], found.truth["label"])
        truth = {
            **found.truth,
            "present_us": of_label.present.tolist(),
            "covered_us": of_label.covered.tolist(),
        }
    _panels(
        key="phrases",
        data={
            "run_id": run.run_id,
            "log_v": log_fingerprint(run.store.log_folder(run.run_id)),
            "media_id": media["media_id"],
            "src": src,
            "src_wait": wait,
            "first_pts_us": media["first_pts_us"],
            "end_us": media["end_us"],
            "browser_offset_us": media["browser_offset_us"],
            "size_px": list(run.size_px),
            "frame_rate": media["frame_rate"],
            "panels": [_panel(run, found, row["phrase"]) for row in found.rows],
            "rows": list(found.rows),
            "best": found.best,
            "truth": truth,
            "moments": [d.to_dict() for d in found.disagreements],
        },
    )


def _panel(run: Run, found: Phrasing, phrase: str) -> dict[str, Any]:
    """The data of one panel. left_out: positions in the log of boxes that the filter drops."""
    rule, log = found.rule.of(phrase), run.log
    left_out: list[int] = []
    if not rule.box_filter.passes_all:
        own_rows = np.flatnonzero(log.label == log.labels.index(phrase))
        left_out = own_rows[~rule.box_filter.mask(log.box_xyxy_px[own_rows], *run.size_px)].tolist()
    return {
        "phrase": phrase,
        "enter_threshold": rule.debounce.enter_threshold,
        "exit_threshold": rule.debounce.exit_threshold,
        "sightings": [[s.onset_s, s.offset_s] for s in found.sightings[phrase]],
        "left_out": left_out,
    }


def _rerun_when_ready(app_state: AppState, run: Run) -> None:
    if not is_waiting(app_state, run):
        st.rerun()
