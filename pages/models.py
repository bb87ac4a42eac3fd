"""Weights that are here, known ones, and lists of brands and scenes."""

import streamlit as st

from lab.errors import LabError
from lab.ui.models import models

st.title("Models")
try:
    models()
except LabError as error:
    st.error(str(error))
