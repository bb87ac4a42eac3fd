"""Which run Review shows: the list of runs, and the others of the same pass over the clip."""

from __future__ import annotations

from typing import Any, Unpack

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lab.app.server.state import AppState
from lab.app.ui.widgets.choices import MOST
from lab.counted import counted
from lab.formats.markdown import isolated, plain
from lab.runs.run import Run
from lab.store.run_queries import RunFilter


def choose_run(app_state: AppState, line: DeltaGenerator, linked: str | None) -> str | None:
    """The run that is asked for, else the last one looked at, else the newest; None without runs.

    line: where the choice goes. linked: by the address.
    """
    state = st.session_state
    asked = linked or state.get("review_run") or _last_looked_at(app_state)
    runs, is_all = _newest(app_state, line)
    others = [i for i in {asked, state.get("review_pick")} if i and i not in runs]
    named = _with_logs(app_state, run_id=others) if others else {}
    known = {**named, **runs}
    if not known and is_all:
        return None
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
    if changed := [i for i, row in runs.items() if row["media_id"] not in media]:  # it has arrived
        runs |= _with_logs(app_state, run_id=changed)
        media = app_state.store.names_of_media({row["media_id"] for row in runs.values()})
    picked = line.selectbox(
        "Run",
        list(runs),
        key="review_pick",
        label_visibility="collapsed",
        format_func=lambda i: (
            f"{isolated(media.get(runs[i]['media_id'], '?'))} · {_what(runs[i])} · every "
            f"{runs[i]['recipe']['every_s']:g} s · {runs[i]['state']} · {i}"
        ),
    )
    app_state.expect(picked, runs[picked]["state"])
    if requested and picked != requested:
        st.session_state.pop("rule", None)
    state.review_run = state.review_shown = picked
    return picked


def _last_looked_at(app_state: AppState) -> str | None:
    """The run that somebody looked at last, in this session or another."""
    known = (place.run_id for place in app_state.store.places())
    return next((i for i in known if app_state.store.log_folder(i).is_dir()), None)


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
    """Runs by id, the newest first, without those whose log is missing, or was removed unless it
    is asked for by its id.
    """
    found: dict[str, dict[str, Any]] = {}
    missing = offset = 0
    if "run_id" not in wanted:
        wanted["has_log"] = True
    while True:
        rows = app_state.store.runs(limit=limit, offset=offset, **wanted)
        here = [r for r in rows if app_state.store.log_folder(r["run_id"]).is_dir()]
        found |= {row["run_id"]: row for row in here}
        missing, offset = missing + len(rows) - len(here), offset + len(rows)
        if limit is None or len(rows) < limit or len(found) >= limit:
            break
    if missing:
        st.warning(
            f"The score logs of {counted(missing, 'run')} are missing from "
            f"{plain(app_state.store.folder / 'logs')}; what has none is not listed."
        )
    return found


def _what(row: dict[str, Any]) -> str:
    """The analysis, if it was one of several or not the default detector, and its labels."""
    title = row["environment"].get("analysis") or row["recipe"]["detector"]
    labels = _few(row["recipe"]["labels"])
    return labels if title == "yolo" else f"{title}: {labels or 'any label'}"


def _few(labels: list[str]) -> str:
    return ", ".join(labels) if len(labels) <= 3 else f"{len(labels)} labels"


def other_runs(app_state: AppState, run: Run) -> None:
    """A choice between the runs of the same pass over the clip, by their analyses."""
    if run.pass_id is None:
        return
    rows = app_state.store.runs(pass_id=run.pass_id, order="oldest")
    names = {r["run_id"]: r["environment"]["analysis"] for r in rows}
    if len(names) < 2:
        return
    picked = st.selectbox(
        "Runs of this pass",
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
