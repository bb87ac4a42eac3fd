"""The lab notebook: every run and saved rule, with what was concluded."""

import streamlit as st

from lab.formats.markdown import plain
from lab.app.ui.pages.experiments import notebook
from lab.errors import LabError

st.title("Experiments")
try:
    notebook()
except LabError as error:
    st.error(plain(error))
