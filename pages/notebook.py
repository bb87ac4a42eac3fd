"""The lab notebook: every run and saved rule, with what was concluded."""

import streamlit as st

from lab.app.ui.pages.notebook import notebook
from lab.errors import LabError
from lab.formats.markdown import plain

st.title("Notebook")
try:
    notebook()
except LabError as error:
    st.error(plain(error))
