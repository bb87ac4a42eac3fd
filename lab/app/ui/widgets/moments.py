"""Where sightings and annotations differ: a list of moments to look at."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from lab.app.ui.widgets.figure_tables import MANY, errors_of
from lab.app.ui.widgets.rule_state import go_to_moment
from lab.app.ui.widgets.selection import Selection
from lab.evaluation.evaluate import Evaluation
from lab.evaluation.fragmentation import EvaluationEvent, Kind
from lab.media_time import media_time

KINDS: dict[Kind, str] = {
    "missed": "missed",
    "false": "false",
    "split": "split",
    "merged": "merged",
    "early": "begins early",
    "late": "begins late",
    "ends_early": "ends early",
    "ends_late": "ends late",
    "censored": "cut by an end",
    "below_resolution": "below resolution",
    "not_analysed": "not analysed",
}
_WHAT_KINDS_ARE = (
    "Split: several sightings of one annotation; merged: one sighting of several. Early and late: "
    "by more than the tolerance. Cut by an end: the clip, or what was watched, ends there, so that "
    "nobody knows when it really began or ended (censored). Below resolution: shorter than the "
    "time between samples."
)


def _listed_moments(found: Evaluation) -> list[EvaluationEvent]:
    """All moments of a few clips; of many, those of the clips with the most errors."""
    if len(found.clips) <= MANY:
        return found.moments
    worst = sorted(found.clips, key=lambda m: -sum(map(errors_of, found.clips[m].values())))
    moments: list[EvaluationEvent] = []
    for n, media_id in enumerate(worst):
        moments += found.events_in(media_id)
        if len(moments) >= MANY or n >= MANY:
            break
    return moments[:MANY]


def show_moments(picked: Selection, found: Evaluation) -> None:
    moments = _listed_moments(found)
    st.subheader(f"What went otherwise ({len(moments)})")
    if not moments:
        st.caption("None: every annotation matches a sighting, and every sighting an annotation.")
        return
    if len(found.clips) > MANY:
        st.caption("Of the clips with the most false and missed ones; choose clips to see others.")
    kinds = sorted({m.kind for m in moments})
    wanted = st.pills(
        "Kinds",
        kinds,
        selection_mode="multi",
        default=None,
        key="moment_kinds",
        help=_WHAT_KINDS_ARE,
        format_func=lambda k: f"{KINDS[k]} ({sum(m.kind == k for m in moments)})",
    )
    listed = [m for m in moments if not wanted or m.kind in wanted][:MANY]
    frame = pd.DataFrame(
        [
            {
                "kind": KINDS[m.kind],
                "clip": found.names[m.media_id],
                "label": m.label,
                "from": media_time(m.start_us),
                "to": media_time(m.end_us),
                "what": m.text,
            }
            for m in listed
        ]
    )
    event = st.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
        key=f"moments_{len(listed)}_{picked.rule.rule_hash}",
        placeholder="",
    )
    rows = event["selection"]["rows"] or [cell[0] for cell in event["selection"]["cells"]]
    st.caption("Click a row to open that moment.")
    if rows:
        moment = listed[rows[0]]
        run_id = next(r["run_id"] for r in picked.index if r["media_id"] == moment.media_id)
        go_to_moment(run_id, picked.rule, moment.start_us / 1e6)
