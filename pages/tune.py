"""Tune the rule while watching. No model runs here."""

import streamlit as st

from lab.app.ui.pages.tune import tune
from lab.errors import LabError
from lab.formats.markdown import plain

try:
    tune()
except LabError as error:
    st.error(plain(error))
