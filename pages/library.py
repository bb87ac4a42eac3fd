"""All clips of the store."""

import streamlit as st

from lab.app.ui.pages.library import library
from lab.errors import LabError
from lab.formats.markdown import plain

st.title("Library")
try:
    library()
except LabError as error:
    st.error(plain(error))
