"""Charts of stored sightings, always over what was analysed: Plotly figures with their tables.

    from lab import charts

    chart = charts.activity("lab_store", label="fox")
    chart.figure, chart.table, chart.notes

Each function takes a store, its folder, or what `read_chart_data` read once for several charts, and
conditions as `Store.sightings` does. `CHARTS` names them all.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lab.errors import LabError, SettingError, closest
from lab.extras import need

# By its name, what a chart is called, and the function that makes it: imported at first use.
CHARTS: dict[str, tuple[str, str]] = {
    "hours": ("An hour", "over_time:sightings_an_hour"),
    "days": ("A day", "over_time:sightings_a_day"),
    "activity": ("Hour of the day", "daily:activity"),
    "sun": ("By the sun", "daily:sun_activity"),
    "weekdays": ("Weekday", "daily:weekdays"),
    "presence": ("Presence", "over_time:presence"),
    "first-last": ("First and last", "together:first_and_last"),
    "durations": ("Durations", "distributions:durations"),
    "scores": ("Scores", "distributions:scores"),
    "together": ("Seen together", "together:co_occurrence"),
    "positions": ("Positions", "places:positions"),
    "sites": ("Sites", "comparison:sites"),
    "periods": ("Periods", "comparison:periods"),
}
_PUBLIC = {
    **{place.partition(":")[2]: place for _, place in CHARTS.values()},
    "Chart": "chart:Chart",
    "ChartData": "data:ChartData",
    "read_chart_data": "data:read_chart_data",
}
__all__ = [
    "CHARTS",
    "Chart",
    "ChartData",
    "activity",
    "co_occurrence",
    "durations",
    "first_and_last",
    "make_chart",
    "periods",
    "positions",
    "presence",
    "read_chart_data",
    "scores",
    "sightings_a_day",
    "sightings_an_hour",
    "sites",
    "sun_activity",
    "weekdays",
]

if TYPE_CHECKING:
    from lab.charts.chart import Chart
    from lab.charts.comparison import periods, sites
    from lab.charts.daily import activity, sun_activity, weekdays
    from lab.charts.data import ChartData, read_chart_data
    from lab.charts.distributions import durations, scores
    from lab.charts.over_time import presence, sightings_a_day, sightings_an_hour
    from lab.charts.places import positions
    from lab.charts.together import co_occurrence, first_and_last


def make_chart(name: str, given: Any = None, **options: Any) -> Chart:
    """A chart by its name, one of `CHARTS`. Raises SettingError for an unknown one."""
    if name not in CHARTS:
        raise SettingError(f"no chart {name!r}; {closest(name, list(CHARTS))}")
    chart: Chart = _found(CHARTS[name][1])(given, **options)
    return chart


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'lab.charts' has no attribute {name!r}")
    value = _found(_PUBLIC[name])
    globals()[name] = value
    return value


def _found(place: str) -> Any:
    module, _, attribute = place.partition(":")
    if module != "data":
        need("a chart", "notebook", "plotly", error=LabError)
    return getattr(import_module(f"lab.charts.{module}"), attribute)
