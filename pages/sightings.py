"""Find stored sightings again."""

import streamlit as st

from lab.app.ui.pages.sightings import stored_sightings
from lab.errors import LabError
from lab.formats.markdown import plain

st.title("Sightings")
try:
    stored_sightings()
except LabError as error:
    st.error(plain(error))
