"""Events across clips: sightings of one label at one site that are not independent."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import streamlit as st

from lab.app.server.computations import Report
from lab.app.server.state import AppState
from lab.app.ui.widgets.choices import choose_some
from lab.app.ui.widgets.notes import sentence
from lab.app.ui.widgets.pager import pager
from lab.app.ui.widgets.progress import is_done
from lab.counted import counted
from lab.errors import LabError
from lab.formats.csv import to_csv
from lab.formats.markdown import plain
from lab.study.events import EVENT_COLUMNS, FoundEvents, event_rows, find_events

_ROWS = 200
RULE_TITLES = {
    "lastRecord": "the last sighting",
    "lastIndependentRecord": "the last independent one",
}
_COLUMNS = {
    "site": "Site",
    "label": "Label",
    "scientific_name": "Scientific name",
    "first_utc": "First",
    "last_utc": "Last",
    "duration_s": "Duration, s",
    "sightings": "Sightings",
    "max_n": "MaxN",
    "clips": "Clips",
    "timestamp_issues": "In doubt",
}
_HELP = {
    "First": "Start of its first sighting, in UTC by the corrected clock.",
    "Last": "End of its last sighting, in UTC by the corrected clock.",
    "MaxN": "The largest number at one time.",
    "In doubt": "Sightings in clips that began at a change of the clock.",
}


def show_events(app_state: AppState) -> None:
    st.markdown(
        "Sightings of one label at one site are one event until one begins at least the interval "
        "after the end of another."
    )
    store = app_state.store

    def counted_by(by: str) -> Callable[[str, int], dict[str, str]]:
        def find(text: str, limit: int) -> dict[str, str]:
            found = store.sighting_counts(by, containing=text, limit=limit, current=True)
            return {name: f"{name} ({n:,})" for name, n in found.items()}

        return find

    first, second, third, fourth = st.columns([3, 3, 2, 3], vertical_alignment="bottom")
    labels = choose_some(
        first, "Label", counted_by("label"), "events_label", what="Parts of a label",
        persist_state="session", placeholder="All labels",
    )  # fmt: skip
    sites = choose_some(
        second, "Site", counted_by("site"), "events_site", what="Parts of a site",
        persist_state="session", placeholder="All sites",
    )  # fmt: skip
    minutes = third.number_input(
        "Interval, minutes", 0.0, 100_000.0, 30.0, 5.0, key="events_minutes"
    )
    rule = fourth.selectbox(
        "After the end of",
        list(RULE_TITLES),
        format_func=RULE_TITLES.__getitem__,
        key="events_rule",
        help="camtrapR's rules lastRecord and lastIndependentRecord.",
    )
    protocol = _protocol(app_state)
    asked = (tuple(labels), tuple(sites), minutes, rule, protocol)
    if st.button("Find events", type="primary", key="find_events"):
        st.session_state.events_asked = asked
        st.session_state.events_n = uuid.uuid4().hex
    if st.session_state.get("events_asked") != asked:
        return

    def find_all(report: Report) -> FoundEvents:
        return find_events(
            store,
            60 * minutes,
            rule,
            protocol=protocol,
            progress=report,
            label=labels or None,
            site=sites or None,
        )

    key = ("events", asked, st.session_state.events_n)
    work = app_state.computations.get(key, "Counting the largest number at one time", find_all)
    if not is_done(work):
        return
    try:
        _show(work.result, asked)
    except LabError as error:
        st.error(plain(error))


def _protocol(app_state: AppState) -> str | None:
    """A choice where runs differ in more than their clip."""
    found = app_state.store.protocols(state="done")
    if len(found) < 2:
        return None
    titles = {
        row["protocol_hash"]: f"{row['detector']}, {counted(row['clips'], 'clip')}, "
        f"{row['protocol_hash'][:6]}"
        for row in found
    }
    return st.selectbox(
        "Analyses with the same settings",
        [None, *titles],
        format_func=lambda one: titles[one] if one else "all",
        key="events_protocol",
    )


def _show(found: FoundEvents, of: object) -> None:
    for note in found.notes:
        st.caption(plain(sentence(note)))
    total = found.table.num_rows
    if not total:
        st.info("No events: no sighting of a current rule has both a site and a start.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        sightings = counted(found.sightings.num_rows, "sighting")
        st.markdown(f"**{counted(total, 'event')}** of {sightings}", width="content")
        st.download_button(
            "All as CSV",
            lambda: to_csv(event_rows(found.table), EVENT_COLUMNS),
            "events.csv",
            "text/csv",
            on_click="ignore",
        )
    begin = pager("events", total, _ROWS, of=(of,))
    frame = found.table.slice(begin, _ROWS).select(list(_COLUMNS)).to_pandas()
    for name in ("first_utc", "last_utc"):
        frame[name] = frame[name].dt.strftime("%Y-%m-%d %H:%M:%S")
    frame["scientific_name"] = frame["scientific_name"].fillna("")
    st.dataframe(
        frame.rename(columns=_COLUMNS),
        hide_index=True,
        width="stretch",
        column_config={
            name: st.column_config.Column(
                help=_HELP.get(name), width="medium" if name == "Site" else None
            )
            for name in _COLUMNS.values()
        },
        placeholder="",
    )
