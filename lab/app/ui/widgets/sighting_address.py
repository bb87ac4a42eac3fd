"""What the page Sightings shows, as its address says it: so that a link gives the same page."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from lab.app.server.state import AppState
from lab.charts import CHARTS as CHART_NAMES
from lab.errors import LabError, SettingError
from lab.formats.markdown import plain
from lab.store.sighting_groups import GROUPS
from lab.store.sighting_query import NAMES, Query, to_query, wanted_of_query
from lab.store.sightings import ORDERS, SightingFilter

TABLE, GALLERY, CHARTS = "table", "gallery", "charts"
VIEWS = (TABLE, GALLERY, CHARTS)
_ORDER = "time"
_OWN = ("view", "sort", "group", "chart")


@dataclass(frozen=True, kw_only=True)
class Shown:
    """view: one of `VIEWS`. order: as of `Store.sightings`. group: one of `GROUPS`, or None. chart:
    one of `lab.charts.CHARTS`, or None for the one that was shown last.
    """

    view: str
    order: str
    group: str | None
    wanted: SightingFilter
    chart: str | None = None

    def changed(self, **changes: object) -> Shown:
        return replace(self, **changes)  # type: ignore[arg-type]

    def query(self) -> Query:
        own = {"view": self.view, "sort": self.order, "group": self.group}
        usual = {"view": TABLE, "sort": _ORDER, "group": None}
        chosen = {name: [value] for name, value in own.items() if value and value != usual[name]}
        if self.view == CHARTS and self.chart is not None:
            chosen["chart"] = [self.chart]
        return {**chosen, **to_query(self.wanted)}


def read_address(app_state: AppState) -> Shown:
    """What the address asks for; what of it is not valid is said, and left out."""
    view_id = st.query_params.get("saved")
    if view_id is not None:
        open_saved(app_state, view_id)
    query = {name: st.query_params.get_all(name) for name in st.query_params}
    try:
        return _shown(query)
    except SettingError as error:
        st.warning(
            f"Left out of this address: {plain(error)}. Choose the filters again, or ask for the "
            "link again."
        )
        return _shown({name: query[name] for name in _OWN if name in query}, is_strict=False)


def _shown(query: Query, *, is_strict: bool = True) -> Shown:
    view, order, group, chart = (query.get(name, [""])[-1] for name in _OWN)
    for name, value, known in (("view", view, VIEWS), ("sort", order, ORDERS),
                               ("group", group, GROUPS)):  # fmt: skip
        if is_strict and value and value not in known:
            raise SettingError(f"{name} is one of {', '.join(known)}, got {value[:40]!r}")
    wanted = wanted_of_query({name: v for name, v in query.items() if name in NAMES})
    return Shown(
        view=view if view in VIEWS else TABLE,
        order=order if order in ORDERS else _ORDER,
        group=group if group in GROUPS else None,
        wanted=wanted,
        chart=chart if chart in CHART_NAMES else None,
    )


def write_address(shown: Shown) -> None:
    """The page shows this from its next run on."""
    st.query_params.from_dict(shown.query())


def open_saved(app_state: AppState, view_id: str) -> None:
    """Put what a saved view says into the address."""
    try:
        view = app_state.store.saved_view(view_id)
    except LabError as error:
        st.query_params.pop("saved", None)
        st.warning(f"{plain(error)}. All sightings are shown instead.")
        return
    st.query_params.from_dict({name: list(values) for name, values in view.query.items()})
    st.session_state.sightings_view = (view.name, dict(view.query))
