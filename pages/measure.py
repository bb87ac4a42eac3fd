"""Figures over many clips, sweeps, advice, what to annotate next, audits."""

import streamlit as st

from lab.app.ui.pages.measure import measure
from lab.errors import LabError
from lab.formats.markdown import plain

st.title("Measure")
try:
    measure()
except LabError as error:
    st.error(plain(error))
