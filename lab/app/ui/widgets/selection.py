"""Which runs, label and rule a page works on: runs of one protocol, never mixed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.errors import SettingError
from lab.evaluation.truth import Truth
from lab.formats.markdown import plain
from lab.rules.rule import Rule
from lab.runs.run import Run


@dataclass(frozen=True, eq=False)
class Selection:
    """Runs of one protocol, a label, the rule to measure, and their annotations."""

    runs: list[Run]
    label: str
    rule: Rule
    rule_name: str
    truth: Truth
    tiou: float
    annotator: str | None

    @property
    def covered(self) -> list[Run]:
        """Runs whose clip was watched for the label."""
        return [r for r in self.runs if len(self.truth.of(r.media["media_id"], self.label).covered)]


def protocol_name(row: dict[str, Any]) -> str:
    """Detector, weights, labels, sampling and gate of a row with a recipe, as text."""
    recipe = row["recipe"]
    labels = recipe["labels"]
    label_text = (", ".join(labels) if len(labels) <= 3 else f"{len(labels)} labels") or "any label"
    gate = f" · gate {recipe['gate']['kind']}" if recipe.get("gate") else ""
    return (
        f"{recipe['detector']} {recipe.get('weights') or ''} · {label_text} · "
        f"every {recipe['every_s']:g} s{gate}"
    )


def select(app_state: AppState, key: str) -> Selection | None:
    """Widgets for the choice; None, with a link to the next step, if there are no runs."""
    done = [
        r
        for r in app_state.store.runs()
        if r["state"] in ("done", "cancelled", "interrupted")
        and app_state.store.log_folder(r["run_id"]).is_dir()
    ]
    if not done:
        st.info("Nothing has been analysed yet. Pick clips and run a detector over them first.")
        st.page_link("pages/source.py", label="Go to Source", icon=":material/arrow_back:")
        return None
    by_protocol: dict[str, list[dict[str, Any]]] = {}
    for row in done:
        by_protocol.setdefault(row["protocol_hash"], []).append(row)
    first, second, third = st.columns([3, 1, 1])
    names = {
        h: f"{protocol_name(rows[0])} · {len({r['media_id'] for r in rows})} clip(s) · {h[:6]}"
        for h, rows in by_protocol.items()
    }
    protocol = first.selectbox(
        "Protocol",
        list(by_protocol),
        format_func=names.__getitem__,
        key=f"keep_{key}_protocol",
        persist_state="session",
        help="Figures are pooled only over runs with the same settings.",
    )
    rows = {r["media_id"]: r for r in reversed(by_protocol[protocol])}
    labels = by_protocol[protocol][0]["recipe"]["labels"]
    if not labels:  # a detector that declares none: those it found
        found = app_state.runs([r["run_id"] for r in rows.values()])
        labels = sorted({label for run in found for label in run.labels})
    if not labels:
        st.info("These runs have no detections, so there is no label to measure.")
        return None
    who = ["everybody", *app_state.truth.annotators()]
    annotator = third.selectbox(
        "Annotations by", who, key=f"keep_{key}_who", persist_state="session"
    )
    truth = app_state.truth.truth(None if annotator == "everybody" else annotator)
    annotated_labels = [
        label for label in labels if any(label in truth.by_media.get(m, {}) for m in rows)
    ]
    label = second.selectbox(
        "Label",
        [*annotated_labels, *(x for x in labels if x not in annotated_labels)],
        key=f"keep_{key}_label_{protocol}",
        persist_state="session",
    )
    media = {m["media_id"]: m for m in app_state.store.all_media()}
    first, second, third = st.columns([3, 1, 1])
    chosen = first.multiselect(
        "Clips",
        list(rows),
        format_func=lambda m: media[m]["name"],
        key=f"keep_{key}_clips_{protocol}",
        persist_state="session",
        placeholder=f"All {len(rows)}",
    )
    rule_name, rule = _rule(app_state, second, [rows[m]["run_id"] for m in rows], key)
    tiou = third.slider(
        "Temporal IoU",
        0.1,
        0.95,
        0.5,
        0.05,
        key=f"keep_{key}_tiou",
        persist_state="session",
        help="How much a sighting must overlap an annotation to match it.",
    )
    runs = app_state.runs([rows[m]["run_id"] for m in chosen or rows])
    rule = rule if rule is not None else runs[0].default_rule
    try:
        rule.check_floor(float(runs[0].recipe["score_floor"]))
        rule.wanted(runs[0].labels)
    except SettingError as error:
        st.warning(f"{plain(error)}. The default rule is used.")
        rule, rule_name = runs[0].default_rule, "default"
    return Selection(
        runs, label, rule, rule_name, truth, tiou, None if annotator == "everybody" else annotator
    )


def _rule(app_state: AppState, place: Any, run_ids: list[str], key: str) -> tuple[str, Rule | None]:
    saved: dict[str, Rule] = {row["name"]: row["rule"] for row in app_state.store.rules()}
    options: dict[str, Rule | None] = {"default": None, **saved}
    if st.session_state.get("rule") is not None and st.session_state.get("rule_run") in run_ids:
        options = {"as on Tune": st.session_state.rule, **options}
    name = place.selectbox("Rule", list(options), key=f"keep_{key}_rule", persist_state="session")
    return name, options[name]
