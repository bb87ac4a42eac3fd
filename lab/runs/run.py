"""A run: its scores, detections, effort, and the sightings that a rule finds in it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lab.errors import DamagedLogWarning, LogRemovedError
from lab.rules.box_filter import BoxFilter
from lab.rules.decisions import Decisions, decisions
from lab.rules.explain import explain
from lab.rules.replay import replay
from lab.rules.rule import Debounce, LabelRule, Rule
from lab.rules.series import ScoreSeries
from lab.runs.state_words import state_in_words
from lab.score_log.compact import CompactLog
from lab.score_log.effort import Effort, analysed_spans, effort_of
from lab.score_log.interval import sampling_interval_s
from lab.score_log.manifest import way_out
from lab.score_log.removal import removed_text
from lab.score_log.score_log import ScoreLog, read_log
from lab.sighting import Sighting
from lab.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

_KEPT_FILTERS = 4  # box filters a label, whose scores are kept


class Run:
    """One pass of one detector over one clip.

    Its log is read once, at first use; `refresh` reads it again while the run goes on.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        *,
        row: dict[str, Any] | None = None,
        media: dict[str, Any] | None = None,
    ) -> None:
        """row, media: what the store says of it, if that was read already."""
        self.store = store
        if row is None or media is None:
            ((row, media),) = store.runs_with_media([run_id])
        self._row = row
        self.run_id: str = self._row["run_id"]
        self.media: dict[str, Any] = media
        self._series: dict[tuple[str, BoxFilter], ScoreSeries] = {}

    @classmethod
    def many(cls, store: Store, run_ids: Iterable[str]) -> list[Run]:
        """Runs by id or the beginning of one, with one read of the catalog for all of them."""
        found = store.runs_with_media(list(run_ids))
        return [cls(store, row["run_id"], row=row, media=media) for row, media in found]

    def __repr__(self) -> str:
        removed = ", its log was removed" if self.log_removed_utc else ""
        return f"<Run {self.run_id}: {self.media['name']}, {self.state}{removed}>"

    @property
    def row(self) -> dict[str, Any]:
        """What the catalog says of it."""
        return dict(self._row)

    @property
    def state(self) -> str:
        return str(self._row["state"])

    @property
    def state_in_words(self) -> str:
        """The state as people are told of it: that of a feed is `stopped`, not cancelled."""
        return state_in_words(self._row)

    @property
    def log_removed_utc(self) -> datetime | None:
        """Since when it has no score log, which was removed to make room; None if it has one."""
        return self._row.get("log_removed_utc")

    @property
    def error(self) -> str | None:
        return self._row["error"]

    @property
    def recipe(self) -> dict[str, Any]:
        return dict(self._row["recipe"])

    @property
    def recipe_hash(self) -> str:
        return str(self._row["recipe_hash"])

    @property
    def protocol_hash(self) -> str:
        return str(self._row["protocol_hash"])

    @property
    def elapsed_s(self) -> float:
        return float(self._row["elapsed_s"])

    @property
    def environment(self) -> dict[str, Any]:
        """What was recorded beside the recipe: versions, machine."""
        return dict(self._row["environment"])

    @property
    def weights_path(self) -> str | None:
        """Where the weights lay; beside the recipe, for only their hash matters."""
        return self._row["environment"].get("weights_path")

    @property
    def pass_id(self) -> str | None:
        """What runs of one pass over a clip have in common; None if it was alone."""
        return self._row["environment"].get("pass_id")

    @property
    def analysis(self) -> str:
        """The name of its analysis."""
        return str(self._row["environment"].get("analysis") or self.recipe["detector"])

    @property
    def labels(self) -> tuple[str, ...]:
        """Those that the run was started with, then those that were added."""
        begun = tuple(self.recipe["labels"])
        if self.log_removed_utc is not None:
            return begun
        return (*begun, *(label for label in self.scores_log.labels if label not in begun))

    @cached_property
    def sample_interval_s(self) -> float:
        """Seconds between samples; see `lab.score_log.interval.sampling_interval_s`."""
        return sampling_interval_s(self.recipe, self.scores_log.pts_us)

    @property
    def size_px(self) -> tuple[int, int]:
        return self.media["width_px"], self.media["height_px"]

    @property
    def default_rule(self) -> Rule:
        """Where tuning starts: the threshold that the detector declares."""
        return Rule(
            default=LabelRule(debounce=Debounce(enter_threshold=self._row["default_threshold"]))
        )

    @cached_property
    def log(self) -> ScoreLog:
        """Its score log. Warns (DamagedLogWarning) if parts of it are not what was written.

        Raises StoreError if there is none, or its manifest is not what was written;
        LogRemovedError if it was removed to make room.
        """
        return self._read_log()

    def _read_log(self) -> ScoreLog:
        if self.log_removed_utc is not None:
            raise LogRemovedError(removed_text(self.run_id, self.log_removed_utc))
        log = read_log(self.store.log_folder(self.run_id), self.run_id)
        if not log.damaged and (lacking := lacking_samples(self._row, len(log.pts_us))):
            log = replace(log, damaged=(lacking,))
        if log.damaged:
            warnings.warn(damage_text(self.run_id, log), DamagedLogWarning, stacklevel=4)
        return log

    @property
    def damage(self) -> str | None:
        """What is wrong with its log, and the way out; None if nothing is."""
        log = self.scores_log
        return damage_text(self.run_id, log) if log.damaged else None

    @property
    def scores_log(self) -> ScoreLog | CompactLog:
        """The log, without its boxes where they were not read yet: pooling thousands of runs needs
        none of them.
        """
        return self.__dict__.get("log") or self._compact

    @cached_property
    def _compact(self) -> CompactLog:
        return CompactLog.of(self._read_log())

    @property
    def has_boxes(self) -> bool:
        """Whether its log is in memory with all boxes."""
        return "log" in self.__dict__

    def drop_boxes(self) -> None:
        """Keep the scores alone; `log` reads the boxes again."""
        if self.has_boxes:
            self.__dict__.setdefault("_compact", CompactLog.of(self.log))
            del self.__dict__["log"]

    @property
    def nbytes(self) -> int:
        """Bytes of what is kept in memory, about; 0 where nothing was read."""
        kept = [self.__dict__.get("log"), self.__dict__.get("_compact")]
        scores = sum(series.scores.nbytes for series in self._series.values())
        return scores + sum(log.nbytes for log in kept if log is not None)

    def adopt_log(self, other: Run) -> None:
        """Take over the log that another reading of the same run has in memory."""
        self.__dict__["log"] = other.log

    def refresh(self) -> Run:
        """The same run as it is now."""
        return Run(self.store, self.run_id)

    def effort(self, label: str | None = None) -> Effort:
        """What was analysed, in all or for one label. See `lab.score_log.effort.Effort`."""
        if self.log_removed_utc is not None and label is None and self._row["effort"]:
            return Effort(**self._row["effort"])
        log = self.scores_log
        ok = log.ok if label is None else log.ok_of(label)
        return effort_of(log.pts_us, ok, self.end_us, float(self.recipe["every_s"]), log.gated)

    @cached_property
    def analysed(self) -> np.ndarray:
        """The stretches that were analysed: int64 (k, 2) in microseconds."""
        log = self.scores_log
        return analysed_spans(log.pts_us, log.ok, self.end_us, float(self.recipe["every_s"]))

    def series(self, label: str, rule: Rule | Debounce | None = None) -> ScoreSeries:
        """One label's scores over the samples, after the box filter that the rule has for it.

        Kept with the run, so that another rule with the same box filter costs nothing. Raises
        SettingError for a label that the run did not look for.
        """
        box_filter = BoxFilter() if rule is None else Rule.coerce(rule).of(label).box_filter
        key = (label, box_filter)
        if key not in self._series:
            of_label = [k for k in self._series if k[0] == label]
            for old in of_label[: len(of_label) + 1 - _KEPT_FILTERS]:
                del self._series[old]
            self._series[key] = ScoreSeries.from_log(
                self.scores_log if box_filter.passes_all else self.log,
                label,
                box_filter,
                recipe=self.recipe,
                media=self.media,
                state=self.state,
            )
        return self._series[key]

    def find(self, rule: Rule | Debounce | dict[str, Any] | None = None) -> list[Sighting]:
        """The sightings of a rule, by label and time. No model runs.

        Raises SettingError for a threshold below the run's score_floor or an unknown label.
        """
        rule = self.default_rule if rule is None else Rule.coerce(rule)
        rule.check_floor(float(self.recipe["score_floor"]))
        found: list[Sighting] = []
        for label in rule.wanted(self.labels):
            found += replay(self.series(label, rule), rule.of(label).debounce)
        return found

    @property
    def end_us(self) -> int:
        """Where the media ends; a run that did not reach it ends at its last sample."""
        if self.log_removed_utc is not None and self.state == "done":
            return int(self.media["end_us"])
        return self.scores_log.end_us(int(self.media["end_us"]), self.state)

    def sightings(self, rule: Rule | Debounce | dict[str, Any] | None = None) -> pd.DataFrame:
        """One row per sighting, times in seconds. See `lab.sighting.Sighting`."""
        import pandas as pd

        return pd.DataFrame([s.to_dict() for s in self.find(rule)], columns=RULE_SIGHTING_COLUMNS)

    def scores(self) -> pd.DataFrame:
        """One row per sample: pts_s, frame_index, failed, and a column of scores per label.

        Scores of failed and gated samples are missing (NaN), not 0.
        """
        import pandas as pd

        log = self.log
        frame = pd.DataFrame(
            {
                "pts_s": log.pts_us / 1e6,
                "frame_index": log.frame_index,
                "failed": ~log.ok & ~log.gated,
                "gated": log.gated,
            }
        )
        for label in self.labels:
            column = np.full(len(log.pts_us), np.nan, np.float32)
            column[log.ok_of(label)] = log.scores(label)
            frame[label] = column
        return frame

    def detections(self) -> pd.DataFrame:
        """One row per box: pts_s, label, confidence, x1_px, y1_px, x2_px, y2_px, text if any."""
        import pandas as pd

        log = self.log
        columns: dict[str, Any] = {
            "pts_s": log.pts_us[log.sample] / 1e6,
            "label": np.array(log.labels, object)[log.label] if log.labels else [],
            "confidence": log.confidence,
        }
        for i, name in enumerate(("x1_px", "y1_px", "x2_px", "y2_px")):
            columns[name] = log.box_xyxy_px[:, i]
        if log.text is not None:
            columns["text"] = log.text
        return pd.DataFrame(columns)

    def explain(self, label: str, rule: Rule | Debounce | None = None) -> pd.DataFrame:
        """State and reason of the tracker at every sample. See `lab.rules.explain`."""
        import pandas as pd

        wanted = self.default_rule if rule is None else Rule.coerce(rule)
        wanted.wanted(self.labels)
        return pd.DataFrame(explain(self.series(label, wanted), wanted.of(label)))

    def decisions(self, label: str, rule: Rule | Debounce | None = None) -> pd.DataFrame:
        """What a rule decided, why, and the smallest change that would have turned it.

        See `lab.rules.decisions.Decision`.
        """
        import pandas as pd

        columns = ["pts_s", "kind", "start_s", "end_s", "reason", "turned_by", "setting", "value"]
        rows = [d.to_dict() for d in self.find_decisions(label, rule)]
        return pd.DataFrame(rows, columns=columns)

    def find_decisions(self, label: str, rule: Rule | Debounce | None = None) -> Decisions:
        """The decisions of a rule over one label, in order of time."""
        wanted = self.default_rule if rule is None else Rule.coerce(rule)
        wanted.wanted(self.labels)
        return decisions(self.series(label, wanted), wanted.of(label).debounce)

    def save_sightings(
        self, rule: Rule | Debounce | dict[str, Any] | None = None, name: str | None = None
    ) -> int:
        """Keep a rule's sightings in the store; returns how many there are."""
        rule = self.default_rule if rule is None else Rule.coerce(rule)
        return self.store.save_sightings(self.run_id, rule, self.find(rule), name)

    def save_annotated(
        self,
        path: str | Path,
        rule: Rule | Debounce | dict[str, Any] | None = None,
        *,
        from_s: float | None = None,
        until_s: float | None = None,
    ) -> Path:
        """Write its pictures with boxes and sightings as an MP4; returns where it lies.

        See `lab.runs.annotated.save_annotated`, also for what is raised.
        """
        from lab.runs.annotated import save_annotated

        wanted = None if rule is None else Rule.coerce(rule)
        return save_annotated(self, path, wanted, from_s=from_s, until_s=until_s).path

    def summary(self) -> dict[str, Any]:
        """What `lab analyze --json` prints."""
        row = {**self._row, "effort": self._row["effort"] or self.effort().to_dict()}
        return summary_of(self.store, row, self.media)

    @property
    def media_path(self) -> Path:
        return Path(self.media["path"])


def summary_of(store: Store, row: Mapping[str, Any], media: Mapping[str, Any]) -> dict[str, Any]:
    """What `lab analyze --json` prints of a run. row: of it, in the store. media: its facts."""
    effort = row["effort"]
    return {
        "run_id": row["run_id"],
        "state": row["state"],
        "recipe_hash": row["recipe_hash"],
        "media": media["path"],
        **{name: effort[name] for name in ("samples", "failed", "gated", "analysed_s")},
        "elapsed_s": row["elapsed_s"],
        "store": str(store.folder),
        "warning": media["warning"],
        **(
            {"log_removed_utc": gone.isoformat() + "Z"}
            if (gone := row.get("log_removed_utc"))
            else {}
        ),
    }


def damage_text(run_id: str, log: ScoreLog | CompactLog) -> str:
    """What is wrong with a run's log, and the way out, in one line."""
    few = "; ".join(log.damaged[:3])
    more = f" and {len(log.damaged) - 3} more" if len(log.damaged) > 3 else ""
    return (
        f"run {run_id} is damaged, and what is missing is left out: {few}{more}; {way_out(run_id)}"
    )


def lacking_samples(row: Mapping[str, Any], samples: int) -> str | None:
    """What is wrong with a finished log that has fewer samples than were analysed.

    row: of the run in the catalog. This is how a removed part shows in logs of older versions.
    """
    analysed = (row["effort"] or {}).get("samples", 0) if row["state"] == "done" else 0
    if analysed <= samples:
        return None
    return f"{samples} of {analysed} samples: parts are missing"


RULE_SIGHTING_COLUMNS = [
    "label",
    "onset_s",
    "confirmed_s",
    "offset_s",
    "closed_s",
    "onset_earliest_s",
    "offset_latest_s",
    "peak_s",
    "peak_confidence",
    "close_reason",
    "censored_left",
    "censored_right",
    "alert_s",
    "duration_s",
]
