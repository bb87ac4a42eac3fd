"""Two runs, two rules, or phrasings of one thing, over the same clip."""

import streamlit as st

from lab.app.ui.pages.compare import compare_page
from lab.errors import LabError
from lab.formats.markdown import plain

st.title("Compare")
try:
    compare_page()
except LabError as error:
    st.error(plain(error))
