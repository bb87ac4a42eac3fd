"""A store of the app, in a temporary folder."""

import pytest
import streamlit as st

from lab.access.asker import Asker
from lab.app.server import state as desks
from lab.app.ui.widgets import typed


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_STORE", str(tmp_path / "store"))
    desks.app_state.cache_clear()
    st.cache_data.clear()
    yield tmp_path / "store"
    desks.app_state().close()
    desks.app_state.cache_clear()


@pytest.fixture(autouse=True)
def at_this_machine(monkeypatch):
    """Who opens the pages sits here; no guard lets them in, for there is no server."""
    asker = Asker(name="app", scope="admin", is_local=True)
    monkeypatch.setattr(typed, "session_asker", lambda: asker)
