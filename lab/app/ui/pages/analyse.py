"""Starting runs, and watching them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.address import keep as keep_in_address
from lab.app.ui.address import recall
from lab.app.ui.shared import here
from lab.app.ui.widgets.choices import MOST, choose_some
from lab.app.ui.widgets.chosen import chosen
from lab.app.ui.widgets.detector_form import detector_form, in_words, offered
from lab.app.ui.widgets.missing_clips import say_missing, without_file
from lab.app.ui.widgets.network_form import labels_of_default
from lab.app.ui.widgets.queue import say_not_started, short, show_queue, submit
from lab.app.ui.widgets.wanted import AUTOMATIC, DETECTOR, Decision, decide, wanted_words
from lab.counted import counted
from lab.detectors.registered import detectors
from lab.errors import SettingError
from lab.formats.markdown import plain
from lab.jobs.document.export import text_of
from lab.video.sampling import Sampling

_LIST = "keep_analyses"
_OWN = "own"
# Seconds between samples and pixels of the pictures.
_PRESETS = {"quick look": (1.0, 416), "thorough": (0.2, 640)}
Analysis = dict[str, Any]


def analyse() -> None:
    """The whole page below its title: what to analyse, and beside it the queue."""
    left, right = st.columns([5, 3], gap="large")
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
        submit(app_state, _in_order(app_state, clips), several or [one or {}], reuse=not is_new)
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
    _save_job(app_state, keep, clips, several or ([one] if one else []))
    _show_list(several)


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


def _in_order(app_state: AppState, media_ids: list[str]) -> list[dict[str, Any]]:
    rows = {row["media_id"]: row for row in app_state.store.media_rows(media_id=media_ids)}
    return [rows[media_id] for media_id in media_ids if media_id in rows]


def _save_job(
    app_state: AppState, place: Any, media_ids: list[str], analyses: list[Analysis]
) -> None:
    """The analyses of the page as a document for the command line."""
    rows = []
    for one in analyses:
        settings = {k: v for k, v in one["detector"].items() if k != "name"}
        row = {
            "name": one["name"],
            "detector": one["detector"]["name"],
            **({"settings": settings} if settings else {}),
        }
        rows.append(row | {k: v for k, v in one.items() if k not in ("name", "detector")})

    def made() -> str:
        paths = [row["path"] for row in _in_order(app_state, media_ids)]
        source = {"type": "file", "paths": paths}
        return text_of(
            {"version": 1, "source": source, "analyses": rows, "sinks": [{"type": "store"}]}
        )

    place.download_button(
        "Save as a job",
        made,
        "job.yaml",
        "application/yaml",
        disabled=not (media_ids and rows),
        width="stretch",
        help="A document that does the same on the command line: lab analyze --job job.yaml",
    )


def _analysis_form(automatic: Decision, words: list[str]) -> tuple[Analysis | None, bool]:
    """The analysis that the widgets describe, None while something is missing; and whether it is
    to be done again where the same run is there.
    """
    preset = _preset()
    is_automatic = st.session_state.get(DETECTOR) == AUTOMATIC
    is_plain = preset != _OWN and is_automatic and automatic.detector == "yolo"
    with st.expander("Advanced", expanded=not is_plain, icon=":material/settings:"):
        name = _detector(automatic)
        every_s, size = _PRESETS.get(preset) or (_own_interval(), None)
        settings = detector_form(name, words, size)
        floor, default_floor = _floor(name), _default_floor(name)
        title, count, step, gate = _sampling(name)
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
    if floor != default_floor:
        settings["score_floor"] = floor
    made: Analysis = {"name": title.strip(), "detector": settings, "interval_s": every_s}
    return made | _optional_settings(count, step, gate), is_new


def _preset() -> str:
    """How thoroughly: a name of _PRESETS, or _OWN; that of a run to do alike is own."""
    state = st.session_state
    if state.get("like") and state.get("liked") != state["like"]:
        state["keep_preset"], state["liked"] = _OWN, state["like"]
    names = [*_PRESETS, _OWN]
    picked = st.segmented_control(
        "How thoroughly",
        names,
        default="thorough" if "keep_preset" not in state else None,
        key="keep_preset",
        persist_state="session",
        required=True,
        format_func=str.capitalize,
        help="Seconds between samples, and the size at which a network sees the picture.",
    )
    if picked in _PRESETS:
        every_s, size = _PRESETS[picked]
        st.caption(f"One sample every {every_s:g} s; networks see {size} px.")
    return picked or "thorough"


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


def _own_interval() -> float:
    return float(
        st.number_input(
            "Seconds between samples",
            0.0,
            3600.0,
            st.session_state.get("like", {}).get("every_s", 0.2),
            0.1,
            format="%g",
            help="0 is every frame.",
        )
    )


def _floor(name: str) -> float:
    return float(
        st.number_input(
            "Score floor", 1e-6, 0.9, _default_floor(name), 0.01, format="%g", key=f"floor_{name}",
            help="Weaker detections are not stored; no threshold can be lower.",
        )
    )  # fmt: skip


def _sampling(name: str) -> tuple[str, int, int, bool]:
    """Name of the analysis, frames at a time, one frame in how many, and whether it is gated."""
    first, second, third = st.columns(3)
    title = first.text_input("Name of the analysis", name, key=f"title_{name}")
    step = second.number_input(
        "One frame in",
        1,
        1000,
        1,
        key=f"step_{name}",
        help="Use only every n-th frame of the clip.",
    )
    count = third.number_input(
        "Frames at a time",
        1,
        1000,
        1,
        key=f"count_{name}",
        help="For algorithms that need several frames: the sampled one and those before it.",
    )
    gate = st.toggle(
        "Only when something moves",
        key=f"gate_{name}",
        help=(
            "A motion gate skips frames on which nothing moves. They are logged as gated, "
            "leave streaks unchanged, and are subtracted from the effort."
        ),
    )
    return title, int(count), int(step), gate


def _optional_settings(count: int, step: int, gate: bool) -> Analysis:
    sampling = {"frame_count": count, "frame_step": step}
    return {k: v for k, v in sampling.items() if v != 1} | ({"gate": "motion"} if gate else {})


def _default_floor(name: str) -> float:
    built_in = detectors.package(name) is None
    return float(getattr(detectors.get(name), "default_score_floor", 0.05)) if built_in else 0.05


def _show_list(several: list[Analysis]) -> None:
    for i, one in enumerate(list(several)):
        words, drop = st.columns([8, 1], vertical_alignment="center")
        settings = {k: v for k, v in one["detector"].items() if k != "name"}
        sampling = f"every {one['interval_s']:g} s" if one["interval_s"] else "every frame"
        extra = "".join(
            f", {plain(k.replace('_', ' '))} {plain(v)}"
            for k, v in one.items()
            if k in ("frame_count", "frame_step", "gate")
        )
        few = ", ".join(f"{k} {short(v)}" for k, v in settings.items())
        words.markdown(
            f"**{plain(one['name'])}** · {plain(one['detector']['name'])} · {sampling}{extra}  \n"
            f"{plain(few)}"
        )
        if drop.button("Remove", key=f"drop_{i}_{one['name']}", width="stretch"):
            several.pop(i)
            st.rerun()
