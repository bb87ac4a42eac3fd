"""One page of stored sightings, as a gallery or a table with a preview, reviewed by keyboard."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import asset, script, shortened
from lab.app.ui.widgets.missing_clips import say_missing
from lab.app.ui.widgets.pager import pager, turn_page
from lab.app.ui.widgets.rule_state import go_to_moment
from lab.app.ui.widgets.sighting_address import GALLERY, Shown, write_address
from lab.app.ui.widgets.sighting_marks import marked, marks_version, take_marks
from lab.counted import counted
from lab.formats.markdown import visible
from lab.media_time import media_time
from lab.rules.rule import Rule
from lab.store.sightings import SightingFilter

CARDS, ROWS = 48, 50
_KEY, _PAGE = "sightings", "sightings_page"
_MOST_OFFERED = 500  # labels and tags to choose from by typing
# The words of Review's table.
_ENDS = {"exit": "exit", "end": "end of the clip", "cancelled": "run stopped",
         "error": "run failed", "gap": "gap in the samples", "open": "not over yet"}  # fmt: skip
Row = dict[str, Any]

_list = st.components.v2.component(
    "lab_sightings",
    html=asset("sightings/sightings.html"),
    css=asset("sightings/sightings.css"),
    js=script("sightings/sightings.js"),
)


def show_list(app_state: AppState, shown: Shown, count: int) -> None:
    """count: of the sightings that are wanted."""
    store, size = app_state.store, CARDS if shown.view == GALLERY else ROWS
    of = (json.dumps(shown.query()), size)

    def still_there() -> int:
        """How many of the page's rows are still listed: by a review fewer may be."""
        ids = [row["sighting_id"] for row in st.session_state[_PAGE].rows]
        wanted: SightingFilter = {**shown.wanted, "sighting_id": ids}
        return store.count_sightings(**wanted)

    def advance() -> int:
        there = still_there()
        forget_page()
        return there

    first = pager(_KEY, count, size, of=of, advance=advance)
    before = st.session_state.get(_PAGE)
    page = _page(app_state, shown, (first, of), {"limit": size, "offset": first})
    raw = page.rows
    if not raw:  # another process replaces them now
        return
    is_waiting = _want_missing(app_state, raw)
    result = _list(
        key=_KEY,
        data={
            "view": shown.view,
            "page": page.page_id,
            "order": shown.order,
            "rows": _rows(app_state, raw, shown.group),
            "marked": [row["sighting_id"] for row in raw if row["sighting_id"] in set(marked())],
            "version": marks_version(),
            "labels": list(store.sighting_counts("label", limit=_MOST_OFFERED)),
            "tags": list(store.sighting_tags())[:_MOST_OFFERED],
            "has_next": first + (still_there() if page is before else len(raw)) < count,
            "has_previous": first > 0,
        },
        on_marks_change=_marked,
        on_turn_change=lambda: None,
        on_sort_change=lambda: None,
        on_review_change=lambda: None,
    )
    if result.turn:
        turn_page(_KEY, first + advance() if result.turn > 0 else max(0, first - size), of)
        st.rerun()
    if result.sort:
        write_address(shown.changed(order=result.sort))
        st.rerun()
    if result.review:
        _open_in_review(app_state, result.review)
    if is_waiting:
        st.fragment(_look_again, run_every=1.0)(app_state)


@dataclass(frozen=True)
class _Page:
    """of: filters, order, group and first row. page_id: another one whenever it is read again."""

    of: Any
    rows: list[Row]
    page_id: str = field(default_factory=lambda: uuid.uuid4().hex)


def _page(app_state: AppState, shown: Shown, of: Any, part: dict[str, int]) -> _Page:
    """Its rows stay while it is open: who reviews those that are not reviewed does not want them
    to go when the page is drawn again, as it is when pictures have come.
    """
    kept: _Page | None = st.session_state.get(_PAGE)
    if kept is not None and kept.of == of and _KEY in st.session_state:  # it was not left meanwhile
        return kept
    store, options = app_state.store, dict[str, Any](order=shown.order, **part)
    if shown.group is None:
        rows = store.sightings(**options, **shown.wanted)
    else:
        rows = store.grouped_sightings(shown.group, **options, **shown.wanted)
    st.session_state[_PAGE] = _Page(of, rows)
    return cast(_Page, st.session_state[_PAGE])


def forget_page() -> None:
    """Read the rows again: something was done to many."""
    st.session_state.pop(_PAGE, None)


def _marked() -> None:
    """A mark was set or taken away; one that is older than a change by the program is left out."""
    marks = st.session_state[_KEY].get("marks") or {}
    if marks.get("version") == marks_version():
        take_marks(list(marks["page"]), marks["on"])


def _open_in_review(app_state: AppState, sighting_id: str) -> None:
    """With the boxes and the rule that found it."""
    for row in app_state.store.sightings(sighting_id=sighting_id):
        go_to_moment(row["run_id"], Rule.from_dict(json.loads(row["rule"])), row["onset_us"] / 1e6)


# ---- rows


def _rows(app_state: AppState, raw: Sequence[Row], group: str | None) -> list[Row]:
    """Sightings as the page's script shows them."""
    names = app_state.store.names_of_media({row["media_id"] for row in raw})
    said, began = app_state.store.reviews_of(raw), app_state.store.local_onsets(raw)
    none: Row = {"verdict": None, "new_label": None, "tags": [], "note": ""}
    return [
        {
            **_facts(row),
            **_picture(app_state, row),
            "when": _when(began.get(row["sighting_id"])),
            **(said.get(row["sighting_id"]) or none),
            "clip": visible(shortened(names.get(row["media_id"], "?"))),
            "group": "" if group is None else _heading(row, group, names),
        }
        for row in raw
    ]


def _facts(row: Row) -> Row:
    onset, offset = media_time(row["onset_us"]), media_time(row["offset_us"])
    duration_s, is_open = (row["offset_us"] - row["onset_us"]) / 1e6, row["close_reason"] == "open"
    return {
        "id": row["sighting_id"],
        "stretch": f"{row['media_id']} {row['onset_us']} {row['offset_us']} {row['label']}",
        "label": visible(row["label"]),
        "site": visible(row["site"] or ""),
        "onset": onset,
        "span": f"since {onset}" if is_open else f"{onset} to {offset}",
        "duration": f"{duration_s:.2f} s{' so far' if is_open else ''}",
        "score": f"{row['peak_confidence']:.2f}",
        "ended": _ENDS.get(row["close_reason"], row["close_reason"]),
        "alert": "–" if row["alert_us"] is None else media_time(row["alert_us"]),
        "rule": visible(row["rule_name"] or f"rule {row['rule_hash'][:6]}"),
        "run": row["run_id"],
        "onset_us": row["onset_us"],
        "offset_us": row["offset_us"],
        "peak_us": row["peak_us"],
    }


def _when(onset: datetime | None) -> str:
    """The onset by the time of the place."""
    return "" if onset is None else f"{onset:%Y-%m-%d %H:%M:%S}"


def _heading(row: Row, group: str, names: dict[str, str]) -> str:
    """The group of a row in words, with how many it has."""
    value = row["group_value"]
    if value is None:
        return {
            "site": "No site",
            "day": "No day: the start of the clip is not known",
            "event": "No event: site or start is not known",
        }.get(group, "None")
    if group == "clip":
        value = names.get(row["media_id"], value)
    if group == "event":
        value = f"{value} · {_span(row['group_first'], row['group_last'])}"
    return f"{visible(str(value))} · {counted(row['group_n'], 'sighting')}"


def _span(first: Any, last: Any) -> str:
    end = f"{last:%H:%M:%S}" if first.date() == last.date() else f"{last:%Y-%m-%d %H:%M:%S}"
    return f"{first:%Y-%m-%d %H:%M:%S} to {end}"


# ---- pictures


def _picture(app_state: AppState, row: Row) -> Row:
    folder = app_state.store.pictures_folder(row["media_id"])
    if (folder / f"{row['peak_us']}.jpg").exists():
        address = f"/api/pictures/{row['media_id']}/{row['peak_us']}.jpg"
        return {"picture": address, "no_picture": ""}
    has_file = row["path"] and app_state.checked_media(row["media_id"])[1] is None
    return {"picture": None, "no_picture": "picture to come" if has_file else "no picture"}


def _want_missing(app_state: AppState, raw: Sequence[Row]) -> bool:
    """Request missing pictures from a worker, one job per clip; whether any are being made."""
    wanted: dict[tuple[str, str], list[int]] = {}
    for row in raw:
        if row["path"] and _picture(app_state, row)["picture"] is None:
            wanted.setdefault((row["media_id"], row["path"]), []).append(row["peak_us"])
    gone = []
    for (media_id, path), times in wanted.items():
        if app_state.checked_media(media_id)[1] is None:
            app_state.want_pictures(media_id, path, times)
        else:
            gone.append(media_id)
    say_missing(app_state, gone, "Sightings stay; those that have no picture yet get none.")
    return _are_made(app_state)


def _are_made(app_state: AppState) -> bool:
    return any(job.is_active and job.kind == "pictures" for job in app_state.engine.jobs())


def _look_again(app_state: AppState) -> None:
    if not _are_made(app_state):
        st.rerun()
