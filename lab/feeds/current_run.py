"""The run of a feed that is under way, so that it can be closed if its process was killed."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab.atomic_file import write_atomically
from lab.errors import LabError
from lab.feeds.logged import follow_log
from lab.feeds.session import FeedEvent, Session
from lab.rules.rule import Rule
from lab.runs.execute import Outcome
from lab.runs.run_pass import keep_outcomes, waiting_for_catalog
from lab.score_log.effort import effort_of
from lab.score_log.parts import parts_of
from lab.score_log.score_log import read_log
from lab.score_log.writer import ScoreLogWriter
from lab.store.store import EndedRun, Store

_EARLY_US = 2_000  # by which a frame may come before its time
_NAME = "current.json"
STATE = "tracker.json"
_SEEN = "seen.json"
SOURCE = "source"  # what the source of a feed keeps
_WHY = "the process that watched ended without closing it"


@dataclass
class CurrentRun:
    """What it takes to close a run that somebody else left. began: Unix seconds of media time 0."""

    run_id: str
    media_id: str
    recording: str | None
    rule: dict[str, Any]
    rule_name: str | None
    every_s: float
    began: float
    width_px: int
    height_px: int
    sinks: list[str]

    @property
    def size_px(self) -> tuple[int, int]:
        return self.width_px, self.height_px

    def keep(self, folder: Path) -> None:
        """folder: of the feed. Raises OSError."""
        write_atomically(folder / _NAME, json.dumps(asdict(self)))


def left_run(folder: Path) -> CurrentRun | None:
    """The run that was under way when the last process ended; None if it was closed."""
    try:
        return CurrentRun(**json.loads((folder / _NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def forget_run(folder: Path, run_id: str) -> None:
    """It was closed. Another one that began since stays."""
    left = left_run(folder)
    if left is not None and left.run_id == run_id:
        with suppress(OSError):
            (folder / _NAME).unlink()


def keep_seen(folder: Path, last_us: int, wall_time: float, every_s: float) -> None:
    """All that was due up to the next sample after this one is in a log on disk.

    folder: of the feed. last_us, wall_time: of the last sample, wall_time as its source says it.
    """
    every_us = round(every_s * 1e6)
    wait_us = max(0, every_us - last_us % every_us - _EARLY_US) if every_us else 0
    _write_seen(folder, round(wall_time * 1e6) + wait_us)


def seen_until_us(folder: Path) -> int | None:
    """Unix microseconds up to which earlier runs have logged all that was due; 0 before any.

    None where that is not known, as of a store of an earlier version.
    """
    try:
        return int(json.loads((folder / _SEEN).read_text(encoding="utf-8"))["until_us"])
    except FileNotFoundError:
        if any((folder / SOURCE).glob("*.jsonl")):
            return None
        _write_seen(folder, 0)
        return 0
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_seen(folder: Path, until_us: int) -> None:
    with suppress(OSError):  # of a full disk: some of it is read again
        write_atomically(folder / _SEEN, json.dumps({"until_us": until_us}))


def close_left_run(
    store: Store, folder: Path, left: CurrentRun, told: Callable[[FeedEvent], None]
) -> None:
    """Close what was open at the last sample that was logged, and the run.

    folder: of the feed. told: is given the events that follow from the log, those that were told
    before too. Raises LabError if the log cannot be read or written.
    """
    logs = store.log_folder(left.run_id)
    if not logs.exists():
        return
    manifest = {"run_id": left.run_id}
    with ScoreLogWriter(logs, manifest) as log:  # raises if another process is at it
        log.set_damaged_aside()
        log.compact()
    rule = Rule.from_dict(left.rule)
    after_us, tracker = None, None
    with suppress(OSError, ValueError, KeyError, TypeError):
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        if state["run_id"] == left.run_id and state["rule_hash"] == rule.rule_hash:
            after_us, tracker = int(state["tracker"]["last_us"]), state["tracker"]
    now = left.began + (after_us or 0) / 1e6
    session = Session(left.run_id, rule, left.every_s, told, wall_time=now)
    if tracker is not None:
        session.restore(tracker)
    follow_log(session, logs, left.began, left.size_px, after_us)
    session.finish("error")
    found = read_log(logs)
    last_us = int(found.pts_us[-1]) if len(found.pts_us) else 0
    if len(found.pts_us):
        keep_seen(folder, last_us, _last_wall_time(logs), left.every_s)
    effort = effort_of(found.pts_us, found.ok, last_us, left.every_s, found.gated).to_dict()
    outcome = Outcome(left.run_id, "cancelled", _WHY, effort, last_us / 1e6)
    keep_outcomes(store, [outcome])
    with suppress(LabError):
        waiting_for_catalog(lambda: store.grow_media(left.media_id, last_us))
        waiting_for_catalog(lambda: store.finish_runs([EndedRun(**asdict(outcome))]))


def _last_wall_time(logs: Path) -> float:
    """Of the last sample of a log that has some."""
    return float(parts_of(logs)[-1].read_samples()["wall_time"][-1].as_py())
