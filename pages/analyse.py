"""Run a detector over the chosen clips, once."""

import streamlit as st

from lab.app.ui.pages.analyse import analyse
from lab.errors import LabError
from lab.formats.markdown import plain

st.title("Analyse")
try:
    analyse()
except LabError as error:
    st.error(plain(error))
