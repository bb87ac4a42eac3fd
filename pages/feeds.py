"""Feeds: what is watched, how each does, and what is told of it."""

import streamlit as st

from lab.app.ui.pages.feeds import feeds
from lab.errors import LabError
from lab.formats.markdown import plain

st.title("Feeds")
try:
    feeds()
except LabError as error:
    st.error(plain(error))
