"""All clips of the store: to find, mark, edit and hand over to an analysis."""

from __future__ import annotations

from datetime import date
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.address import keep, kept, recall
from lab.app.ui.shared import asset, clock, here, script, shortened
from lab.app.ui.widgets.add_clips import drop_zone, pick_samples, say_what_was_refused
from lab.app.ui.widgets.annotation_files import detections_from_elsewhere
from lab.app.ui.widgets.choices import choose_one, choose_some
from lab.app.ui.widgets.chosen import choose, chosen, marks_version, set_chosen, take_marks
from lab.app.ui.widgets.clip_actions import action_buttons
from lab.app.ui.widgets.clip_card import picture_of, show_clip
from lab.app.ui.widgets.dialogs import close_dialog, is_open
from lab.app.ui.widgets.folder_browser import folder_button
from lab.app.ui.widgets.library_views import SITES, STORAGE, choose_view
from lab.app.ui.widgets.pager import pager
from lab.app.ui.widgets.recordings import RECORDINGS_STAY, without_recordings
from lab.app.ui.widgets.sites_view import sites_view
from lab.app.ui.widgets.storage_view import storage_view
from lab.app.ui.widgets.wanted import looking_for
from lab.counted import counted
from lab.formats.markdown import visible
from lab.store.library import CLIP_STATES, ClipFilter

_CARDS, _ROWS = 48, 100
_NO_SITE = "no site"
_SORTS = {
    "newest": "Added last",
    "name": "Name",
    "start": "Start",
    "site": "Site",
    "duration": "Longest",
    "state": "State",
}
_OTHER_VIEWS = {SITES: sites_view, STORAGE: storage_view}  # than that of the clips
_FILTERS = {"site": "library_site", "state": "library_state"}  # that an address may name

_library = st.components.v2.component(
    "lab_library",
    html=asset("library/library.html"),
    css=asset("library/library.css"),
    js=script("library/library.js"),
)


def library() -> None:
    """The whole page below its title."""
    app_state = here()
    if other := _OTHER_VIEWS.get(choose_view()):
        other(app_state)
        return
    recall()
    _take_filters_of_address()
    st.session_state.pop("go_to_library", None)
    total = app_state.store.count_clips()
    _add_row()
    say_what_was_refused()
    if not total:
        keep([])
        st.info("No clips yet. Drop videos above, choose a folder, or take a sample.")
        detections_from_elsewhere(app_state)
        return
    known = app_state.store.names_of_media(chosen())
    picked = [media_id for media_id in chosen() if media_id in known]
    wanted = _filters(app_state, picked)
    fitting = app_state.store.count_clips(**wanted)
    actions = st.container()
    if picked:
        looking_for()
    _open_clip(app_state, picked)
    _show_clips(app_state, wanted, fitting)
    with actions:
        _actions(app_state, picked, wanted, fitting, total)
    detections_from_elsewhere(app_state)
    keep(picked)


def _add_row() -> None:
    zone, folder, samples = st.columns([5, 2, 2], vertical_alignment="top")
    with zone:
        is_new = drop_zone(is_compact=True)
    with folder:
        folder_button()
    with samples.popover("Samples", icon=":material/science:", width="stretch"):
        is_new = pick_samples() or is_new
    if is_new:
        st.rerun()


def _take_filters_of_address() -> None:
    """An address may ask for sites and states; they are then in the widgets."""
    asked = {name: st.query_params.get_all(name) for name in _FILTERS}
    if not any(asked.values()):
        return
    for name, key in _FILTERS.items():
        st.session_state[key] = asked[name]
        st.query_params.pop(name, None)
    st.session_state.library_state = [s for s in asked["state"] if s in CLIP_STATES]


def _filters(app_state: AppState, picked: list[str]) -> ClipFilter:
    """What the widgets ask for."""
    store = app_state.store

    def sites(text: str, limit: int) -> dict[str, str]:
        return {row["site"]: row["site"] or _NO_SITE for row in store.site_overview(text, limit)}

    def folders(text: str, limit: int) -> dict[str, str]:
        return {f: f"{f} ({n:,})" for f, n in store.clip_folders(text, limit).items()}

    words, site, state, more = st.columns([5, 5, 7, 3], vertical_alignment="bottom")
    wanted: ClipFilter = {
        "text": words.text_input(
            "Find",
            key="library_text",
            persist_state="session",
            placeholder="Words of a name, folder or site",
        )
    }
    if found := choose_some(
        site,
        "Site",
        sites,
        _FILTERS["site"],
        what="Parts of a site",
        name=lambda chosen_sites: {one: one or _NO_SITE for one in chosen_sites},
        persist_state="session",
        placeholder="All sites",
    ):
        wanted["site"] = found
    if states := state.pills(
        "State",
        CLIP_STATES,
        selection_mode="multi",
        key=_FILTERS["state"],
        persist_state="session",
        help="Reviewed: somebody has marked or watched some of it.",
    ):
        wanted["state"] = states
    with more.popover("More", icon=":material/filter_list:", width="stretch"):
        folder = choose_one(
            st,
            "Folder",
            folders,
            "library_folder",
            what="Parts of a path",
            index=None,
            persist_state="session",
            placeholder="All folders",
        )
        if folder is not None:
            wanted["folder"] = folder
        days = st.date_input(  # type: ignore[call-overload]
            "Started between", value=(), key="library_days", persist_state="session"
        )
        wanted |= _days(days)
        if st.toggle("Only those that are selected", key="library_picked", disabled=not picked):
            wanted["media_id"] = picked
    return wanted


def _clear_filters() -> None:
    st.session_state.update(
        library_text="",
        library_site=[],
        library_state=[],
        library_folder=None,
        library_days=(),
        library_picked=False,
    )


def _days(given: Any) -> ClipFilter:
    days: tuple[date, ...] = given if isinstance(given, tuple) else ()
    if not days:
        return {}
    return {"from_date": days[0], "to_date": days[-1]}


def _actions(
    app_state: AppState, picked: list[str], wanted: ClipFilter, fitting: int, total: int
) -> None:
    """How many are selected, and what can be done with them."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        of = counted(total, "clip")
        of = of if fitting == total else f"{fitting:,} of {of}"
        st.markdown(f"**{len(picked):,} selected** · {of}" if picked else of, width="content")
        if st.button(f"Select all {fitting:,}", type="tertiary", disabled=not fitting):
            choose(app_state.store.clip_ids(**wanted))
            st.rerun()
        if fitting != total:
            st.button("Clear filters", type="tertiary", on_click=_clear_filters)
        if not picked:
            if not is_open("folder"):
                close_dialog()  # of what was selected
            return
        if st.button("Clear", type="tertiary"):
            set_chosen([])
            st.session_state.pop("library_picked", None)
            st.rerun()
        # The link holds the whole state, so that it also works in another tab.
        clips = without_recordings(app_state, picked)
        st.page_link(
            "pages/analyse.py",
            label=f"**Analyse {counted(len(clips), 'clip')}**",
            icon=":material/play_circle:",
            query_params=kept(clips),
            disabled=not clips,
            help=None if len(clips) == len(picked) else RECORDINGS_STAY,
        )
        action_buttons(picked)


def _open_clip(app_state: AppState, picked: list[str]) -> None:
    """The card of the clip that was opened, or of the only one that is selected."""
    opened = st.session_state.get("library_opened")
    is_only = opened is None and len(picked) == 1
    media_id = picked[0] if is_only else opened
    if media_id is None:
        return
    found = app_state.store.media_rows(media_id=media_id)
    if not found:
        st.session_state.pop("library_opened", None)
        return
    show_clip(found[0], app_state.store.run_counts_of_media([media_id]).get(media_id, 0))
    if not is_only and st.button("Close", icon=":material/close:", type="tertiary"):
        st.session_state.pop("library_opened", None)
        st.rerun()


def _show_clips(app_state: AppState, wanted: ClipFilter, fitting: int) -> None:
    """One page of the clips, as cards or as a table."""
    with st.container(horizontal=True, vertical_alignment="center"):
        order = st.selectbox(
            "Sort by",
            list(_SORTS),
            format_func=_SORTS.__getitem__,
            key="library_sort",
            persist_state="session",
            width=160,
            label_visibility="collapsed",
        )
        view = st.segmented_control(
            "View",
            ["grid", "table"],
            default="grid",
            key="library_view",
            persist_state="session",
            required=True,
            label_visibility="collapsed",
        )
        size = _CARDS if view == "grid" else _ROWS
        first = pager("library", fitting, size, of=(*sorted(wanted.items(), key=str), order, size))
    if not fitting:
        st.info("No clip fits. Choose fewer words, or other sites, states or days.")
        return
    rows = app_state.store.clips(order=order, limit=size, offset=first, **wanted)
    result = _library(
        key="library",
        data={
            "view": view,
            "rows": [_row(app_state, row) for row in rows],
            "marked": [row["media_id"] for row in rows if row["media_id"] in set(chosen())],
            "version": marks_version(),
        },
        on_marks_change=_marked,
        on_opened_change=lambda: None,
    )
    if result.opened:
        st.session_state.library_opened = result.opened
        st.rerun()


def _marked() -> None:
    """A mark was set or taken away; one that is older than a change by the program is left out."""
    marks = st.session_state.library.get("marks") or {}
    if marks.get("version") == marks_version():
        take_marks(list(marks["page"]), marks["on"])


def _row(app_state: AppState, row: dict[str, Any]) -> dict[str, Any]:
    """A clip as the page's script shows it."""
    picture, problem = picture_of(app_state, row)
    start = row["start_local"]
    return {
        "id": row["media_id"],
        "name": visible(shortened(row["shown"])),
        "path": visible(row["path"]),
        "folder": visible(row["folder"]),
        "site": row["site"] or "",
        "start": "" if start is None else f"{start:%Y-%m-%d %H:%M:%S}",
        "length": clock(row["duration_s"]),
        "state": row["state"],
        "runs": row["runs"],
        "problem": problem,
        "picture": picture,
    }


def redirect() -> None:
    """An old address of the page leads to the new one, with what it asked for."""
    query = {name: st.query_params.get_all(name) for name in st.query_params}
    st.switch_page("pages/library.py", query_params=query)
