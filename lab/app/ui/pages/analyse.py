"""Starting runs, and watching them."""

from __future__ import annotations

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.address import keep as keep_in_address
from lab.app.ui.address import recall
from lab.app.ui.shared import here
from lab.app.ui.widgets.analysis_list import Analysis, in_order, save_job, show_list
from lab.app.ui.widgets.choices import MOST, choose_some
from lab.app.ui.widgets.chosen import chosen
from lab.app.ui.widgets.detector_form import detector_form, in_words, offered
from lab.app.ui.widgets.missing_clips import say_missing, without_file
from lab.app.ui.widgets.network_form import labels_of_default
from lab.app.ui.widgets.queue import show_queue
from lab.app.ui.widgets.sampling_form import (
    OWN,
    PRESETS,
    default_floor,
    optional_settings,
    own_interval,
    preset_choice,
    sampling_settings,
    score_floor,
)
from lab.app.ui.widgets.start_analyses import say_not_started, submit, work_of_page
from lab.app.ui.widgets.wanted import AUTOMATIC, DETECTOR, Decision, decide, wanted_words
from lab.counted import counted
from lab.errors import SettingError
from lab.formats.markdown import plain
from lab.video.sampling import Sampling

_LIST = "keep_analyses"


def analyse() -> None:
    """The whole page below its title: what to analyse, and beside it the queue."""
    left, right = st.columns([2, 3], gap="large")
    with left:
        run_form()
    with right:
        show_queue()


def run_form() -> None:
    """Clips, one analysis or several, and the start."""
    app_state = here()
    newest = app_state.store.media_rows(order="newest", limit=1)
    if not newest:
        st.info("No clips yet. Pick some in Library first.")
        st.page_link("pages/library.py", label="Go to Library", icon=":material/arrow_back:")
        return
    recall()
    known = labels_of_default()
    words = wanted_words()
    automatic, chosen_before = decide(words, known), _remembered()
    if chosen_before == AUTOMATIC:
        st.caption(plain(automatic.why))
    else:
        st.caption(f"By {plain(chosen_before)}, which is chosen under Advanced.")
    clips = _clips(app_state, newest[0]["media_id"])
    say_missing(app_state, without_file(app_state, clips), "Without it nothing can be analysed.")
    one, is_new = _analysis_form(automatic, words)
    keep_in_address(clips)
    several: list[Analysis] = st.session_state.setdefault(_LIST, [])
    start, add, keep = st.columns(3)
    label = "Start" if not several else f"Start {counted(len(several), 'analysis', 'analyses')}"
    if start.button(
        label, type="primary", disabled=not clips or not (several or one), width="stretch"
    ):
        st.session_state.pop("like", None)
        work = work_of_page(several or [one or {}], reuse=not is_new, rule=None)
        submit(app_state, in_order(app_state, clips), work)
    if add.button(
        "Add to the list",
        disabled=one is None,
        width="stretch",
        help="Several analyses share one decode of the clip, each at its own sampling.",
    ):
        if any(a["name"] == one["name"] for a in several if one):
            st.error(
                f"An analysis is already named {plain(repr(one['name']))}; choose another name."
                if one
                else ""
            )
        else:
            several.append(one or {})
            st.rerun()
    say_not_started()
    save_job(app_state, keep, clips, several or ([one] if one else []))
    show_list(several)


def _clips(app_state: AppState, newest: str) -> list[str]:
    """Ids of the clips to analyse: those chosen in Library at first, or else the newest."""
    store, wanted = app_state.store, chosen()
    known = store.names_of_media(wanted)
    if unknown := [m for m in wanted if m not in known]:
        st.warning(
            "The address names a clip that the store does not have: "
            f"{plain(', '.join(map(repr, unknown[:3])))}; pick it in Library."
        )
    picked = [m for m in wanted if m in known]
    if len(picked) > MOST:
        few = ", ".join(plain(known[m]) for m in picked[:3])
        st.markdown(
            f"**{len(picked):,} clips:** {few} and {len(picked) - 3:,} more. They are listed in "
            "Library, where each can be taken out."
        )
        return picked

    def find(text: str, limit: int) -> dict[str, str]:
        rows = store.media_rows(order="newest", text=text, limit=limit)
        return store.names_of_media(row["media_id"] for row in reversed(rows))

    return choose_some(
        st,
        "Clips",
        find,
        "run_clips",
        name=store.names_of_media,
        what="Parts of a path or site",
        beside=True,
        default=picked or [newest],
    )


def _analysis_form(automatic: Decision, words: list[str]) -> tuple[Analysis | None, bool]:
    """The analysis that the widgets describe, None while something is missing; and whether it is
    to be done again where the same run is there.
    """
    preset = preset_choice()
    is_automatic = st.session_state.get(DETECTOR) == AUTOMATIC
    is_plain = preset != OWN and is_automatic and automatic.detector == "yolo"
    with st.expander("Advanced", expanded=not is_plain, icon=":material/settings:"):
        name = _detector(automatic)
        every_s, size = PRESETS.get(preset) or (own_interval(), None)
        settings = detector_form(name, words, size)
        floor = score_floor(name)
        title, count, step, gate = sampling_settings(name)
        is_new = st.toggle(
            "Analyse again where the same run is there",
            help="The same settings on the same clip give the same run: it is offered at once.",
        )
    if settings is None:
        st.warning("This analysis cannot start yet; what is missing is said under Advanced.")
        return None, is_new
    if not 1 <= len(title.strip()) <= 100:
        st.error("The analysis needs a name of 1 to 100 characters.")
        return None, is_new
    try:
        Sampling(every_s=every_s, frame_count=count, frame_step=step)
    except SettingError as error:
        st.error(plain(error))
        return None, is_new
    if floor != default_floor(name):
        settings["score_floor"] = floor
    made: Analysis = {"name": title.strip(), "detector": settings, "interval_s": every_s}
    return made | optional_settings(count, step, gate), is_new


def _remembered() -> str:
    """The detector chosen before; automatic if there is none of that name."""
    state = st.session_state
    known = state.get(DETECTOR, AUTOMATIC)
    if known not in (AUTOMATIC, *offered()):
        st.warning(f"There is no detector {plain(repr(known))} here; automatic is selected.")
        known = AUTOMATIC
    if state.get(DETECTOR) != known:
        state[DETECTOR] = known
    return str(known)


def _detector(automatic: Decision) -> str:
    """The detector: the one that what to look for decides, unless the user chose one."""
    picked: str = st.selectbox(
        "Detector",
        [AUTOMATIC, *offered()],
        key=DETECTOR,
        persist_state="session",
        format_func=lambda name: (
            f"{AUTOMATIC} · by what to look for" if name == AUTOMATIC else in_words(name)
        ),
    )
    return automatic.detector if picked == AUTOMATIC else picked
