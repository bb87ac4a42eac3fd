"""The tab Text embeddings: what prompts are known without a text encoder."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import plain
from lab.detectors.open_vocabulary.text_features import (
    CLIP,
    check_encoder,
    nearest,
    read_embeddings,
)
from lab.errors import LabError, SettingError

_MAX_UPLOAD_MB = 200
_MAX_UNPACKED_BYTES = 1 << 30


def text_embeddings(app_state: AppState) -> None:
    st.caption(
        "Open-vocabulary detectors look for prompts by their embeddings. Each is computed once and "
        "kept; where the text encoder cannot be had, they come from a file."
    )
    counts = app_state.store.embedding_counts()
    if counts:
        for encoder, count in counts.items():
            st.markdown(f"**{count}** kept for `{encoder}`")
    else:
        st.info("No embedding is kept yet. Import a file below; a run with prompts adds its own.")
    left, right = st.columns(2, gap="large")
    with left:
        _import(app_state)
    with right:
        _search(app_state, list(counts))


def _import(app_state: AppState) -> None:
    st.markdown("**Import**")
    file = st.file_uploader(
        "File of embeddings: an .npz with `names` and `emb`",
        type=["npz"],
        max_upload_size=_MAX_UPLOAD_MB,
        key="embeddings_file",
    )
    encoder = st.text_input(
        "Made by the encoder",
        CLIP,
        key="keep_embeddings_encoder",
        persist_state="session",
        help="Embeddings of two encoders cannot be compared.",
    )
    if st.button("Import embeddings", type="primary", disabled=file is None):
        try:
            st.session_state.embeddings_told = _read(app_state, file, encoder.strip())
        except LabError as error:
            st.error(plain(str(error)))
            return
        st.rerun()  # the counts above
    if told := st.session_state.pop("embeddings_told", None):
        st.success(told)


def _read(app_state: AppState, file: Any, encoder: str) -> str:
    """What was imported, in words. Raises SettingError."""
    if not encoder:
        raise SettingError(f"name the encoder that made the embeddings, such as {CLIP}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "embeddings.npz"
        path.write_bytes(file.getbuffer())
        try:
            _check_unpacked(path)
            vectors = read_embeddings(path)
        except SettingError as error:
            raise SettingError(" ".join(str(error).replace(str(path), file.name).split())) from None
    if not vectors:
        raise SettingError(f"{file.name} holds no embeddings")
    check_encoder(encoder, vectors, app_state.store)
    other = app_state.store.differing_embeddings(encoder, vectors)
    fresh = app_state.store.save_embeddings(encoder, vectors, file.name)
    told = f"{fresh} embeddings kept, {len(vectors) - fresh} were known."
    if other:
        few = ", ".join(map(plain, other[:5])) + (
            f" and {len(other) - 5} more" if len(other) > 5 else ""
        )
        told += f" Known with another embedding, which stays: {few}; `lab embeddings import --replace` takes those of the file."
    return told


def _check_unpacked(path: Path) -> None:
    """A small file may unpack to more than there is memory."""
    if not zipfile.is_zipfile(path):
        return  # the reader says what is wrong with it
    with zipfile.ZipFile(path) as packed:
        if sum(entry.file_size for entry in packed.infolist()) > _MAX_UNPACKED_BYTES:
            raise SettingError(f"{path} unpacks to more than 1 GiB; import it in parts")


def _search(app_state: AppState, encoders: list[str]) -> None:
    st.markdown("**Is a prompt known?**")
    if not encoders:
        st.caption("Once embeddings are kept, prompts can be looked up here.")
        return
    encoder = encoders[0]
    if len(encoders) > 1:
        encoder = st.selectbox(
            "Encoder", encoders, index=encoders.index(CLIP) if CLIP in encoders else 0
        )
    text = st.text_input(
        "Prompt", key="keep_prompt_search", persist_state="session", placeholder="sea otter"
    ).strip()
    if not text:
        return
    names = set(app_state.store.embedding_names(encoder))
    if text in names:
        st.success(f"“{plain(text)}” is known.")
    else:
        st.warning(
            f"“{plain(text)}” is not known; it would be computed, if the text encoder is here."
        )
    close = [name for name in nearest(text, names, 6) if name != text]
    if close:
        st.markdown("Closest names: " + ", ".join(plain(name) for name in close))
    elif text not in names:
        st.caption("No known name is like it.")
