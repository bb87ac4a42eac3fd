"""An entry of the lab notebook."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from lab.errors import LabError
from lab.evaluation.evaluate import Evaluation, evaluate
from lab.evaluation.truth import Truth
from lab.rules.rule import Rule
from lab.runs.run import Run
from lab.store.store import Store


@dataclass(frozen=True, eq=False)
class Experiment:
    """A run with a rule, and what a person wrote about it."""

    store: Store
    row: Mapping[str, Any]

    @classmethod
    def load(cls, store: Store, entry_id: str) -> Experiment:
        """By its id or the beginning of it. Raises SettingError if there is not just one."""
        return cls(store, store.entry(entry_id))

    @property
    def entry_id(self) -> str:
        return str(self.row["entry_id"])

    @cached_property
    def run(self) -> Run:
        return Run(self.store, self.row["run_id"])

    @cached_property
    def rule(self) -> Rule:
        return (
            self.run.default_rule if self.row["rule"] is None else Rule.from_dict(self.row["rule"])
        )

    @property
    def title(self) -> str:
        return str(self.row["title"] or f"{self.run.media['name']}, {self.run.recipe['detector']}")

    @cached_property
    def truth(self) -> Truth:
        """What is annotated of the run's clip now."""
        media_id = self.run.media["media_id"]
        return Truth.from_records(
            self.store.annotations(media_id),
            self.store.coverage(media_id),
            self.store.verdicts(media_id),
        )

    @cached_property
    def evaluation(self) -> Evaluation | None:
        """Figures against the current annotations; None if there are none."""
        labels = [x for x in self.rule.wanted(self.run.labels) if x in self.truth.labels]
        try:
            return evaluate(self.run, self.truth, self.rule, labels=labels) if labels else None
        except LabError:
            return None

    @property
    def protocol(self) -> dict[str, Any]:
        """The recipe, with what readers need first at the beginning."""
        recipe = self.run.recipe
        first = (
            "detector",
            "weights",
            "weights_sha256",
            "runtime",
            "precision",
            "image_size",
            "every_s",
            "score_floor",
            "labels",
        )
        names = [
            *(n for n in first if n in recipe),
            *(n for n in recipe if n not in first and n != "media_id"),
        ]
        return {"protocol_hash": self.run.protocol_hash, **{n: recipe[n] for n in names}}


def save_rule_entry(
    run: Run,
    rule: Rule,
    name: str,
    truth: Truth | None = None,
    *,
    split: Mapping[str, Any] | None = None,
) -> str:
    """Keep a rule under a name, and add it to the notebook with its current figures.

    split: how it was chosen: goal, folds and seed of the cross-validation, held-out figures.
    """
    run.store.save_rule(name, rule, run.run_id)
    media_id = run.media["media_id"]
    known = truth if truth is not None else Truth.from_store(run.store)
    here = known.by_media.get(media_id, {})
    labels = [x for x in rule.wanted(run.labels) if x in here]
    figures: dict[str, Any] = {"sightings": len(run.find(rule)), "split": split}
    if labels:
        figures["overall"] = evaluate(run, known, rule, labels=labels).overall.to_dict()
    return run.store.add_entry(run.run_id, rule, title=name.strip(), figures=figures)
