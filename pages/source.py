"""Pick the clips."""

import streamlit as st

from lab.app.ui.address import keep, kept, recall
from lab.app.ui.pages.source import chosen, pick_files, pick_samples, pick_uploads, show_chosen
from lab.app.ui.shared import here
from lab.app.ui.widgets.annotation_files import detections_from_elsewhere
from lab.app.ui.widgets.wanted import looking_for
from lab.errors import LabError
from lab.formats.markdown import plain

st.title("Source")
recall()
app_state = here()
samples, uploads, files = st.tabs(["Samples", "Upload", "Files on this machine"])
with samples:
    pick_samples()
with uploads:
    pick_uploads()
with files:
    pick_files()

try:
    known = app_state.store.names_of_media(chosen())
except LabError as error:
    st.error(plain(error))
    st.stop()

detections_from_elsewhere(app_state)
picked = [media_id for media_id in chosen() if media_id in known]
if picked:
    st.subheader(f"{len(picked):,} chosen")
    looking_for()
    # The link holds the whole state, so that it also works in another tab or without Streamlit.
    st.page_link(
        "pages/run.py",
        label="Next: run a detector",
        icon=":material/arrow_forward:",
        query_params=kept(picked),
    )
    show_chosen(picked)
    keep(picked)
else:
    keep([])
    st.info(
        "No clip is chosen yet. Take a sample, upload your own, or name a file or folder above."
    )
