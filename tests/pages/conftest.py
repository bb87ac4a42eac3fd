"""A store of the app, in a temporary folder."""

import pytest
import streamlit as st

from lab.app.server import state as desks


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_STORE", str(tmp_path / "store"))
    desks.app_state.cache_clear()
    st.cache_data.clear()
    yield tmp_path / "store"
    desks.app_state().close()
    desks.app_state.cache_clear()
