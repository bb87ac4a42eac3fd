"""Figures over many clips, sweeps, advice, what to annotate next, audits."""

import streamlit as st

from lab.formats.markdown import plain
from lab.app.ui.pages.measure import measure
from lab.errors import LabError

st.title("Measure")
try:
    measure()
except LabError as error:
    st.error(plain(error))
