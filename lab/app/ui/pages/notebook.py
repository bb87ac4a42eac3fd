"""The page Notebook: runs and saved rules with their figures, and what was concluded from them."""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import here
from lab.app.ui.widgets.entry_details import show_details
from lab.app.ui.widgets.entry_row import EntryRow, show_entry
from lab.app.ui.widgets.pager import pager
from lab.app.ui.widgets.progress import is_done
from lab.errors import LabError
from lab.experiments.glance import Glance, glance
from lab.formats.markdown import plain
from lab.runs.run import Run
from lab.store.experiments import EntryFilter
from lab.store.store import Store

_PAGE = 20
_AGAIN_S = 60.0  # a log that grows is measured anew


def notebook() -> None:
    """The whole page below its title."""
    app_state = here()
    store = app_state.store
    total = store.count_entries()
    if not total:
        st.info(
            "Nothing is written here yet. Analyse a clip: its run becomes an entry. Save a rule in "
            "Review: it becomes another, with its figures and what it changed."
        )
        st.page_link(
            "pages/library.py", label="Choose clips in Library", icon=":material/video_library:"
        )
        return
    wanted = _filters(store)
    count = store.count_entries(**wanted)
    st.caption(
        f"{count:,} of {total:,} entries, newest first. Figures are against what is annotated "
        "now, in brackets their 95 % intervals; a run has those of the rule applied to its clips."
    )
    if not count:
        st.info("No entry fits. Search for fewer words, or choose fewer tags.")
        return
    first = pager("entries", count, _PAGE, of=wanted)
    rows = store.entries(limit=_PAGE, offset=first, **wanted)
    opened = st.session_state.get("entry_open")
    for entry in _with_figures(app_state, rows):
        is_open = entry.row["entry_id"] == opened
        with st.container(border=True):
            show_entry(app_state, entry, is_open)
            if is_open:
                try:
                    show_details(app_state, entry.row)
                except LabError as error:
                    st.error(plain(error))


def _filters(store: Store) -> EntryFilter:
    first, second, third = st.columns([2, 2, 2], vertical_alignment="bottom")
    text = first.text_input("Search", placeholder="in titles, notes, conclusions, tags")
    tags = second.multiselect("Tags", store.entry_tags(), placeholder="All")
    with third:
        kinds = st.pills(
            "Show", ["starred", "archived"], selection_mode="multi", label_visibility="collapsed"
        )
    return {
        "text": text,
        "tags": tags,
        "starred": True if "starred" in kinds else None,
        "archived": "archived" in kinds,
    }


def _with_figures(app_state: AppState, rows: list[dict[str, Any]]) -> list[EntryRow]:
    """The entries of a page, each with its run, its clip, the one before and its figures."""
    store = app_state.store
    run_ids = list(dict.fromkeys(row["run_id"] for row in rows))
    rows_of_runs = store.runs(run_id=run_ids)
    removed = {r["run_id"] for r in rows_of_runs if r["log_removed_utc"] is not None}
    with_log = [i for i in run_ids if i not in removed and store.log_folder(i).is_dir()]
    runs = {run.run_id: run for run in app_state.runs(with_log)}
    media = {row["run_id"]: row["media_id"] for row in rows_of_runs}
    clips = {row["media_id"]: row for row in store.clips(media_id=sorted(set(media.values())))}
    before = _before(store, rows)
    found = _figures(app_state, rows, runs)
    return [
        EntryRow(
            row,
            runs.get(row["run_id"]),
            clips.get(media.get(row["run_id"], "")),
            before.get(row["entry_id"]),
            found.get(row["entry_id"]),
        )
        for row in rows
    ]


def _before(store: Store, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """What each entry is compared with: what it follows from, else its run's rule before it."""
    found = store.rules_before([row["entry_id"] for row in rows])
    chosen = {
        row["entry_id"]: [p for p in row["parents"] if not p.startswith("run-")]
        for row in rows
        if row["rule"] is not None
    }
    wanted = sorted({parent for parents in chosen.values() for parent in parents})
    if not wanted:
        return found
    known = {row["entry_id"]: row for row in store.entries(entry_id=wanted)}
    for entry_id, parents in chosen.items():
        rules = [known[p] for p in parents if p in known and known[p]["rule"] is not None]
        if rules:
            found[entry_id] = rules[0]
    return found


def _figures(
    app_state: AppState, rows: list[dict[str, Any]], runs: dict[str, Run]
) -> dict[str, Glance]:
    """The figures of these entries; of none while they are computed, which the page shows.

    Those of runs that go on are computed apart: their logs grow, and the others must not wait.
    """
    asked = [row for row in rows if row["run_id"] in runs]
    going_on = [row for row in asked if runs[row["run_id"]].state == "running"]
    ended = [row for row in asked if runs[row["run_id"]].state != "running"]
    found = _measured(app_state, ended, runs, None) if ended else {}
    if going_on:
        found |= _measured(app_state, going_on, runs, int(time.time() // _AGAIN_S))
    return found


def _measured(
    app_state: AppState, asked: list[dict[str, Any]], runs: dict[str, Run], minute: int | None
) -> dict[str, Glance]:
    """minute: when, of runs whose logs grow; those of others are known by their logs."""
    media_ids = sorted({runs[row["run_id"]].media["media_id"] for row in asked})
    truth = app_state.truth.truth_of_clips(media_ids)
    protocols = sorted({runs[row["run_id"]].protocol_hash for row in asked})
    applied = app_state.store.current_rules(protocols)
    of_clips = {name: one.rule.to_dict() for name, one in applied.items()}

    def compute(report: Any) -> dict[str, Glance]:
        found = {}
        for i, row in enumerate(asked):
            report(i, len(asked))
            run = runs[row["run_id"]]
            rule = row["rule"] or of_clips.get(run.protocol_hash)
            found[row["entry_id"]] = glance(run, rule, truth)
        return found

    def stamp(row: dict[str, Any]) -> object:
        return app_state.log_stamp(row["run_id"]) if minute is None else minute

    key = (
        "notebook",
        tuple((row["entry_id"], stamp(row)) for row in asked),
        app_state.store.annotations_version,
        tuple(one.rule.rule_hash for one in applied.values()),
    )
    what = "Measuring these entries" if minute is None else "Measuring runs that go on"
    computation = app_state.computations.get(key, what, compute)
    if not is_done(computation):
        return {}
    result: dict[str, Glance] = computation.result
    return result
