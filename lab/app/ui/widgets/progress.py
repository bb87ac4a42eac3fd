"""Waiting for a computation without holding the page."""

from __future__ import annotations

import streamlit as st

from lab.app.server.computations import Computation

_PATIENCE_S = 0.5


def is_done(computation: Computation) -> bool:
    """Whether it is done; if not, the page shows how far it is and draws again at its end."""
    if computation.finished.wait(_PATIENCE_S):
        return True
    st.fragment(_progress, run_every=0.5)(computation)
    return False


def _progress(computation: Computation) -> None:
    if computation.finished.is_set():
        st.rerun()
    done, total = computation.done, computation.total
    of = f" ({done:,} of {total:,})" if total else ""
    st.progress(done / total if total else 0.0, f"{computation.what}{of}…")
