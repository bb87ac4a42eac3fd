"""Starting runs, and watching them."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.address import keep as keep_in_address
from lab.app.ui.address import recall
from lab.app.ui.shared import here
from lab.app.ui.widgets.add_clips import (
    drop_zone,
    say_what_was_analysed,
    say_what_was_refused,
)
from lab.app.ui.widgets.analysis_list import Analysis, in_order, save_job, show_list
from lab.app.ui.widgets.batch_source import (
    DOCUMENT,
    LIBRARY,
    clips_of_place,
    source_choice,
    work_of_job,
)
from lab.app.ui.widgets.choices import MOST, choose_one, choose_some
from lab.app.ui.widgets.chosen import chosen, set_chosen
from lab.app.ui.widgets.detector_form import detector_choice, detector_form, offered
from lab.app.ui.widgets.missing_clips import say_missing, without_file
from lab.app.ui.widgets.network_form import labels_of_default
from lab.app.ui.widgets.queue import show_queue
from lab.app.ui.widgets.recordings import RECORDINGS_STAY, without_recordings
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
from lab.app.ui.widgets.start_analyses import (
    CURRENT,
    say_not_started,
    start_paths,
    submit,
    work_of_page,
)
from lab.app.ui.widgets.wanted import AUTOMATIC, DETECTOR, Decision, decide, wanted_words
from lab.counted import counted
from lab.errors import SettingError
from lab.formats.markdown import plain
from lab.jobs.batch.service import QueuedClip
from lab.jobs.batch.work import AppliedRule
from lab.video.sampling import Sampling

_LIST = "keep_analyses"
_CLIPS = "run_clips"
_MEANWHILE = "keep_analyse_meanwhile"
_NO_RULE = "none"


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
    recall()
    source = source_choice()
    if source == DOCUMENT:
        _document_form(app_state)
        return
    newest = app_state.store.media_rows(order="newest", limit=1, of_feed=False)
    if source == LIBRARY and not newest:
        st.info("No clips yet. Pick some in Library first, or drop them here.")
        st.page_link("pages/library.py", label="Go to Library", icon=":material/arrow_back:")
    known = labels_of_default()
    words = wanted_words()
    automatic, chosen_before = decide(words, known), _remembered()
    if chosen_before == AUTOMATIC:
        st.caption(plain(automatic.why))
    else:
        st.caption(f"By {plain(chosen_before)}, which is chosen under Advanced.")
    clips: list[str] = []
    paths: list[QueuedClip] | None = None
    if source == LIBRARY:
        if newest:
            clips = _clips(app_state, newest[0]["media_id"])
            missing = without_file(app_state, clips)
            say_missing(app_state, missing, "Without it nothing can be analysed.")
        more = st.container()  # filled when the analysis is known that goes on meanwhile
    else:
        paths = clips_of_place(app_state)
    one, is_new = _analysis_form(automatic, words)
    rule = _rule_to_apply(app_state)
    several: list[Analysis] = st.session_state.setdefault(_LIST, [])
    if source == LIBRARY:
        keep_in_address(clips)
        with more:
            _add_clips(several or ([one] if one else []), rule, is_open=not newest)
    buttons = st.container(horizontal=True, gap="small")
    are_chosen = bool(clips or paths)
    label = plain(_start_label(clips, paths, several))
    cannot = not are_chosen or not (several or one)
    if buttons.button(label, type="primary", key="start_analyses", disabled=cannot):
        st.session_state.pop("like", None)
        work = work_of_page(several or [one or {}], reuse=not is_new, rule=rule)
        if paths is None:
            submit(app_state, in_order(app_state, clips), work)
        else:
            start_paths(app_state, paths, work)
    if buttons.button(
        "Add to the list",
        disabled=one is None or not are_chosen,
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
    save_job(app_state, buttons, clips, several or ([one] if one else []))
    show_list(several)


def _start_label(
    clips: Sequence[str], paths: Sequence[QueuedClip] | None, several: Sequence[Analysis]
) -> str:
    """What is started, with its numbers where they are not 1."""
    count = len(clips if paths is None else paths)
    of = counted(count, "clip") if count > 1 else ""
    analyses = counted(len(several), "analysis", "analyses") if several else ""
    return f"Start {' of '.join(filter(None, [analyses, of]))}".strip()


def _document_form(app_state: AppState) -> None:
    found = work_of_job(app_state)
    if st.button("Start", type="primary", disabled=found is None) and found is not None:
        start_paths(app_state, *found)
    say_not_started()


def _add_clips(
    analyses: Sequence[Analysis], rule: AppliedRule | str | None, *, is_open: bool
) -> None:
    """Videos that are dropped here are chosen, besides what is.

    analyses, rule: what may go on while they come.
    """
    with st.expander("Add clips", icon=":material/upload:", expanded=is_open):
        chosen_before, picked = set(chosen()), st.session_state.get(_CLIPS, [])
        if not analyses or not st.toggle(
            "Analyse while they come",
            key=_MEANWHILE,
            help="With the settings of this page. An MP4 whose index is at its end waits for it.",
        ):
            analyses = ()
        if rule is not None:
            asked = rule.rule.to_dict() if isinstance(rule, AppliedRule) else rule
            analyses = [{**one, "rules": asked} for one in analyses]
        if drop_zone(is_compact=True, analyses=analyses):
            new = [one for one in chosen() if one not in chosen_before]
            set_chosen([*(picked if chosen_before else []), *new])
            st.session_state.pop(_CLIPS, None)
            st.rerun()
    say_what_was_refused()
    say_what_was_analysed()


def _rule_to_apply(app_state: AppState) -> AppliedRule | str | None:
    """The rule whose sightings are saved as clips finish."""
    saved = {row["name"]: row["rule"] for row in app_state.store.rules()}
    fixed = {_NO_RULE: "None now", CURRENT: "Those of the current rule"}
    names = {**fixed, **{f"rule {name}": f"Those of {name}" for name in saved}}

    def find(text: str, limit: int) -> dict[str, str]:
        fits = [key for key in names if key in fixed or text.lower() in names[key].lower()]
        return {key: names[key] for key in fits[:limit]}

    picked = choose_one(
        st,
        "Save sightings",
        find,
        "rule_to_apply",
        what="Parts of a rule's name",
        help="As each clip finishes. The current rule is the one that was applied to all clips of "
        "these settings; where there is none, nothing is saved. No other rule becomes current by "
        "this: Review's `Apply to all clips` does that.",
    )
    if picked in (None, _NO_RULE):
        return None
    if picked == CURRENT:
        return CURRENT
    name = str(picked).removeprefix("rule ")
    return AppliedRule(saved[name], name) if name in saved else None


def _clips(app_state: AppState, newest: str) -> list[str]:
    """Ids of the clips to analyse: those chosen in Library at first, or else the newest."""
    store, wanted = app_state.store, chosen()
    known = store.names_of_media(wanted)
    if unknown := [m for m in wanted if m not in known]:
        st.warning(
            "The address names a clip that the store does not have: "
            f"{plain(', '.join(map(repr, unknown[:3])))}; pick it in Library."
        )
    picked = without_recordings(app_state, [m for m in wanted if m in known])
    if len(picked) < len([m for m in wanted if m in known]):
        st.caption(RECORDINGS_STAY)
    if len(picked) > MOST:
        few = ", ".join(plain(known[m]) for m in picked[:3])
        st.markdown(
            f"**{len(picked):,} clips:** {few} and {len(picked) - 3:,} more. They are listed in "
            "Library, where each can be taken out."
        )
        return picked

    def find(text: str, limit: int) -> dict[str, str]:
        rows = store.media_rows(order="newest", text=text, limit=limit, of_feed=False)
        return store.names_of_media(row["media_id"] for row in reversed(rows))

    return choose_some(
        st,
        "Clips",
        find,
        _CLIPS,
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
    return detector_choice(automatic.detector)
