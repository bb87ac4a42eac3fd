"""Installed weights, weights to download, and lists of brands and scenes."""

import streamlit as st

from lab.app.ui.pages.models import models
from lab.errors import LabError
from lab.formats.markdown import plain

st.title("Models")
try:
    models()
except LabError as error:
    st.error(plain(error))
