"""The tab Text embeddings: prompts whose embeddings are in the store."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.detectors.open_vocabulary.text_features import (
    CLIP,
    check_encoder,
    nearest,
    read_embeddings,
)
from lab.errors import LabError, SettingError
from lab.formats.markdown import code, plain

_MAX_UPLOAD_MB = 200
_MAX_UNPACKED_BYTES = 1 << 30


def text_embeddings(app_state: AppState) -> None:
    st.caption(
        "A detector that finds whatever is typed compares pictures with an embedding of each "
        "prompt: numbers that a text encoder makes of its words. The first run with a prompt "
        "computes and keeps it; where the encoder is not installed, import embeddings from a file."
    )
    counts = app_state.store.embedding_counts()
    if counts:
        for encoder, count in counts.items():
            st.markdown(f"**{plain(count)}** stored for {code(encoder)}")
    else:
        st.info("No embedding is stored yet. Import a file below; a run with prompts adds its own.")
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
            st.session_state.embeddings_message = _read(app_state, file, encoder.strip())
        except LabError as error:
            st.error(plain(error))
            return
        st.rerun()  # the counts above
    if message := st.session_state.pop("embeddings_message", None):
        st.success(plain(message))


def _read(app_state: AppState, file: Any, encoder: str) -> str:
    """Import a file; a message that says what was imported. Raises SettingError."""
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
        raise SettingError(f"{file.name} has no embeddings")
    check_encoder(encoder, vectors, app_state.store)
    differing = app_state.store.differing_embeddings(encoder, vectors)
    new = app_state.store.save_embeddings(encoder, vectors, file.name)
    message = f"{new} embeddings saved, {len(vectors) - new} were in the store already."
    if differing:
        listed = ", ".join(map(plain, differing[:5])) + (
            f" and {len(differing) - 5} more" if len(differing) > 5 else ""
        )
        message += (
            f" The store has a different embedding and keeps it: {listed}; "
            "`lab embeddings import --replace` takes the file's."
        )
    return message


def _check_unpacked(path: Path) -> None:
    """Raise SettingError for a small file that unpacks to more than memory may hold."""
    if not zipfile.is_zipfile(path):
        return  # the reader reports what is wrong with it
    with zipfile.ZipFile(path) as packed:
        if sum(entry.file_size for entry in packed.infolist()) > _MAX_UNPACKED_BYTES:
            raise SettingError(f"{path} unpacks to more than 1 GiB; import it in parts")


def _search(app_state: AppState, encoders: list[str]) -> None:
    st.markdown("**Look up a prompt**")
    if not encoders:
        st.caption("Once embeddings are stored, prompts can be looked up here.")
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
