"""Watch a run, tune the rule, annotate. No model runs here."""

import streamlit as st

from lab.app.ui.pages.review import review
from lab.errors import LabError
from lab.formats.markdown import plain

try:
    review()
except LabError as error:
    st.error(plain(error))
