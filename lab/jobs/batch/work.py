"""What a batch does with each clip: its analyses, and the rules whose sightings are saved."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from lab.detectors.gate import gate_recipe, make_gate
from lab.errors import SettingError
from lab.jobs.document.checks import narrowed, rule_for
from lab.jobs.document.document import JobDocument
from lab.jobs.document.read import job_of
from lab.jobs.document.schema import error_context
from lab.rules.rule import Rule
from lab.runs.run import Run
from lab.score_log.recipe import make_recipe, protocol_hash, recipe_hash
from lab.sighting import Sighting
from lab.store.store import Store
from lab.video.hardware import decoding_device
from lab.video.sampling import Sampling

_FILES = ("weights", "embeddings")


@dataclass(frozen=True)
class AppliedRule:
    """A rule whose sightings are saved as clips finish, under this name.

    is_new: the rule is saved under its name, too.
    """

    rule: Rule
    name: str | None = None
    is_new: bool = False

    def to_dict(self) -> dict[str, Any]:
        return {"rule": self.rule.to_dict(), "name": self.name, "is_new": self.is_new}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any] | None) -> AppliedRule | None:
        if kept is None:
            return None
        return cls(Rule.from_dict(kept["rule"]), kept["name"], kept["is_new"])

    def find(self, run: Run) -> list[Sighting]:
        """Its sightings in a run; of the run's own labels, where its detector declares none."""
        is_open = not run.recipe["labels"]
        return run.find(narrowed(self.rule, run.labels) if is_open else self.rule)

    def found(self, run: Run) -> list[Sighting]:
        """The same; where the log was removed, those that were saved. Raises LogRemovedError if it
        was removed and none were.
        """
        store, rule_hash = run.store, self.rule.rule_hash
        if run.log_removed_utc is None or not store.was_applied(run.run_id, rule_hash):
            return self.find(run)
        rows = store.sightings(run_id=run.run_id, rule_hash=rule_hash, order="onset")
        return sorted(map(Sighting.from_row, rows), key=lambda one: one.label)

    def save(self, run: Run) -> None:
        """Keep its sightings in a finished run, in the place of earlier ones of the same rule."""
        if self.is_new and self.name is not None:
            run.store.save_rule(self.name, self.rule, run.run_id)
        run.store.save_sightings(run.run_id, self.rule, self.find(run), self.name)


@dataclass(frozen=True)
class Work:
    """analyses: as a worker takes them. rule: for every run; a document has its own.

    document: from which it comes, in the file `document_path`. is_current: the rules are those
    that are current for the protocols when a clip is done. since: only runs that were begun then
    or later, in UTC, are the same; None for all. is_app: the app does it.
    """

    analyses: Sequence[dict[str, Any]]
    rule: AppliedRule | None = None
    document: JobDocument | None = None
    document_path: str | None = None
    is_current: bool = False
    since: datetime | None = None
    is_app: bool = False

    @property
    def secrets(self) -> dict[str, str]:
        return dict(self.document.secrets) if self.document else {}

    def to_dict(self) -> dict[str, Any]:
        """What the queue keeps: a document by its place, since it may hold secrets."""
        if self.document is not None and self.is_app:  # no secrets: it was read without variables
            whole = dict(self.document.document)
            return {"by": "app", "inline": whole, "folder": str(self.document.folder)}
        if self.document is not None:
            return {"document": self.document_path}
        rule = None if self.rule is None else self.rule.to_dict()
        kept = {"analyses": list(self.analyses), "rule": rule}
        more = {
            "current": self.is_current,
            "since": self.since and self.since.isoformat(),
            "by": "app" if self.is_app else None,
        }
        return kept | {name: value for name, value in more.items() if value}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Work:
        """Of what is no document in a file."""
        if "inline" in kept:
            document = job_of(kept["inline"], folder=kept["folder"])
            return replace(work_of_document(document, None), is_app=True)
        since = kept.get("since")
        return cls(
            kept["analyses"],
            AppliedRule.from_dict(kept["rule"]),
            is_current=bool(kept.get("current")),
            since=since and datetime.fromisoformat(since),
            is_app=kept.get("by") == "app",
        )


def work_of(
    detector: str,
    settings: Mapping[str, Any],
    *,
    every_s: float = 0.2,
    gate: str | Mapping[str, Any] | None = None,
    rule: AppliedRule | None = None,
) -> Work:
    """One analysis. Raises SettingError."""
    if not isinstance(detector, str):
        raise SettingError(
            "a batch runs in processes of its own: give the name of a detector and its settings, "
            f"got {type(detector).__name__}; lab.analyze takes an object"
        )
    kept = {name: _whole_path(name, value) for name, value in settings.items()}
    one = {"name": detector, "detector": {"name": detector, **kept}, "interval_s": every_s}
    Sampling(every_s=every_s)
    make_gate(gate)
    return Work([one | ({} if gate is None else {"gate": gate})], rule)


def work_of_document(document: JobDocument, path: str | None) -> Work:
    """All analyses of a document, with its rules if it has a sink `store`."""
    return Work(
        [
            {
                "name": one.name,
                "detector": {**one.settings, "name": one.detector},
                "interval_s": one.interval_s,
                "frame_count": one.frame_count,
                "frame_step": one.frame_step,
                "gate": one.gate,
            }
            for one in document.analyses
        ],
        document=document,
        document_path=path,
    )


def _whole_path(name: str, value: Any) -> Any:
    """The path of a file as it is seen from everywhere; a bare name is one of the models folder."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if name in _FILES and isinstance(value, str) and Path(value).is_file():
        return os.path.abspath(value)
    return value


@dataclass(frozen=True)
class DescribedDetector:
    """What a worker said of a loaded detector."""

    labels: Sequence[str]
    default_threshold: float
    described: Mapping[str, Any] = field(repr=False)
    weights_path: str | None = None
    made_from: Mapping[str, Any] | None = None

    def recipe(self) -> dict[str, Any]:
        return dict(self.described)


class PreparedWork:
    """A work with its detectors' recipes: which runs are those of a clip, and their rules.

    described: what the worker's job `prepare` gave. Raises SettingError for a rule that does not
    fit its detector.
    """

    def __init__(self, work: Work, described: Sequence[Mapping[str, Any]]) -> None:
        self.work = work
        self.detectors = [
            DescribedDetector(
                tuple(one["labels"]),
                one["default_threshold"],
                one["recipe"],
                one.get("weights_path"),
                one.get("made_from"),
            )
            for one in described
        ]
        self.rules = self._rules()
        self.protocols = [
            protocol_hash(recipe) for recipe in (self._recipe(i, "") for i in self._each())
        ]
        rules = [r and [r.rule.rule_hash, r.name] for r in self.rules]
        document = work.document and dict(work.document.document)
        self.work_id = recipe_hash(
            {"protocols": self.protocols, "rules": rules, "document": document}
        )

    def recipe_hashes(self, media_id: str) -> list[str]:
        """Of the runs of a clip, in the order of the analyses."""
        return [recipe_hash(self._recipe(i, media_id)) for i in self._each()]

    def rule_of(self, index: int) -> AppliedRule:
        """The rule of an analysis of a document, whether its sightings are saved or not."""
        assert self.work.document is not None
        one = self.work.document.analyses[index]
        rule = rule_for(one, self.detectors[index], f"analyses[{index}]")  # type: ignore[arg-type]
        return AppliedRule(rule)

    def use_current(self, store: Store) -> None:
        """Take the rules that are current for its protocols now; none where there is none."""
        current = store.current_rules(self.protocols)
        self.rules = [
            AppliedRule(found.rule, found.name) if (found := current.get(one)) else None
            for one in self.protocols
        ]

    def _each(self) -> range:
        return range(len(self.work.analyses))

    def _recipe(self, index: int, media_id: str) -> dict[str, Any]:
        one = self.work.analyses[index]
        sampling = Sampling(
            every_s=one["interval_s"],
            frame_count=one.get("frame_count", 1),
            frame_step=one.get("frame_step", 1),
        )
        gate = gate_recipe(make_gate(one.get("gate")))
        return make_recipe(
            media_id,
            self.detectors[index].recipe(),
            sampling=sampling,
            gate=gate,
            decoded_on=decoding_device(),
        )

    def _rules(self) -> list[AppliedRule | None]:
        document = self.work.document
        if document is None:
            if self.work.rule is not None:
                for one in self.detectors:
                    _check(self.work.rule.rule, one)
            return [self.work.rule] * len(self.detectors)
        found = [self.rule_of(i).rule for i in self._each()]
        sink = next((sink for sink in document.sinks if sink["type"] == "store"), None)
        if sink is None:
            return [None] * len(found)
        name, several = sink.get("name"), len({rule.rule_hash for rule in found}) > 1
        return [
            AppliedRule(rule, f"{name}: {one.name}" if name and several else name, is_new=True)
            for rule, one in zip(found, document.analyses, strict=True)
        ]


def _check(rule: Rule, detector: DescribedDetector) -> None:
    """As for a run: before the first clip is analysed."""
    with error_context("the rule to apply"):
        rule.check_floor(float(detector.recipe()["score_floor"]))
        if detector.labels:
            rule.wanted(tuple(detector.labels))
