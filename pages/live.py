"""Watch a source as it goes, and tune its rule. The model runs in a process of its own."""

import streamlit as st

from lab.app.ui.pages.live import live
from lab.errors import LabError
from lab.formats.markdown import plain

try:
    live()
except LabError as error:
    st.error(plain(error))
