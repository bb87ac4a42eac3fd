"""The study as a package of Camtrap DP, to be downloaded."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import streamlit as st

from lab.app.server.computations import Report
from lab.app.server.state import AppState
from lab.app.ui.widgets.events_table import RULE_TITLES
from lab.app.ui.widgets.notes import sentence
from lab.app.ui.widgets.progress import is_done
from lab.counted import counted
from lab.errors import LabError
from lab.formats.markdown import plain
from lab.study.camtrap_dp.columns import CAPTURE_METHODS, SAMPLING_DESIGNS, some_of
from lab.study.camtrap_dp.export import Exported, export_camtrap_dp

_NOTES = 12
_WORDS = {
    "simpleRandom": "simple random",
    "systematicRandom": "systematic random",
    "clusteredRandom": "clustered random",
    "activityDetection": "activity detection",
    "timeLapse": "time lapse",
}


def show_package(app_state: AppState) -> None:
    st.markdown(
        "Deployments, clips, sightings and events as Camtrap DP 1.0.2, which other camera-trap "
        "programs and GBIF read. The videos themselves are not in it."
    )
    if not app_state.store.deployments():
        st.info("No deployments yet: add them first, in the part Deployments.")
        return
    known = app_state.store.about_study()
    with st.form("package", border=True):
        first, second = st.columns(2)
        title = first.text_input("Title of the project", known.title or "", key="package_title")
        who = second.text_area(
            "Contributors, one a line",
            "\n".join(known.contributors),
            key="package_who",
            height=68,
            help="People or organisations.",
        )
        first, second = st.columns(2)
        design = first.selectbox(
            "Sampling design",
            SAMPLING_DESIGNS,
            index=_index(SAMPLING_DESIGNS, known.sampling_design),
            format_func=lambda word: _WORDS.get(word, word),
            key="package_design",
        )
        method = second.selectbox(
            "Capture method",
            CAPTURE_METHODS,
            index=_index(CAPTURE_METHODS, known.capture_method) or 0,
            format_func=lambda word: _WORDS.get(word, word),
            key="package_method",
        )
        minutes = first.number_input("Interval of events, minutes", 0.0, 100_000.0, 30.0, 5.0)
        rule = second.selectbox(
            "After the end of", list(RULE_TITLES), format_func=RULE_TITLES.__getitem__
        )
        leave_out = first.checkbox("Leave out deployments without coordinates")
        public = second.checkbox("Everybody can have the video files")
        if st.form_submit_button("Make the package", type="primary"):
            names = tuple(name.strip() for name in who.splitlines() if name.strip())
            st.session_state.package_asked = (
                title, names, design, method, minutes, rule, leave_out, public,
                uuid.uuid4().hex,
            )  # fmt: skip
    asked = st.session_state.get("package_asked")
    if asked is None:
        return
    if missing := _missing(app_state, asked):
        st.error(plain(missing))
        return

    def make(report: Report) -> tuple[Exported, bytes]:
        title, names, design, method, minutes, rule, leave_out, public, _ = asked
        with TemporaryDirectory(prefix="lab-") as folder:
            done = export_camtrap_dp(
                app_state.store,
                Path(folder) / "camtrap-dp.zip",
                title=title,
                contributors=names,
                sampling_design=design,
                capture_method=method,
                interval_s=60 * minutes,
                rule=rule,
                without_coordinates=leave_out,
                public=public,
                progress=report,
            )
            return done, done.path.read_bytes()

    key = ("package", asked)
    work = app_state.computations.get(key, "Making the package", make)
    if not is_done(work):
        return
    try:
        done, raw = work.result
    except LabError as error:
        st.error(plain(error))
        return
    _show(done, raw)


def _index(words: Sequence[str], word: str | None) -> int | None:
    return words.index(word) if word in words else None


def _missing(app_state: AppState, asked: tuple[Any, ...]) -> str | None:
    """What the standard needs and is not there, in the words of this page."""
    title, names, design, *_, leave_out, _public, _n = asked
    if not title.strip():
        return "Write the title of the project: the standard needs it."
    if not names:
        return "Write who made it, one name a line: the standard needs contributors."
    if design is None:
        return "Choose a sampling design: the standard needs it."
    lacking = [d.deployment_id for d in app_state.store.deployments()
               if d.latitude is None or d.longitude is None]  # fmt: skip
    if lacking and not leave_out:
        return (
            f"{counted(len(lacking), 'deployment')} without coordinates: {some_of(lacking)}. "
            "Enter them in the part Deployments, or tick that they are left out."
        )
    return None


def _show(done: Exported, raw: bytes) -> None:
    st.markdown(", ".join(f"**{n:,}** {plain(name)}" for name, n in done.rows.items()))
    for note in done.notes[:_NOTES]:
        st.caption(plain(sentence(note)))
    if len(done.notes) > _NOTES:
        st.caption(f"{counted(len(done.notes) - _NOTES, 'more note')}.")
    st.download_button(
        "Download", raw, "camtrap-dp.zip", "application/zip", on_click="ignore", type="primary"
    )
