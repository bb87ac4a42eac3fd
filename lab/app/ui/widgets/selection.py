"""Which runs, label and rule a page works on: runs of one protocol, never mixed."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import streamlit as st

from lab.app.server.state import AppState
from lab.app.ui.shared import here
from lab.app.ui.widgets.missing_clips import say_missing, without_file
from lab.app.ui.widgets.progress import is_done
from lab.app.ui.widgets.removed_logs import say_removed
from lab.counted import counted
from lab.errors import SettingError
from lab.evaluation.truth import Truth
from lab.formats.markdown import isolated, plain
from lab.rules.rule import Rule
from lab.runs.run import Run

_STATES = ["done", "cancelled", "interrupted"]
MOST_ASKED = 20  # a run with more labels was told none: they are all that its detector knows
_LOOKED_AT = 5  # runs in which labels are looked for
_MOST_OPTIONS = 300  # clips to choose from in a list; above it they are found by words


@dataclass(frozen=True, eq=False)
class Selection:
    """Runs of one protocol, a label, the rule to measure, and their annotations.

    index: run_id, media_id and name of each run; the runs themselves are made when needed.
    asked: the labels that were asked about: looked for, annotated or watched.
    """

    app_state: AppState
    index: list[dict[str, Any]]
    first: Run
    label: str
    rule: Rule
    rule_name: str
    truth: Truth
    tiou: float
    annotator: str | None
    asked: tuple[str, ...]

    @property
    def run_ids(self) -> list[str]:
        return [row["run_id"] for row in self.index]

    @cached_property
    def runs(self) -> list[Run]:
        return self.app_state.runs(self.run_ids)

    @property
    def has_coverage(self) -> bool:
        """Whether any clip was watched for the label."""
        return any(map(self._is_covered, self.index))

    @property
    def covered(self) -> list[Run]:
        """Runs whose clip was watched for the label."""
        return self.app_state.runs([row["run_id"] for row in self.index if self._is_covered(row)])

    def _is_covered(self, row: dict[str, Any]) -> bool:
        return len(self.truth.of(row["media_id"], self.label).covered) > 0

    @property
    def key(self) -> Hashable:
        """Another one whenever the logs, the rule, the annotations or the matching are."""
        logs = hash(tuple(map(self.app_state.log_stamp, self.run_ids)))
        version = self.app_state.store.annotations_version
        ids = hash(tuple(self.run_ids))
        return ids, logs, version, self.annotator, self.label, self.rule.rule_hash, self.tiou


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
    """Widgets for the choice; None, with the next step, if there are no runs, or they are read."""
    store = app_state.store
    protocols = store.protocols(state=_STATES)
    if not protocols:
        st.info("Nothing has been analysed yet. Pick clips and run a detector over them first.")
        st.page_link("pages/library.py", label="Go to Library", icon=":material/arrow_back:")
        return None
    names = {
        row["protocol_hash"]: f"{protocol_name(row)} · {counted(row['clips'], 'clip')} · "
        f"{row['protocol_hash'][:6]}"
        for row in protocols
    }
    row = st.container(key=f"{key}_choice")
    first, second, third, fourth = row.columns([4, 2, 2, 1], vertical_alignment="bottom")
    protocol = first.selectbox(
        "Protocol",
        list(names),
        index=list(names).index(_last_looked_at(app_state, protocols)),
        format_func=names.__getitem__,
        key=f"keep_{key}_protocol",
        persist_state="session",
        help="Runs with the same detector, labels and sampling. Only their figures are added up.",
    )
    index = store.run_index(
        protocol_hash=protocol, state=_STATES, newest_of_clip=True, has_log=True
    )
    index = [row for row in index if store.log_folder(row["run_id"]).is_dir()]
    say_removed(app_state, protocol)
    recipe = next(row["recipe"] for row in protocols if row["protocol_hash"] == protocol)
    reading = app_state.computations.get(
        ("annotations", store.annotations_version),
        "Reading the annotations",
        lambda _: app_state.truth.truth(),
    )
    if not is_done(reading):
        return None
    more = fourth.popover("More", help="Clips, annotators, and what counts as a match.")
    annotator = _annotator(app_state, more, key)
    truth = app_state.truth.truth(annotator)
    asked = _asked(app_state, index, recipe, truth)
    labels = asked or _found_labels(app_state, index)
    if not labels:
        st.info(
            "Nothing was detected in these runs and nothing is annotated, so there is no label to "
            "measure. Choose other runs above, or annotate in Review."
        )
        return None
    label = second.selectbox(
        "Label",
        labels,
        key=f"keep_{key}_label_{protocol}",
        persist_state="session",
        help="What the runs looked for, or what was annotated.",
    )
    index = _chosen_clips(more, index, f"keep_{key}_clips_{protocol}")
    if not index:
        st.info("No clip has all of these words in its path.")
        return None
    gone = without_file(app_state, (row["media_id"] for row in index))
    say_missing(app_state, gone, "Figures are of what was logged and need no video.")
    rule_name, rule = _rule(app_state, third, {row["run_id"] for row in index}, key)
    tiou = more.slider(
        "Overlap that matches",
        0.1,
        0.95,
        0.5,
        0.05,
        key=f"keep_{key}_tiou",
        persist_state="session",
        help="Temporal IoU (tIoU): the time that a sighting and an annotation share, divided by "
        "the time that either takes. From here on they match.",
    )
    (one,) = app_state.runs([index[0]["run_id"]])
    rule = rule if rule is not None else one.default_rule
    try:
        rule.check_floor(float(one.recipe["score_floor"]))
        rule.wanted(one.labels)
    except SettingError as error:
        st.warning(f"{plain(error)}. The default rule is used.")
        rule, rule_name = one.default_rule, "default"
    return Selection(
        app_state,
        index,
        one,
        label,
        rule,
        rule_name,
        truth,
        tiou,
        annotator,
        tuple(asked or [label]),
    )


def _last_looked_at(app_state: AppState, protocols: list[dict[str, Any]]) -> str:
    """The protocol of the run that was last open in Review; else the newest."""
    known = [str(row["protocol_hash"]) for row in protocols]
    last = st.session_state.get("review_run")
    rows = app_state.store.runs(run_id=last) if last else []
    return next((r["protocol_hash"] for r in rows if r["protocol_hash"] in known), known[0])


def _annotator(app_state: AppState, place: Any, key: str) -> str | None:
    """Whose annotations count; None for everybody's."""
    who = ["everybody", *app_state.truth.annotators()]
    chosen = place.selectbox("Annotations by", who, key=f"keep_{key}_who", persist_state="session")
    return None if chosen == "everybody" else str(chosen)


def _asked(
    app_state: AppState, index: list[dict[str, Any]], recipe: dict[str, Any], truth: Truth
) -> list[str]:
    """The labels that somebody asked about: annotated or watched ones, then those looked for.

    Of the latter those that were found come first, the strongest before the others.
    """
    known = {label for row in index for label in truth.by_media.get(row["media_id"], {})}
    (one,) = app_state.runs([index[0]["run_id"]]) if index else (None,)
    of_run = list(one.labels if one is not None else recipe["labels"])
    looked_for = of_run if len(of_run) <= MOST_ASKED else []
    first = [x for x in of_run if x in known] or _found_labels(app_state, index)
    return list(dict.fromkeys(x for x in [*first, *looked_for] if x in {*known, *looked_for}))


def _found_labels(app_state: AppState, index: list[dict[str, Any]]) -> list[str]:
    """The labels that were found, strongest first, where none was asked for."""
    highest: dict[str, float] = {}
    for row in index[:_LOOKED_AT]:
        log = app_state.run(row["run_id"]).log
        for label, peak in zip(log.labels, log.peaks.tolist(), strict=True):
            highest[label] = max(peak, highest.get(label, 0.0))
    return sorted((x for x, peak in highest.items() if peak > 0), key=lambda x: -highest[x])


def _chosen_clips(place: Any, index: list[dict[str, Any]], key: str) -> list[dict[str, Any]]:
    """The runs of the clips that the user chooses: from a list, or by words where it is long."""
    if len(index) > _MOST_OPTIONS:
        words = place.text_input(
            "Clips",
            key=f"{key}_words",
            persist_state="session",
            placeholder=f"All {len(index):,}; or words of their path",
        )
        wanted = words.lower().split()
        return [row for row in index if all(word in row["path"].lower() for word in wanted)]
    names = here().store.names_of_media(row["media_id"] for row in index)
    chosen = place.multiselect(
        "Clips",
        list(names),
        format_func=lambda one: isolated(names[one]),
        key=key,
        persist_state="session",
        placeholder=f"All {len(names)}",
    )
    return [row for row in index if not chosen or row["media_id"] in chosen]


def _rule(app_state: AppState, place: Any, run_ids: set[str], key: str) -> tuple[str, Rule | None]:
    saved: dict[str, Rule] = {row["name"]: row["rule"] for row in app_state.store.rules()}
    options: dict[str, Rule | None] = {"default": None, **saved}
    if st.session_state.get("rule") is not None and st.session_state.get("rule_run") in run_ids:
        options = {"as in Review": st.session_state.rule, **options}
    name = place.selectbox("Rule", list(options), key=f"keep_{key}_rule", persist_state="session")
    return name, options[name]
