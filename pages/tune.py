"""Tune the rule while watching. No model runs here."""

import streamlit as st

from lab.errors import LabError
from lab.ui.tune import tune

st.title("Tune")
try:
    tune()
except LabError as error:
    st.error(str(error))
