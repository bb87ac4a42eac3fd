"""The Models page: the contents of the models folder, and tabs for what can be added."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import here, size
from lab.app.ui.widgets.embeddings_tab import text_embeddings
from lab.app.ui.widgets.known_models import known
from lab.app.ui.widgets.lists_tab import edit_lists
from lab.app.ui.widgets.model_list import WAIT_S, listing, newest_rows, start_listing
from lab.counted import counted
from lab.detectors.weights.files import DEFAULT_NAME, models_folder
from lab.detectors.weights.find import default_place
from lab.errors import LabError
from lab.formats.markdown import code, plain
from lab.jobs.job import Job


def models() -> None:
    """The whole page below its title."""
    app_state = here()
    shows: dict[str, Callable[[AppState], None]] = {
        "Here": _here,
        "Known": known,
        "Text embeddings": text_embeddings,
        "Brands": partial(edit_lists, kind="brands"),
        "Scenes": partial(edit_lists, kind="scenes"),
    }
    tabs = st.tabs([plain(name) for name in shows], key="keep_models_tab", on_change="rerun")
    for tab, show in zip(tabs, shows.values(), strict=True):
        if tab.open:
            with tab:
                try:
                    show(app_state)
                except LabError as error:
                    st.error(plain(error))


def _here(app_state: AppState) -> None:
    st.caption(
        "Models are files in this folder: .pt checkpoints, .onnx exports, OpenVINO folders. "
        "Copy them there by hand. They cannot be uploaded here, because a checkpoint is a program: "
        "only people with access to this machine may add one."
    )
    st.code(str(models_folder()), language=None, wrap_lines=True)
    job = listing(app_state)
    if job.is_active:
        with st.spinner("Reading the models folder…"):
            job.finished.wait(WAIT_S)
    if job.state == "failed":
        st.error(plain(job.error or "the folder could not be read"))
        if st.button("Read again"):
            start_listing(app_state)
            st.rerun()
    if job.is_active:
        st.caption("Reading what is new in the folder; large files take a while.")
        st.fragment(_until_listed, run_every=0.5)(job)
    rows = newest_rows(app_state)
    if rows is None:
        return
    if not rows:
        _nothing_here(app_state)
        return
    _table(rows)


def _nothing_here(app_state: AppState) -> None:
    place = default_place()
    words = "The folder has no models."
    if place is not None and place.is_file():
        words += f" The default, {code(DEFAULT_NAME)}, came with the installation and can be used."
    if app_state.config.offline:
        words += " Others have to be copied into the folder: downloads are switched off."
    else:
        words += " The tab Known lists others, and where they come from."
    st.info(words)


def _until_listed(job: Job) -> None:
    if not job.is_active:
        st.rerun()


def _table(rows: list[dict[str, Any]]) -> None:
    broken = sum(row["problem"] is not None for row in rows)
    words = f", {broken} cannot be used" if broken else ""
    st.markdown(f"**{counted(len(rows), 'model')}{words}.** Click one for its details.")
    frame = pd.DataFrame([_table_row(row) for row in rows])
    if not broken:
        del frame["Problem"]
    event = st.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
        key="models_here_" + "/".join(row["name"] for row in rows),  # a row is picked by number
        column_config={
            "Name": st.column_config.TextColumn(pinned=True),
            "Problem": st.column_config.TextColumn(width="medium"),
        },
        placeholder="",
    )
    picked = event["selection"]["rows"] or [cell[0] for cell in event["selection"]["cells"]]
    if picked and picked[0] < len(rows):
        _details(rows[picked[0]])


def _table_row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "Name": row["name"],
        "Problem": (row["problem"] or "").removeprefix(f"{row['path']} "),
        "Task": row["task"] or "–",
        "Detector": row["detector"] if row["detector"] and not row["problem"] else "–",
        "Classes": str(len(row["classes"])) if row["classes"] else "–",
        "Image size": f"{row['image_size']} px" if row["image_size"] else "–",
        "Size": size(row["size_bytes"]),
        "sha256": (row["sha256"] or "–")[:12],
        "Licence": row["licence"],
    }


def _details(row: dict[str, Any]) -> None:
    with st.container(border=True):
        st.markdown(f"**{plain(row['name'])}**")
        if row["problem"]:
            st.error(plain(row["problem"]))
        facts = [row["format"], f"licence {row['licence']}", f"{row['size_bytes']} bytes"]
        if row["detector"] and not row["problem"]:
            facts.insert(0, f"used by detector {row['detector']}")
        st.markdown(" · ".join(plain(fact) for fact in facts))
        st.code(
            f"{row['path']}\nsha256 {row['sha256'] or 'unknown'}", language=None, wrap_lines=True
        )
        if not row["classes"]:
            st.caption("The file does not name its classes.")
            return
        text = st.text_input(
            "Search its classes", key="models_class_search", placeholder="Part of a name"
        )
        found = [(i, n) for i, n in enumerate(row["classes"]) if text.strip().lower() in n.lower()]
        st.caption(f"{len(found)} of {len(row['classes'])} classes")
        if found:
            st.dataframe(
                pd.DataFrame(found, columns=["Number", "Class"]),
                hide_index=True,
                width="stretch",
                placeholder="",
            )
