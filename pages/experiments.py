"""The lab notebook: every run and saved rule, with what was concluded."""

import streamlit as st

from lab.errors import LabError
from lab.ui.notebook import notebook

st.title("Experiments")
try:
    notebook()
except LabError as error:
    st.error(str(error))
