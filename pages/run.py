"""Run a detector over the chosen clips, once."""

import streamlit as st

from lab.app.ui.pages.run import run_form, show_jobs, unfinished_runs
from lab.errors import LabError
from lab.formats.markdown import plain

st.title("Run")
try:
    run_form()
except LabError as error:
    st.error(plain(error))
show_jobs()
unfinished_runs()
