"""What labels stand for, as a table to edit."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from lab.app.server.state import AppState
from lab.counted import counted
from lab.errors import LabError, SettingError
from lab.formats.markdown import plain
from lab.store.taxa import OBSERVATION_TYPES, Taxon
from lab.study.camtrap_dp.columns import TAXON_RANKS
from lab.study.taxa_file import read_taxa

_COLUMNS = {
    "label": "Label",
    "observation_type": "Type",
    "scientific_name": "Scientific name",
    "english_name": "English name",
    "taxon_rank": "Rank",
    "taxon_id": "Taxon ID",
}


def show_taxa(app_state: AppState) -> None:
    store = app_state.store
    known = store.taxa()
    counts = store.sighting_counts("label")
    missing = [label for label in counts if label not in known]
    st.markdown("What each label of a detector stands for, in events and exports.")
    if missing:
        st.caption(
            f"{counted(len(missing), 'label')} with sightings and without a taxon: "
            f"{plain(', '.join(missing[:12]))}{' …' if len(missing) > 12 else ''}"
        )
    rows = [[_cell(name, getattr(taxon, name)) for name in _COLUMNS] for taxon in known.values()]
    rows += [[_cell(name, label if name == "label" else None) for name in _COLUMNS]
             for label in missing]  # fmt: skip
    frame = pd.DataFrame(rows, columns=list(_COLUMNS.values()), dtype="object")
    version = st.session_state.get("taxa_n", 0)
    edited = st.data_editor(
        frame,
        key=f"taxa_{version}_{len(frame)}",
        num_rows="dynamic",
        hide_index=True,
        width="stretch",
        column_config={
            "Type": st.column_config.SelectboxColumn(options=list(OBSERVATION_TYPES)),
            "Rank": st.column_config.SelectboxColumn(options=list(TAXON_RANKS)),
            "Scientific name": st.column_config.TextColumn(help="Needed of animals"),
            **{
                name: st.column_config.TextColumn()
                for name in ("Label", "English name", "Taxon ID")
            },
        },
        placeholder="",
    )
    try:
        taxa = taxa_of_rows(edited.astype(object).where(edited.notna(), None).to_dict("records"))
    except LabError as error:
        st.error(plain(error))
        taxa = None
    if st.button("Keep the table", type="primary", key="keep_taxa", disabled=taxa is None):
        _keep(app_state, taxa or [])
    _import(app_state)


def _cell(name: str, value: str | None) -> str | None:
    """Texts are empty where there is none: None would be shown as a word."""
    return value if name in ("observation_type", "taxon_rank") else value or ""


def taxa_of_rows(rows: list[dict[str, Any]]) -> list[Taxon]:
    """The taxa of the table's rows; those with a label alone are left out. Raises SettingError."""
    taxa: dict[str, Taxon] = {}
    for row in rows:
        texts = {name: str(row.get(title) or "").strip() for name, title in _COLUMNS.items()}
        if not any(text for name, text in texts.items() if name != "label"):
            continue
        label = texts["label"]
        if not label:
            raise SettingError("a row has no label; write the label of a detector in it")
        if label in taxa:
            raise SettingError(f"label {label!r} is in two rows; keep one")
        if not texts["observation_type"]:
            raise SettingError(f"{label!r} has no type; choose one of the list")
        taxa[label] = Taxon(**{name: text or None for name, text in texts.items()})  # type: ignore[arg-type]
    return list(taxa.values())


def _keep(app_state: AppState, taxa: list[Taxon]) -> None:
    kept = {taxon.label for taxon in taxa}
    app_state.store.delete_taxa([label for label in app_state.store.taxa() if label not in kept])
    app_state.store.put_taxa(taxa)
    _done(f"{counted(len(taxa), 'taxon', 'taxa')} kept.")


def _done(message: str) -> None:
    st.session_state.taxa_n = st.session_state.get("taxa_n", 0) + 1
    st.session_state.sites_message = message
    st.rerun()


def _import(app_state: AppState) -> None:
    with st.expander("Read taxa from a CSV"):
        version = st.session_state.get("taxa_n", 0)
        file = st.file_uploader(
            "Columns: label, observationType, scientificName, vernacularName, taxonRank, taxonID",
            type=["csv", "tsv", "txt"],
            key=f"taxa_file_{version}",
        )
        if file is None:
            return
        try:
            taxa = read_taxa(file.name, file.getvalue())
        except LabError as error:
            st.error(plain(error))
            return
        known = app_state.store.taxa()
        new = sum(taxon.label not in known for taxon in taxa)
        st.markdown(f"{counted(len(taxa), 'taxon', 'taxa')} read, {new:,} of them new.")
        if st.button("Keep these taxa", type="primary", key="keep_read_taxa"):
            app_state.store.put_taxa(taxa)
            _done(f"{counted(len(taxa), 'taxon', 'taxa')} kept.")
