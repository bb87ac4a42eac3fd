"""Where to begin, or to go on."""

import streamlit as st

from lab.app.ui.pages.home import home
from lab.errors import LabError
from lab.formats.markdown import plain

try:
    home()
except LabError as error:
    st.error(plain(error))
