"""The Measure page: figures over clips, and the tabs of the search."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import pandas as pd
import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import here, note_damage
from lab.app.ui.widgets.advice_tab import show_advice
from lab.app.ui.widgets.annotation_files import annotation_files
from lab.app.ui.widgets.progress import is_done
from lab.app.ui.widgets.questions import show_audit, show_queue
from lab.app.ui.widgets.rule_state import go_to_moment
from lab.app.ui.widgets.selection import Selection, select
from lab.app.ui.widgets.sweep_tab import show_sweep
from lab.app.ui.widgets.thinning_tab import show_thinning
from lab.errors import LabError
from lab.evaluation.evaluate import Evaluation, evaluate
from lab.evaluation.figures import Figures
from lab.evaluation.fragmentation import EvaluationEvent
from lab.formats.markdown import plain

_MAX_DAMAGED = 20  # runs that are named
_MANY = 500  # clips, or rows of a table


def measure() -> None:
    """The whole page below its title."""
    app_state = here()
    picked = select(app_state, "measure")
    if picked is None:
        return
    if len(picked.index) > _MANY and not is_done(app_state.scores(picked.run_ids)):
        return
    damaged = (run for run in picked.runs if run.damage is not None)
    note_damage(*islice(damaged, _MAX_DAMAGED))
    shows: dict[str, Callable[[AppState, Selection], None]] = {
        "Figures": _figures_tab,
        "Sweep": show_sweep,
        "Advice": show_advice,
        "What to annotate next": show_queue,
        "Audit": show_audit,
        "Fewer samples": show_thinning,
    }
    # Only the open tab is computed: with hundreds of clips each takes a moment.
    tabs = st.tabs([plain(name) for name in shows], key="measure_tab", on_change="rerun")
    for tab, show in zip(tabs, shows.values(), strict=True):
        if tab.open:
            with tab:
                try:
                    show(app_state, picked)
                except LabError as error:
                    st.error(plain(error))


def _figures_tab(app_state: AppState, picked: Selection) -> None:
    if not picked.has_coverage:
        st.info(
            f"None of these clips was watched for “{plain(picked.label)}”. Annotate in Review: M "
            "marks a start and an end, V records that the whole clip was watched."
        )
        st.page_link("pages/review.py", label="Go to Review", icon=":material/movie:")
    _figures(app_state, picked)
    annotation_files(app_state)


def _figures(app_state: AppState, picked: Selection) -> None:
    doing = app_state.computations.get(
        ("figures", picked.key),
        "Comparing sightings with annotations",
        lambda report: evaluate(
            picked.runs, picked.truth, picked.rule, tiou=picked.tiou, progress=report
        ),
    )
    if not is_done(doing):
        return
    found = doing.result
    for note in found.notes:
        st.caption(plain(note))
    st.dataframe(figure_table(found), hide_index=True, width="stretch")
    for text, labels in _refusals(found).items():
        st.caption(
            f"{plain(', '.join(labels[:8]))}"
            f"{f' and {len(labels) - 8} more' if len(labels) > 8 else ''}: {plain(text)}"
        )
    _by_clip(found)
    _moments(picked, found)


def _by_clip(found: Evaluation) -> None:
    st.subheader("By clip")
    covered = [
        (media_id, label, figures)
        for media_id, by_label in found.clips.items()
        for label, figures in by_label.items()
        if figures.is_covered
    ]
    listed = covered
    if len(covered) > _MANY:
        listed = sorted(covered, key=lambda row: -_errors(row[2]))[:_MANY]
        st.caption(
            f"{_MANY} of {len(covered):,} rows: those with the most false and missed ones. "
            "`lab evaluate --json` has all."
        )
    rows = [
        {"clip": found.names[media_id], "label": label, **_short(figures)}
        for media_id, label, figures in listed
    ]
    if rows:
        st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch")


def _errors(figures: Figures) -> int:
    return figures.counts.fp + figures.counts.fn


def _refusals(found: Evaluation) -> dict[str, list[str]]:
    """Reasons why figures are missing, each with its labels."""
    why: dict[str, list[str]] = {}
    for label, figures in found.labels.items():
        for text in sorted(set(figures.refused.values())):
            why.setdefault(text, []).append(label)
    return why


def figure_table(found: Evaluation) -> pd.DataFrame:
    """Rates with their intervals, formatted as text."""
    rows = []
    for label, figures in [*found.labels.items(), ("all labels", found.overall)]:
        row = figures.to_dict()

        def rate(name: str, digits: int = 2, row: dict[str, Any] = row) -> str:
            value, limits = row[name], row.get(f"{name}_interval")
            if value is None:
                return "–"
            return f"{value:.{digits}f}" + (
                f" [{limits[0]:.{digits}f}, {limits[1]:.{digits}f}]" if limits else ""
            )

        rows.append(
            {
                "label": label,
                "found": str(row["tp"]),
                "false": str(row["fp"]),
                "missed": str(row["fn"]),
                "precision": rate("precision"),
                "recall": rate("recall"),
                "F1": rate("f1"),
                "F1 .5:.95": rate("f1_mean"),
                "false an hour": rate("false_per_hour", 1),
                "any overlap P / R": _precision_recall(row["overlap"]),
                "clips P / R": _precision_recall(row["clips"]),
                "1 s segments F1": _plain(row["segments"]["f1"]),
                "onset error": _median(row["onset_error"]),
                "offset error": _median(row["offset_error"]),
                "delay": _median(row["delay"]),
                "below resolution": str(row["below_resolution"]),
                "watched": f"{row['covered_s']:.0f} s",
            }
        )
    macro = found.macro
    if len(found.labels) > 1:
        rows.append(
            {
                "label": "mean of labels",
                **{
                    n: _plain(macro[k])
                    for n, k in (
                        ("precision", "precision"),
                        ("recall", "recall"),
                        ("F1", "f1"),
                        ("F1 .5:.95", "f1_mean"),
                    )
                },
            }
        )
    return pd.DataFrame(rows).fillna("")


def _short(figures: Any) -> dict[str, Any]:
    c = figures.counts
    return {
        "found": c.tp,
        "false": c.fp,
        "missed": c.fn,
        "precision": figures.precision,
        "recall": figures.recall,
        "F1": figures.f1,
        "watched, s": figures.covered_s,
    }


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _precision_recall(row: dict[str, Any]) -> str:
    return f"{_plain(row['precision'])} / {_plain(row['recall'])}"


def _median(errors: dict[str, Any]) -> str:
    return "–" if not errors["n"] else f"{errors['median_s']:+.2f} s"


def _listed_moments(found: Evaluation) -> list[EvaluationEvent]:
    """All moments of a few clips; of many, those of the clips with the most errors."""
    if len(found.clips) <= _MANY:
        return found.moments
    worst = sorted(found.clips, key=lambda m: -sum(map(_errors, found.clips[m].values())))
    moments: list[EvaluationEvent] = []
    for n, media_id in enumerate(worst):
        moments += found.events_in(media_id)
        if len(moments) >= _MANY or n >= _MANY:
            break
    return moments[:_MANY]


def _moments(picked: Selection, found: Evaluation) -> None:
    moments = _listed_moments(found)
    st.subheader(f"What went otherwise ({len(moments)})")
    if not moments:
        st.caption("None: every annotation matches a sighting, and every sighting an annotation.")
        return
    if len(found.clips) > _MANY:
        st.caption("Of the clips with the most false and missed ones; choose clips to see others.")
    kinds = sorted({m.kind for m in moments})
    wanted = st.pills(
        "Kinds",
        kinds,
        selection_mode="multi",
        default=None,
        key="moment_kinds",
        format_func=lambda k: f"{k.replace('_', ' ')} ({sum(m.kind == k for m in moments)})",
    )
    listed = [m for m in moments if not wanted or m.kind in wanted][:_MANY]
    frame = pd.DataFrame(
        [{"kind": m.kind.replace("_", " "), "clip": found.names[m.media_id], "label": m.label,
          "from, s": m.start_us / 1e6, "to, s": m.end_us / 1e6, "what": m.text} for m in listed]
    )  # fmt: skip
    event = st.dataframe(
        frame,
        hide_index=True,
        width="stretch",
        on_select="rerun",
        selection_mode=["single-row", "single-cell"],
        key=f"moments_{len(listed)}_{picked.rule.rule_hash}",
    )
    rows = event["selection"]["rows"] or [cell[0] for cell in event["selection"]["cells"]]
    st.caption("Click a row to open that moment.")
    if rows:
        moment = listed[rows[0]]
        run_id = next(r["run_id"] for r in picked.index if r["media_id"] == moment.media_id)
        go_to_moment(run_id, picked.rule, moment.start_us / 1e6)
