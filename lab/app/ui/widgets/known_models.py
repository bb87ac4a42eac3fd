"""The tab Known: the models that are known by name as one table, and how to get each."""

from __future__ import annotations

from urllib.parse import urlsplit

import pandas as pd
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import size
from lab.app.ui.widgets.downloads import newest_downloads, show_downloads, start_download
from lab.config import Config
from lab.detectors.models_folder import unfinished
from lab.detectors.weights.catalogue import CHECKS
from lab.detectors.weights.files import models_folder
from lab.detectors.weights.known import KnownModel, known_models
from lab.errors import LabError
from lab.formats.markdown import plain

_HEIGHT_PX = 420


def known(app_state: AppState) -> None:
    """The whole tab."""
    models = known_models(models_folder())
    if app_state.config.offline:
        st.info(
            f"Nothing is downloaded: {plain(why_offline(app_state.config))}. Pick a model to see "
            "how to copy its file in by hand."
        )
    show_downloads(app_state)
    text = st.text_input(
        "Filter",
        key="keep_known_filter",
        persist_state="session",
        placeholder="Parts of a name, of what it finds, of a licence: yolo11 segmentation",
    )
    words = text.lower().split()
    fit = [model for model in models if all(word in _search_text(model) for word in words)]
    st.caption(
        f"{len(fit)} of {len(models)} known models; {sum(m.is_here for m in fit)} here. "
        "Add your own to catalogue.toml in the models folder."
    )
    if not fit:
        st.info("No known model has all of these words.")
        return
    picked = _table(app_state, fit)
    if picked is not None:
        _details(app_state, picked)


def why_offline(config: Config) -> str:
    """Which setting switches downloads off."""
    origin = config.origins.get("offline", "the setting offline")
    return f"downloads are switched off by {origin}"


def _search_text(model: KnownModel) -> str:
    state = "here" if model.is_here else "not here"
    task = model.entry.task if model.entry is not None else "detect"
    words = (model.name, model.finds, model.licence, model.publisher, task, state)
    return " ".join(words).lower()


def _table(app_state: AppState, models: list[KnownModel]) -> KnownModel | None:
    """The table; the model that is picked, or the only one."""
    jobs, parts, speeds = newest_downloads(app_state), unfinished(), _speeds(app_state)

    def state(model: KnownModel) -> str:
        job = jobs.get(model.name)
        if model.is_here:
            return "here"
        if job is not None and job.is_active:
            return "downloading"
        return f"{size(parts[model.name])} of it" if model.name in parts else "not here"

    frame = pd.DataFrame(
        [
            {
                "Name": model.name,
                "Here": state(model),
                "Finds": model.finds,
                "MiB": None if model.size_bytes is None else model.size_bytes / 2**20,
                "Licence": model.licence,
                "From": model.publisher,
                "Samples/s": speeds.get(model.name),
            }
            for model in models
        ]
    )
    if frame["Samples/s"].isna().all():
        del frame["Samples/s"]
    event = st.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        placeholder="–",
        height=_HEIGHT_PX if len(models) > 10 else "auto",
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
        key=f"known_{hash(tuple(model.name for model in models))}",  # a row is picked by number
        column_config={
            "Name": st.column_config.TextColumn(pinned=True),
            "Finds": st.column_config.TextColumn(width="medium"),
            "MiB": st.column_config.NumberColumn(
                format="%.1f", help="Of the file here, or as published; empty if not known."
            ),
            "Licence": st.column_config.TextColumn(width="small"),
            "Samples/s": st.column_config.NumberColumn(
                format="%.1f", help="In runs of this store, decoding included."
            ),
        },
    )
    picked = event["selection"]["rows"] or [cell[0] for cell in event["selection"]["cells"]]
    if picked and picked[0] < len(models):
        return models[picked[0]]
    if len(models) == 1:
        return models[0]
    st.caption("Pick a row for its details.")
    return None


def _speeds(app_state: AppState) -> dict[str, float]:
    try:
        return app_state.store.speeds_of_weights()
    except LabError:  # which other pages show; models need no store
        return {}


def _details(app_state: AppState, model: KnownModel) -> None:
    with st.container(border=True):
        st.markdown(f"**{plain(model.name)}** finds {plain(model.finds)}.")
        facts = [f"licence {model.licence}", f"from {model.publisher}"]
        facts.append(size(model.size_bytes) if model.size_bytes else "size not known")
        st.markdown(" · ".join(plain(fact) for fact in facts))
        if model.is_here or model.entry is None:
            st.caption("It is here:")
            st.code(str(model.place), language=None, wrap_lines=True)
            return
        _download(app_state, model)
        st.caption(
            "To copy it in by hand, fetch this file on any machine, and put it at the place below. "
            f"Check: {plain(CHECKS[model.entry.check])}."
        )
        st.code(f"{model.address}\n{model.place}", language=None, wrap_lines=True)


def _download(app_state: AppState, model: KnownModel) -> None:
    """A button where its server answers; else why there is none."""
    if app_state.config.offline or model.entry is None:
        return
    answers = app_state.network.answers(model.entry.url)
    host = urlsplit(model.entry.url).hostname
    if answers is None:
        st.fragment(_until_known, run_every=0.5)(app_state, model.entry.url)
        return
    if not answers:
        st.warning(
            f"It cannot be downloaded now: {plain(host)} cannot be reached from this machine."
        )
        if st.button("Ask again", key="ask_network_again"):
            app_state.network.forget()
            st.rerun()
        return
    job = newest_downloads(app_state).get(model.name)
    is_active = job is not None and job.is_active
    part_bytes = unfinished().get(model.name)
    label = "Download" if not part_bytes else f"Continue from {size(part_bytes)}"
    if st.button(
        "Downloading" if is_active else label,
        key=f"get_{model.name}",
        disabled=is_active,
        icon=":material/download:",
        type="primary",
    ):
        start_download(app_state, model.name)
        st.rerun()


def _until_known(app_state: AppState, url: str) -> None:
    if app_state.network.answers(url) is not None:
        st.rerun()
    st.caption(f"Asking whether {plain(urlsplit(url).hostname)} can be reached…")
