"""Plays the positive control into feeds at its times, and keeps what came of it."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.feeds.control import Control, control_from
from lab.feeds.control_deliveries import Deliver, FateOf
from lab.feeds.control_report import ControlReport
from lab.feeds.control_settings import ControlSettings
from lab.feeds.feed import Feed
from lab.feeds.play_control import play
from lab.feeds.shared_detector import SharedModels
from lab.registry import in_words

LOG = "controls.jsonl"
_TICK_S = 0.5
_RETRY_S = 600.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WatchedFeed:
    """A feed that is to see something, with its present rule. down: why it sees nothing now."""

    feed: Feed
    down: str | None = None


class Controls:
    """A thread that plays controls into one feed after the other.

    folder: of all feeds. models: those of the feeds. watched: the feeds that were started.
    deliver, fate: as of `lab.feeds.play_control.play`. control: of those feeds that have none of
    their own.
    """

    def __init__(
        self,
        folder: Path,
        models: SharedModels,
        watched: Callable[[], Mapping[str, WatchedFeed]],
        deliver: Deliver,
        fate: FateOf,
        control: Control | None = None,
    ) -> None:
        self._folder, self._models, self._watched = folder, models, watched
        self._deliver, self._fate, self._control = deliver, fate, control
        self._made: dict[ControlSettings, Control | str] = {}
        self._plans: dict[str, _Plan] = {}
        self._reports: dict[str, ControlReport | None] = {}
        self._playing: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True, name="controls")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Break off what is played, and end."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def status(self, feed_id: str) -> dict[str, Any] | None:
        """`state` (waiting, playing, ok, failed), `text`, `next_at` (Unix seconds) and the last
        `report`; None for a feed that is not tried.
        """
        plan = self._plans.get(feed_id)
        if plan is None:
            return None
        report = self._last(feed_id)
        state, text = "waiting", "the control was not played yet"
        if report is not None:
            state, text = report.state, report.text
        if self._playing == feed_id:
            state = "playing"
        return {
            "state": state,
            "text": text,
            "next_at": time.time() + max(0.0, plan.due - time.monotonic()),
            "report": None if report is None else report.to_dict(),
        }

    def problem(self, feed_id: str) -> str | None:
        """Why the last control failed; None if it did not."""
        report = self._last(feed_id) if feed_id in self._plans else None
        return report.text if report is not None and report.state == "failed" else None

    def _last(self, feed_id: str) -> ControlReport | None:
        """The last report, also of an earlier process."""
        if feed_id not in self._reports:
            self._reports[feed_id] = last_report(self._folder / feed_id)
        return self._reports[feed_id]

    def _keep(self) -> None:
        while not self._stopping.wait(_TICK_S):
            watched = dict(self._watched())
            for feed_id, one in watched.items():
                self._plan(feed_id, one.feed)
            for feed_id in [one for one in self._plans if one not in watched]:
                del self._plans[feed_id]
            due = sorted((plan.due, feed_id) for feed_id, plan in self._plans.items())
            if due and due[0][0] <= time.monotonic():
                self._play(watched[due[0][1]])

    def _plan(self, feed_id: str, feed: Feed) -> None:
        """When it is tried next, if it is not known."""
        control = self._control_of(feed)
        plan = self._plans.get(feed_id)
        if control is None:
            self._plans.pop(feed_id, None)
        elif plan is None or plan.control != control:
            self._plans[feed_id] = _Plan(control, self._first_due(feed, control))

    def _first_due(self, feed: Feed, control: Control | str) -> float:
        """Soon; but a restart is no reason to play again what went well a while ago."""
        now, report = time.monotonic(), self._last(feed.feed_id)
        if isinstance(control, str):
            return now
        soon = now + control.first_after_s
        is_same = report is not None and (report.clip, report.rule_hash, report.state) == (
            control.clip.name,
            feed.rule.rule_hash,
            "ok",
        )
        age_s = 0.0 if report is None else time.time() - report.began
        if not is_same or not 0 <= age_s < control.every_s:  # the clock may have been set
            return soon
        return max(soon, now + control.every_s - age_s)

    def _control_of(self, feed: Feed) -> Control | str | None:
        """Its control, or why it cannot be had."""
        settings = feed.control
        if settings is None:
            control = self._control
            is_tried = control is not None and (
                control.feeds is None or feed.feed_id in control.feeds
            )
            return control if is_tried else None
        if settings not in self._made:
            try:
                self._made[settings] = control_from(settings)
            except LabError as error:
                self._made[settings] = str(error)
        return self._made[settings]

    def _play(self, watched: WatchedFeed) -> None:
        feed, plan = watched.feed, self._plans[watched.feed.feed_id]
        control, began = plan.control, time.time()
        if isinstance(control, str):
            settings = feed.control
            assert settings is not None
            plan.due = time.monotonic() + min(settings.every_s, _RETRY_S)
            self._made.pop(settings, None)  # its files may be there next time
            self._take(_failed(feed, settings.clip.name, began, control))
            return
        plan.due = time.monotonic() + control.every_s
        self._playing = feed.feed_id
        try:
            self._take(self._played(control, feed))
        except Exception as error:
            # A detector that cannot be had, or whatever a plugin raises.
            why = str(error) if isinstance(error, LabError) else in_words(error)
            self._take(_failed(feed, control.clip.name, began, why))
        finally:
            self._playing = None

    def _played(self, control: Control, feed: Feed) -> ControlReport:
        def down() -> str | None:
            one = self._watched().get(feed.feed_id)
            return None if one is None else one.down

        def is_stopping() -> bool:
            return self._stopping.is_set() or feed.feed_id not in self._watched()

        detector = self._models.take(feed.detector, feed.detector_settings)
        try:
            return play(control, feed, detector, self._deliver, self._fate, is_stopping, down)
        finally:
            self._models.release(detector)

    def _take(self, report: ControlReport) -> None:
        if report.state == "cancelled":
            return
        if report.state == "failed":
            _log.info("feed %s: %s", report.feed, report.text)
        with suppress(OSError):  # a full disk is told by the feed
            keep_report(self._folder / report.feed, report)
        self._reports[report.feed] = report


@dataclass
class _Plan:
    """due: by time.monotonic, which no clock's change moves."""

    control: Control | str
    due: float


def _failed(feed: Feed, clip: str, began: float, why: str) -> ControlReport:
    return ControlReport(
        feed=feed.feed_id,
        clip=clip,
        began=began,
        ended=time.time(),
        rule_hash=feed.rule.rule_hash,
        state="failed",
        reasons=(why,),
    )


def keep_report(folder: Path, report: ControlReport) -> None:
    """As a line of the feed's `controls.jsonl`. folder: of the feed. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps(report.to_dict()) + "\n")


def last_report(folder: Path) -> ControlReport | None:
    """The last line that is whole; None if there is none. folder: of the feed."""
    try:
        lines = (folder / LOG).read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            return ControlReport.from_dict(json.loads(line))
    return None
