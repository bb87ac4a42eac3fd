"""Questions for an annotator, from the queue and audits; they are answered in Review in turn."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from lab.app.server.state import AppState
from lab.app.ui.widgets.rule_state import forget_seek
from lab.app.ui.widgets.selection import Selection
from lab.app.ui.widgets.sweep_tab import current_sweep
from lab.counted import counted
from lab.errors import SettingError
from lab.evaluation.truth import Truth
from lab.formats.markdown import code, plain
from lab.media_time import media_time
from lab.rules.rule import LabelRule
from lab.runs.run import Run
from lab.tuning.audit import Audit, audit_figures, new_audit, unwatched
from lab.tuning.footage import footage_of
from lab.tuning.queue import committee, questions


def show_queue(app_state: AppState, picked: Selection) -> None:
    """The most informative moments, updated after each answer."""
    swept = current_sweep(app_state, picked)
    floor = float(picked.first.recipe["score_floor"])
    rules = committee(swept, picked.rule.of(picked.label), floor)
    found = _questions(app_state, picked.runs, picked.label, rules)
    st.caption(
        "Moments where the best rules disagree, and near misses, in unwatched footage. "
        + (
            ""
            if swept is not None
            else "Without a search for a better rule, rules with a range of thresholds vote. "
        )
        + "These answers are not used for headline figures, because they are hard moments."
    )
    if not found:
        st.info("No questions: everything was watched, or all rules agree.")
        return
    if st.button("Ask me", type="primary", key="ask_me"):
        st.session_state.asking = {
            "kind": "queue", "run_ids": picked.run_ids, "label": picked.label,
            "rules": [r.to_dict() for r in rules], "n": st.session_state.get("asked", 0),
        }  # fmt: skip
        _next(app_state)
        st.switch_page("pages/review.py")
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "clip": q.name,
                    "from": media_time(q.start_us),
                    "to": media_time(q.end_us),
                    "why": q.text,
                    "weight": round(q.priority, 2),
                }
                for q in found
            ]
        ),
        hide_index=True,
        width="stretch",
        placeholder="",
    )


def _questions(
    app_state: AppState, runs: list[Run], label: str, rules: list[LabelRule]
) -> list[Any]:
    # Answers to the queue count as watched here, or they would be asked again.
    truth = Truth.from_records(*app_state.truth.records(), include_queue=True)
    return questions(footage_of(runs, truth, label), label, rules)


def show_audit(app_state: AppState, picked: Selection) -> None:
    """Freeze a rule, draw unannotated clips at random, watch them blind, report."""
    st.caption(
        "For figures to publish: the rule is frozen and logged; unannotated clips are drawn "
        "at random, including low-scoring ones, watched blind, and weighted by their probability "
        "of being drawn."
    )
    protocol = picked.first.protocol_hash
    audits = [
        a
        for a in map(Audit.from_dict, app_state.store.audits())
        if a.label == picked.label and a.protocol_hash == protocol
    ]
    for audit in audits:
        _audit(app_state, picked, audit)
    free = unwatched(picked.runs, app_state.truth.truth(), picked.label)
    with st.expander("Draw a new audit", expanded=not audits):
        st.write(
            f"{len(free)} of {len(picked.runs)} clips were not annotated for "
            f"“{plain(picked.label)}”."
        )
        first, second = st.columns(2)
        clips = int(first.number_input("Clips to draw", 2, 500, 12))
        seed = int(second.number_input("Seed", 0, 10**6, 1))
        if st.button("Freeze the rule and draw", disabled=len(free) < 2):
            made = new_audit(
                picked.runs, app_state.truth.truth(), picked.rule, picked.label, clips, seed
            )
            app_state.store.add_audit(made.to_dict())
            st.rerun()


def _watched(app_state: AppState, audit: Audit) -> set[str]:
    return {
        c.media_id
        for c in app_state.truth.records()[1]
        if c.label == audit.label and c.origin == "audit"
    }


def _audit(app_state: AppState, picked: Selection, audit: Audit) -> None:
    runs = {r.media["media_id"]: r for r in picked.runs}
    watched = _watched(app_state, audit) & set(audit.drawn)
    with st.container(border=True):
        st.markdown(
            f"**Audit of {plain(audit.created_utc[:16])}**, rule {code(audit.rule_hash)}, "
            f"seed {audit.seed:d}: "
            f"{len(watched)} of {counted(len(audit.drawn), 'clip')} watched."
        )
        st.dataframe(
            pd.DataFrame(
                [
                    {
                        "stratum": s.name,
                        "highest score": f"{s.low:.2f} to {s.high:.2f}",
                        "clips": s.size,
                        "drawn": len(s.drawn),
                        "chance": round(s.probability, 3),
                    }
                    for s in audit.strata
                ]
            ),
            hide_index=True,
            placeholder="",
        )
        left = [m for m in audit.drawn if m not in watched and m in runs]
        if left and st.button(
            f"Watch the next of {len(left)}, blind", key=f"audit_{audit.audit_id}"
        ):
            st.session_state.asking = {
                "kind": "audit",
                "audit_id": audit.audit_id,
                "n": st.session_state.get("asked", 0),
            }
            _next(app_state)
            st.switch_page("pages/review.py")
        if watched:
            figures = audit_figures(app_state.truth.truth(), audit, picked.runs)
            _audit_table(figures)


def _audit_table(figures: dict[str, Any]) -> None:
    rows = []
    for name in ("precision", "recall", "false_per_hour"):
        value, limits = figures[name], figures[f"{name}_interval"]
        text = "not available yet" if value is None else f"{value:.3f}"
        rows.append(
            {
                "figure": name.replace("_", " "),
                "of all clips": text + (f"  [{limits[0]:.3f}, {limits[1]:.3f}]" if limits else ""),
            }
        )
    st.dataframe(pd.DataFrame(rows), hide_index=True, placeholder="")
    if figures["missing"]:
        st.caption(f"Preliminary: {plain(figures['missing'])} drawn clips are not watched yet.")


def current_ask(app_state: AppState, line: DeltaGenerator) -> dict[str, Any] | None:
    """The question to show in Review; the next one once the player reports an answer.

    line: where the button goes that ends the asking.
    """
    asking = st.session_state.get("asking")
    if asking is None:
        return None
    ask: dict[str, Any] | None = asking.get("ask")
    # The player's last answer, read before the player is rendered again.
    answered = getattr(st.session_state.get("player"), "answered", None)
    if ask is not None and answered == str(ask["n"]):
        ask = _next(app_state)
        if ask is None:
            st.session_state.asking = None
            st.success("All questions are answered.")
            return None
        st.rerun()
    if ask is not None and line.button("Stop asking"):
        st.session_state.asking = None
        st.rerun()
    return ask


def _next(app_state: AppState) -> dict[str, Any] | None:
    """Find the next question and select its run on the page."""
    asking = st.session_state.asking
    n = st.session_state.asked = st.session_state.get("asked", 0) + 1
    made = (
        _next_of_queue(app_state, asking)
        if asking["kind"] == "queue"
        else _next_of_audit(app_state, asking)
    )
    if made is None:
        asking["ask"] = None
        return None
    run_id, ask = made
    asking["ask"] = {**ask, "n": n}
    st.session_state.review_run = run_id
    forget_seek()
    return dict(asking["ask"])


def _next_of_queue(
    app_state: AppState, asking: dict[str, Any]
) -> tuple[str, dict[str, Any]] | None:
    runs = app_state.runs(asking["run_ids"])
    rules = [LabelRule.from_dict(r) for r in asking["rules"]]
    found = _questions(app_state, runs, asking["label"], rules)
    if not found:
        return None
    q = found[0]
    run = next(r for r in runs if r.media["media_id"] == q.media_id)
    return run.run_id, {
        "label": q.label,
        "start_us": q.start_us,
        "end_us": q.end_us,
        "origin": "queue",
        "text": q.text,
        "title": f"Question ({len(found)} open):",
        "blind": False,
        "media_id": q.media_id,
    }


def _next_of_audit(
    app_state: AppState, asking: dict[str, Any]
) -> tuple[str, dict[str, Any]] | None:
    kept = map(Audit.from_dict, app_state.store.audits())
    audit = next((a for a in kept if a.audit_id == asking["audit_id"]), None)
    if audit is None:
        raise SettingError("the audit is no longer in the store")
    watched = _watched(app_state, audit)
    left = [m for m in audit.drawn if m not in watched]
    found = app_state.store.runs(
        protocol_hash=audit.protocol_hash, media_id=left, newest_of_clip=True
    )
    rows = {r["media_id"]: r for r in found}
    left = [m for m in left if m in rows]
    if not left:
        return None
    run = app_state.run(rows[left[0]]["run_id"])
    return run.run_id, {
        "label": audit.label,
        "start_us": run.media["first_pts_us"],
        "end_us": run.media["end_us"],
        "origin": "audit",
        "text": "the whole clip, with what the detector saw hidden",
        "title": f"Audit ({counted(len(left), 'clip')} left):",
        "blind": True,
        "media_id": run.media["media_id"],
    }
