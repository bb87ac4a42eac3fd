"""Drift of one feed: against the footage of its rule, else against its own first day."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lab.errors import LabError
from lab.feeds.drift import DriftWatch, Finding
from lab.feeds.drift_learning import ReferenceMaker
from lab.feeds.drift_reference import DriftReference
from lab.feeds.picture_figures import picture_figures
from lab.runs.pipeline import LoggedSample

REFERENCE = "reference.json"
LEARNING = "learning.npz"
_LEARNT_US = 24 * 3600 * 1_000_000
_SAVED_EVERY_US = 600_000_000
_HOUR_US = 3600 * 1_000_000
_learning = threading.Lock()  # hundreds of feeds that begin together ask one after the other


class FeedDrift:
    """Is given the samples of a feed as they are logged; `listen` of a feed's run takes `take`.

    folder: of the feed; the reference lies there as `reference.json`. Where there is none, the
    first `learnt_us` of media time that the feed sees become it, over any number of runs; what was
    learnt so far lies beside it. minute_s: of `DriftWatch`.

    problem: why there is no reference.
    """

    def __init__(
        self, folder: Path, *, learnt_us: int = _LEARNT_US, minute_s: float = 60.0
    ) -> None:
        self._file, self._learning = folder / REFERENCE, folder / LEARNING
        self._learnt_us, self._minute_s = learnt_us, minute_s
        self.problem: str | None = None
        self._reference: DriftReference | None = None
        self._watch: DriftWatch | None = None
        self._maker: ReferenceMaker | None = None
        self._footage = ""
        self._saved_us = 0
        self._guard = threading.Lock()
        self._compare()

    def begin(self, footage: str) -> None:
        """A run begins. footage: what it depends on, as a hash: of another source or recipe all is
        learnt anew, but for the footage of its rule.
        """
        with self._guard:
            self._footage = footage
            known = self._reference
            if known is not None and not known.is_tuned and known.footage not in (None, footage):
                with suppress(OSError):
                    self._file.unlink(missing_ok=True)
            self._compare()

    def end(self) -> None:
        """The run is over: keep what was learnt."""
        with self._guard:
            self._save()

    def _compare(self) -> None:
        self._reference = self._watch = self._maker = self.problem = None
        try:
            self._reference = DriftReference.load(self._file)
        except LabError as error:
            self.problem = str(error)
            return
        if self._reference is not None:
            self._watch = DriftWatch(self._reference, minute_s=self._minute_s)
            return
        kept = ReferenceMaker.load(self._learning, self._footage)
        self._maker = kept or ReferenceMaker("the first day of the feed")
        self._saved_us = self._maker.covered_us

    def follow(self, rule_hash: str, make: Callable[[], DriftReference | None]) -> None:
        """The feed's rule is this one: compare with the footage on which it was tuned.

        make: makes that reference, in a thread of its own; None if there is no such footage, and
        then what the feed is compared with stays.
        """
        with suppress(LabError):
            known = DriftReference.load(self._file)
            if known is not None and known.rule_hash == rule_hash:
                return

        def learn() -> None:
            with (
                _learning,
                suppress(LabError, OSError),
            ):  # its clip may be gone: there is nothing to compare
                if (made := make()) is not None:
                    self.set_reference(replace(made, rule_hash=rule_hash))

        threading.Thread(target=learn, daemon=True, name="drift reference").start()

    def set_reference(self, reference: DriftReference) -> None:
        """Compare with this from now on, as when the rule was tuned anew. Raises OSError."""
        with self._guard:
            self._set_reference(reference)

    def _set_reference(self, reference: DriftReference) -> None:
        reference.save(self._file)
        with suppress(OSError):
            self._learning.unlink(missing_ok=True)
        self._compare()

    def take(self, sample: LoggedSample) -> None:
        """One that was analysed counts, others do not."""
        found, stamp = sample.found, sample.stamp
        if sample.image_bgr is None or found.error is not None or found.gated is not None:
            return
        scores = highest_scores(found.labels, found.confidence.tolist())
        figures = picture_figures(sample.image_bgr)
        with self._guard:
            if self._watch is not None:
                self._watch.take(stamp.pts_us, stamp.wall_time, figures, scores)
            elif self._maker is not None:
                self._maker.take(stamp.pts_us, stamp.wall_time, figures, scores)
                self._learn(self._maker)

    def _learn(self, maker: ReferenceMaker) -> None:
        if maker.covered_us >= self._learnt_us and (made := maker.made()):
            with suppress(OSError):  # a full disk is told elsewhere; tried again next time
                self._set_reference(replace(made, footage=self._footage))
        elif maker.covered_us - self._saved_us >= _SAVED_EVERY_US:
            self._save()

    def _save(self) -> None:
        if self._maker is not None and self._maker.covered_us > self._saved_us:
            with suppress(OSError):
                self._learning.parent.mkdir(parents=True, exist_ok=True)
                self._maker.save(self._learning, self._footage)
                self._saved_us = self._maker.covered_us

    def findings(self) -> list[Finding]:
        with self._guard:
            return [] if self._watch is None else self._watch.findings()

    def texts(self) -> list[str]:
        """What people read of it, in the feed's status; empty while nothing has drifted."""
        texts = [finding.text for finding in self.findings()]
        return texts if self.problem is None else [self.problem, *texts]

    def compared_with(self) -> str:
        """In words, what the feed is compared with, or how much of it was learnt."""
        with self._guard:
            if self._reference is not None:
                return self._reference.made_from
            if self._maker is None:
                return "nothing: its reference cannot be read"
            hours = self._maker.covered_us / _HOUR_US
            whole = self._learnt_us / _HOUR_US
            return f"nothing yet: {hours:.1f} of the first {whole:.0f} h were seen"


def highest_scores(labels: Sequence[str], confidence: Sequence[float]) -> Mapping[str, float]:
    """Of each label its highest confidence."""
    scores: dict[str, float] = {}
    for label, score in zip(labels, confidence, strict=True):
        scores[label] = max(scores.get(label, 0.0), score)
    return scores
