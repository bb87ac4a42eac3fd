"""The camera of this browser, for a feed whose source is a webcam."""

from __future__ import annotations

import streamlit as st

from lab.app.ui.shared import asset, script

_webcam = st.components.v2.component(
    "lab_webcam",
    html=asset("webcam/webcam.html"),
    css=asset("webcam/webcam.css"),
    js=script("webcam/webcam.js"),
)


def show_webcam(feed_id: str, *, fps: float = 10, height_px: int = 720) -> None:
    """A button that starts the camera and sends its pictures to the feed.

    fps: pictures a second. height_px: higher ones are made smaller before they are sent.
    """
    _webcam(key=f"webcam_{feed_id}", data={"feed_id": feed_id, "fps": fps, "height": height_px})
