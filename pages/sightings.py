"""Find stored sightings again."""

import streamlit as st

from lab.errors import LabError
from lab.ui.stored import stored_sightings

st.title("Sightings")
try:
    stored_sightings()
except LabError as error:
    st.error(str(error))
