"""Figures over many clips, sweeps, advice, what to annotate next, audits."""

import streamlit as st

from lab.errors import LabError
from lab.ui.measure import measure

st.title("Measure")
try:
    measure()
except LabError as error:
    st.error(str(error))
