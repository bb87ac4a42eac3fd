"""Two runs, two rules, or phrasings of one thing, over the same clip."""

import streamlit as st

from lab.errors import LabError
from lab.ui.comparing import compare_page

st.title("Compare")
try:
    compare_page()
except LabError as error:
    st.error(str(error))
