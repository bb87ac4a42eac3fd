"""An entry of the notebook as a row: picture, figures with intervals, what changed, conclusion."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.widgets.clip_card import picture_of
from lab.app.ui.widgets.rule_state import rule_to_query
from lab.app.ui.widgets.selection import protocol_name
from lab.errors import LabError
from lab.evaluation.figures import Figures
from lab.experiments.glance import Glance
from lab.formats.markdown import plain
from lab.rules.rule import Rule
from lab.rules.rule_changes import rule_changes
from lab.runs.run import Run

_TITLE, _NAME, _CONCLUSION, _CHANGES = 140, 100, 300, 6
_FRAME = "width:100%;aspect-ratio:16/9;border-radius:6px;background:#8883;font-size:.8rem"
_KINDS = {"run": "Run", "rule": "Rule"}


@dataclass(frozen=True, eq=False)
class EntryRow:
    """What a row shows of an entry.

    row: of the notebook. run: None if its log is missing. clip: its facts; None if it was removed.
    before: title and rule of the entry that it is compared with; None for the run's default.
    glance: None while it is computed.
    """

    row: dict[str, Any]
    run: Run | None
    clip: dict[str, Any] | None
    before: dict[str, Any] | None
    glance: Glance | None

    @property
    def rule(self) -> Rule | None:
        """The saved rule; None for the run's default."""
        return None if self.row["rule"] is None else Rule.from_dict(self.row["rule"])


def show_entry(app_state: AppState, entry: EntryRow, is_open: bool) -> None:
    """The row without its frame."""
    picture, words, actions = st.columns([1.3, 5, 1.3], vertical_alignment="top")
    with picture:
        _picture(app_state, entry)
    with words, st.container(gap="xxsmall"):
        _title(entry)
        _figures(entry)
        _changes(entry)
        if entry.row["conclusion"]:
            st.caption(f"Conclusion: {plain(short(entry.row['conclusion'], _CONCLUSION))}")
    with actions, st.container(gap="xxsmall"):
        _actions(app_state, entry, is_open)


def short(text: str, most: int) -> str:
    """A text in one line of at most so many letters; the entry itself has all of it."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _picture(app_state: AppState, entry: EntryRow) -> None:
    """The strongest sighting, else the middle of the clip."""
    at_us = entry.glance.strongest_us if entry.glance is not None else None
    address = None if entry.clip is None else picture_of(app_state, entry.clip, at_us)[0]
    st.html(
        f'<img src="{html.escape(address)}" alt="" loading="lazy" '
        f'style="{_FRAME};object-fit:cover">'
        if address
        else f'<div style="{_FRAME};display:grid;place-items:center">no picture</div>'
    )


def _title(entry: EntryRow) -> None:
    row, run = entry.row, entry.run
    star = "★ " if row["starred"] else ""
    tags = "".join(f" :gray-badge[{plain(short(tag, _NAME))}]" for tag in row["tags"])
    st.markdown(f"**{star}{plain(short(row['title'], _TITLE))}**{tags}")
    made_of = [plain(short(entry.clip["shown"], _NAME))] if entry.clip else []
    if run is not None:
        made_of.append(plain(protocol_name(run.row)))
    kind = _KINDS[row["kind"]]
    st.caption(f"{kind} · {row['created_utc']:%Y-%m-%d %H:%M} · {' · '.join(made_of)}")


def _figures(entry: EntryRow) -> None:
    found = entry.glance
    if entry.run is None:
        st.caption(
            "No figures: this run has no score log; it is missing, or was removed to make room."
        )
    elif found is None:
        st.caption("…")
    elif found.problem is not None:
        st.caption(f"No figures: {plain(found.problem)}")
    else:
        many = "sighting" if found.sightings == 1 else "sightings"
        facts = [f"{found.sightings:,d} {many}"]
        facts += [plain(words) for words in rates_in_words(found.figures)]
        facts.append(f"{100 * found.watched:.0f} % watched")
        if found.is_damaged:
            facts.append("its log is damaged")
        st.markdown(" · ".join(facts))


def rates_in_words(figures: Figures | None) -> list[str]:
    """Precision and recall with their intervals; one that is not defined is left out."""
    words = []
    for name in ("precision", "recall"):
        value = None if figures is None else getattr(figures, name)
        if value is None:
            continue
        limits = getattr(figures, f"{name}_interval")
        interval = "" if limits is None else f" [{limits[0]:.2f}, {limits[1]:.2f}]"
        words.append(f"{name} {value:.2f}{interval}")
    return words


def _changes(entry: EntryRow) -> None:
    if entry.run is None or entry.rule is None:
        return
    if entry.before is None:
        than, start = "the default", entry.run.default_rule
    else:
        than = f"“{plain(short(entry.before['title'] or 'the rule before', _NAME))}”"
        start = Rule.from_dict(entry.before["rule"])
    changed = rule_changes(start, entry.rule)
    few = ", ".join(plain(words) for words in changed[:_CHANGES])
    more = f" and {len(changed) - _CHANGES} more" if len(changed) > _CHANGES else ""
    st.caption(f"Against {than}: {few}{more}" if changed else f"The same as {than}")


def _actions(app_state: AppState, entry: EntryRow, is_open: bool) -> None:
    entry_id = entry.row["entry_id"]
    if st.button(
        "Close entry" if is_open else "Open entry", key=f"open_{entry_id}", width="stretch"
    ):
        st.session_state.entry_open = None if is_open else entry_id
        st.rerun()
    if not is_open:
        _write_conclusion(app_state, entry.row)
    if entry.run is not None:
        rule = entry.rule
        st.page_link(
            "pages/review.py",
            label="Review",
            icon=":material/movie:",
            help="Opens the run in Review with this rule.",
            query_params={"run": entry.run.run_id}
            | ({} if rule is None else {"rule": rule_to_query(rule)}),
        )


def _write_conclusion(app_state: AppState, row: dict[str, Any]) -> None:
    entry_id = row["entry_id"]
    with st.popover("Conclude", width="stretch"), st.form(f"conclude_{entry_id}", border=False):
        text = st.text_area("Conclusion", row["conclusion"] or "", height=120, width=320)
        if st.form_submit_button("Save conclusion", type="primary"):
            try:
                app_state.store.write_entry(entry_id, conclusion=text)
            except LabError as error:
                st.error(plain(error))
                return
            st.rerun()
