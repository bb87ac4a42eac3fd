"""The filters of the page Sightings: what is in the address stands in them, and a change of one
is written there.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time
from typing import Any, cast

import streamlit as st

from lab.app.ui.widgets.choices import Name, as_they_are, choose_some
from lab.app.ui.widgets.rules_choice import choose_rules, rules_of, wanted_of_rules
from lab.app.ui.widgets.sighting_address import Shown, write_address
from lab.app.ui.widgets.sighting_words import DAYS, VERDICTS, conditions
from lab.formats.markdown import plain
from lab.media_time import media_time
from lab.store.sightings import SightingFilter
from lab.store.store import Store

_STEPS_US = [100_000, 500_000, 1_000_000, 5_000_000, 10_000_000, 60_000_000, 300_000_000]
_NOT, _ANY = "not", "reviewed"
_REVIEWED = {_NOT: "Not reviewed", _ANY: "Reviewed", **VERDICTS}
_HOURS = [time(minutes // 60, minutes % 60) for minutes in range(0, 24 * 60, 30)]
_ALL_DAY = "24:00"


class Filters:
    """store: whose sightings. shown: what the address says."""

    def __init__(self, store: Store, shown: Shown) -> None:
        self.store, self.shown, self.wanted = store, shown, shown.wanted
        self.of_rules = cast(
            SightingFilter, {k: v for k, v in self.wanted.items() if k in ("current", "rule_hash")}
        )

    def show(self) -> None:
        """The row of filters."""
        columns = st.columns([3, 3, 3, 2, 3, 2], vertical_alignment="bottom")
        self._text(columns[0], "text", "Find", "Words of a clip, label, site, rule or note")
        self._some(columns[1], "label", "Label")
        self._some(columns[2], "site", "Site")
        self._reviewed(columns[3])
        self._rules(columns[4])
        more = columns[5].popover(
            "More",
            width="stretch",
            key="more_filters",
            on_change="rerun",
        )
        if more.open:  # what there is to choose from is looked up then
            with more:
                self._more()

    def chips(self) -> None:
        """What is set, each with a click that takes it away."""
        found = conditions(self.store, self.wanted)
        if not found:
            return
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            for i, (words, left) in enumerate(found):
                st.button(
                    plain(words),
                    key=f"chip_{i}",
                    icon=":material/close:",
                    icon_position="right",
                    help="Take this condition away",
                    on_click=self._set,
                    args=(left,),
                )
            if len(found) > 1:
                st.button("Clear filters", type="tertiary", on_click=self.clear)

    def nothing_found(self) -> None:
        """No sighting fulfils all of it: say so, with what there would be without each."""
        st.info("No sighting fulfils all of these conditions.")
        with st.container(horizontal=True, gap="small"):
            for i, (words, left) in enumerate(conditions(self.store, self.wanted)[:6]):
                st.button(
                    f"Without “{plain(words)}”: {self.store.count_sightings(**left):,}",
                    key=f"without_{i}",
                    on_click=self._set,
                    args=(left,),
                )
            st.button("Clear all filters", key="clear_all", on_click=self.clear)

    def clear(self) -> None:
        self._set({"current": True})

    # ---- what is set

    def _set(self, wanted: SightingFilter) -> None:
        write_address(self.shown.changed(wanted=wanted))

    def _put(self, **values: Any) -> None:
        """Set conditions; None takes one away."""
        wanted = {**self.wanted, **values}
        self._set(cast(SightingFilter, {k: v for k, v in wanted.items() if v is not None}))

    def _widget(self, name: str, value: Any, put: Callable[[Any], None]) -> dict[str, Any]:
        """What a widget needs to show a value, and to write another into the address."""
        key = f"filter_{name}"
        if key not in st.session_state or st.session_state[key] != value:
            st.session_state[key] = value
        return {"key": key, "on_change": lambda: put(st.session_state[key])}

    def _text(self, place: Any, name: str, title: str, help_: str) -> None:
        value = self.wanted.get(name) or ""
        widget = self._widget(name, value, lambda text: self._put(**{name: text.strip() or None}))
        place.text_input(plain(title), placeholder=help_, help=plain(help_), **widget)

    def _some(self, place: Any, name: str, title: str, naming: Name = as_they_are) -> None:
        given = self.wanted.get(name)
        chosen = [given] if isinstance(given, str) else list(cast(Any, given) or [])

        def find(words: str, limit: int) -> dict[str, str]:
            if name == "tag":
                tags = self.store.sighting_tags()
                return {tag: tag for tag in tags if words.lower() in tag.lower()}
            counts = self.store.sighting_counts(
                name, containing=words, limit=limit, **self.of_rules
            )
            return dict(naming(list(counts)))

        choose_some(
            place, title, find, what="Parts of it", name=naming, placeholder="All",
            **self._widget(name, chosen, lambda values: self._put(**{name: values or None})),
        )  # fmt: skip

    def _reviewed(self, place: Any) -> None:
        verdict, reviewed = self.wanted.get("verdict"), self.wanted.get("reviewed")
        one = verdict[0] if verdict and not isinstance(verdict, str) else verdict
        value = one or {True: _ANY, False: _NOT, None: None}[reviewed]

        def put(chosen: str | None) -> None:
            is_verdict = chosen in VERDICTS
            self._put(
                verdict=[chosen] if is_verdict else None,
                reviewed=None if is_verdict or chosen is None else chosen == _ANY,
            )

        place.selectbox(
            "Reviewed",
            list(_REVIEWED),
            format_func=_REVIEWED.__getitem__,
            placeholder="All",
            **self._widget("reviewed", value, put),
        )

    def _rules(self, place: Any) -> None:
        def put(chosen: str | None) -> None:
            self._put(**{"current": None, "rule_hash": None, **wanted_of_rules(chosen)})

        choose_rules(self.store, place, **self._widget("rules", rules_of(self.wanted), put))

    # ---- the rest of them

    def _more(self) -> None:
        self._some(st, "media_id", "Clip", self.store.names_of_media)
        self._some(st, "run_id", "Run")
        self._some(st, "tag", "Tag")
        self._text(st, "note", "Words in notes", "All of them")
        self._period()
        self._time_of_day()
        self._scores()
        self._durations()
        self._in_clip()

    def _period(self) -> None:
        left, right = st.columns(2)
        for place, name, title, at in (
            (left, "from_local", "From, local date", time.min),
            (right, "to_local", "To, local date", time.max),
        ):
            given = cast(datetime | None, self.wanted.get(name))

            def put(day: date | None, name: str = name, at: time = at) -> None:
                self._put(**{name: None if day is None else datetime.combine(day, at)})

            value = None if given is None else given.date()
            place.date_input(title, **self._widget(name, value, put))

    def _time_of_day(self) -> None:
        given = self.wanted.get("hours")
        names = [f"{one:%H:%M}" for one in _HOURS] + [_ALL_DAY]
        begin, end = (round(2 * one) for one in given) if given else (0, 48)
        left, right = st.columns(2)
        state = {"begin": names[begin], "end": names[end]}

        def put(_: str) -> None:
            hours = [names.index(st.session_state[f"filter_hours_{side}"]) / 2 for side in state]
            self._put(hours=None if hours == [0, 24] else tuple(hours))

        for place, side, title in ((left, "begin", "From, time of day"),
                                   (right, "end", "To, time of day")):  # fmt: skip
            widget = self._widget(f"hours_{side}", state[side], put)
            place.selectbox(title, names, help="By the time of the place; one that ends before "
                            "it begins goes over midnight.", **widget)  # fmt: skip
        days = list(self.wanted.get("weekday") or [])
        st.pills(
            "Weekdays",
            range(1, 8),
            format_func=lambda one: DAYS[one - 1],
            selection_mode="multi",
            **self._widget("weekday", days, lambda chosen: self._put(weekday=chosen or None)),
        )

    def _scores(self) -> None:
        low, high = self.wanted.get("min_confidence"), self.wanted.get("max_confidence")

        def put(chosen: tuple[float, float]) -> None:
            self._put(
                min_confidence=chosen[0] if chosen[0] > 0 else None,
                max_confidence=chosen[1] if chosen[1] < 1 else None,
            )

        value = (0.0 if low is None else low, 1.0 if high is None else high)
        st.slider("Peak score", 0.0, 1.0, step=0.01, **self._widget("scores", value, put))

    def _durations(self) -> None:
        left, right = st.columns(2)
        for place, name, title in ((left, "min_duration_s", "Lasts at least, s"),
                                   (right, "max_duration_s", "Lasts at most, s")):  # fmt: skip

            def put(seconds: float | None, name: str = name) -> None:
                self._put(**{name: seconds})

            widget = self._widget(name, self.wanted.get(name), put)
            place.number_input(title, min_value=0.0, step=1.0, placeholder="Any", **widget)

    def _in_clip(self) -> None:
        begin, end = self.wanted.get("during_us") or (None, None)
        last_us = self.store.sightings_extent(**self.of_rules)[1]
        times = sorted({*_steps(last_us), *(one for one in (begin, end) if one is not None)})

        def put(chosen: tuple[int, int]) -> None:
            self._put(during_us=None if chosen == (times[0], times[-1]) else chosen)

        value = (times[0] if begin is None else begin, times[-1] if end is None else end)
        if st.session_state.get("filter_during", value) != value:
            st.session_state.filter_during = value
        st.select_slider(
            "Time in the clip",
            times,
            value,  # without it the slider has one end
            format_func=media_time,
            key="filter_during",
            on_change=lambda: put(st.session_state.filter_during),
        )


def _steps(last_us: int) -> list[int]:
    """Times from 0 to beyond the last one, in microseconds, in at most 600 round steps."""
    step_us = next((s for s in _STEPS_US if last_us <= 600 * s), _STEPS_US[-1])
    return list(range(0, last_us + 2 * step_us, step_us))
