"""Import and export of annotations, and the agreement of two annotators."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.choices import choose_one
from lab.app.ui.widgets.notes import sentence
from lab.app.ui.widgets.reasons import show_reasons
from lab.counted import counted
from lab.errors import LabError
from lab.evaluation.agreement import agreement
from lab.formats.annotations.files import (
    read_rows,
    records_of,
    write_coverage,
    write_rows,
)
from lab.formats.detections.csv import import_detections
from lab.formats.detections.megadetector import Imported, import_megadetector
from lab.formats.export import formats_of
from lab.formats.markdown import plain

_NAMES = {
    "csv": "CSV",
    "boris": "BORIS tabular events",
    "audacity": "Audacity labels",
    "elan": "ELAN",
    "webvtt": "WebVTT",
}


def annotation_files(app_state: AppState) -> None:
    """Import and export, in an expander."""
    panel = st.expander(
        "Annotations: import, export, agreement of two annotators",
        key="annotation_files",
        on_change="rerun",
    )
    if not panel.open:  # what is in it reads all annotations
        return
    with panel:
        left, middle, right = st.columns(3)
        with left:
            _import(app_state)
        with middle:
            _export(app_state)
        with right:
            _agreement(app_state)


def _import(app_state: AppState) -> None:
    st.markdown("**Import**")
    file = st.file_uploader(
        "CSV, BORIS, Audacity, ELAN or WebVTT", type=["csv", "tsv", "txt", "eaf", "vtt"]
    )
    clip = _clip(app_state, "Clip, if the file does not name one", "import_clip", index=None)
    who = st.text_input("Annotated by", placeholder="as in the file")
    watched = st.checkbox("Its clips were watched completely for its labels")
    if file is not None and st.button("Import annotations", type="primary"):
        try:
            rows = read_rows(file.getvalue(), file.name)
            media = app_state.store.all_media()  # names of any form: only all can be matched
            records, notes = records_of(
                rows,
                media,
                annotator=who.strip() or None,
                only_media=app_state.store.media(clip) if clip else None,
                watched=watched,
            )
            count = app_state.store.add_records(records)
            st.success(f"{plain(count)} records imported.")
            for note in notes:
                st.caption(plain(note))
        except LabError as error:
            st.error(plain(error))


def _export(app_state: AppState) -> None:
    st.markdown("**Export**")
    annotations, watched, _ = app_state.truth.records()
    if not annotations and not watched:
        st.caption("There are no annotations yet.")
        return
    formats = formats_of("annotations")
    kind = st.selectbox("Format", formats, format_func=lambda name: _NAMES.get(name, name))
    annotated = sorted({a.media_id for a in annotations} | {c.media_id for c in watched})
    is_of_one = formats[kind].is_of_one_media
    clip = _clip(app_state, "Clip", "export_clip", among=annotated) if is_of_one else None

    def media() -> list[dict[str, Any]]:
        return app_state.store.media_rows(media_id=annotated if clip is None else clip)

    st.download_button(
        "Annotations",
        lambda: write_rows(annotations, watched, media(), kind),
        f"annotations{formats[kind].suffix}",
        on_click="ignore",
    )
    st.download_button(
        "What was watched, as CSV",
        lambda: write_coverage(watched, media()),
        "coverage.csv",
        on_click="ignore",
    )


def _clip(
    app_state: AppState, title: str, key: str, among: list[str] | None = None, **widget: Any
) -> str | None:
    """A choice of one clip of the store. among: ids of those to choose from."""
    store = app_state.store

    def find(text: str, limit: int) -> dict[str, str]:
        rows = store.media_rows(media_id=among, text=text, limit=limit)
        return store.names_of_media(row["media_id"] for row in rows)

    return choose_one(
        st, title, find, key, name=store.names_of_media, what="Parts of a path", **widget
    )


def _agreement(app_state: AppState) -> None:
    st.markdown("**Agreement**")
    annotations, watched, _ = app_state.truth.records()
    names = sorted({c.annotator for c in watched})
    if len(names) < 2:
        st.caption(
            "Once two annotators have watched the same stretches, they can be compared here."
        )
        return
    one = st.selectbox("One", names)
    other = st.selectbox("Other", [n for n in names if n != one])
    try:
        found = agreement(annotations, watched, one, other)
    except LabError as error:
        st.error(plain(error))
        return
    rows = [
        {
            "label": k,
            **{
                n: v[n] for n in ("seconds", "agreement", "kappa", "both", "only_one", "only_other")
            },
        }
        for k, v in [*found["labels"].items(), ("all labels", found["overall"])]
    ]
    st.dataframe(pd.DataFrame(rows), hide_index=True, placeholder="")
    show_reasons(v["refused"] for v in (*found["labels"].values(), found["overall"]))


def detections_from_elsewhere(app_state: AppState) -> None:
    """Import of MegaDetector's JSON and of detections as CSV, as runs, in an expander."""
    with st.expander("Detections from other programs: MegaDetector's JSON, or CSV"):
        file = st.file_uploader("Results file", type=["json", "csv"], key="results_file")
        every = st.number_input(
            "CSV: seconds between samples, if only detections are listed", 0.0, 3600.0, 0.0
        )
        st.caption(
            "The runs have pictures only if the videos are available: `lab import megadetector "
            "FILE --videos DIR`."
        )
        if file is None or not st.button("Import as runs", type="primary"):
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / Path(file.name).name
            path.write_bytes(file.getvalue())
            try:
                if path.suffix.lower() == ".json":
                    found = import_megadetector(
                        path, app_state.store, allowed=app_state.config.allowed
                    )
                else:
                    found = import_detections(
                        path,
                        app_state.store,
                        every_s=every or None,
                        allowed=app_state.config.allowed,
                    )
            except LabError as error:
                st.error(plain(str(error).replace(str(path), file.name)))
                return
        _show_import_result(found)


def _show_import_result(found: Imported) -> None:
    if found.runs:
        st.success(
            f"{counted(len(found.runs), 'run')} imported, to be opened in Review and Measure."
        )
    for note in found.notes[:20]:
        st.caption(plain(sentence(note)))
    for name, why in [*found.failures.items()][:20]:
        st.warning(f"{plain(name)} failed when the detections were made: {plain(why)}")
    for name, why in [*found.refused.items()][:20]:
        st.error(f"{plain(name)}: {plain(why)}")
