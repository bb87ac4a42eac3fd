"""The feeds of a process, each with what runs it: started, stopped, and changed while they run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lab.errors import SettingError, closest
from lab.feeds.controls import WatchedFeed
from lab.feeds.feed import Feed
from lab.feeds.feed_history import FeedHistory
from lab.feeds.feed_runner import FeedRunner, Host
from lab.feeds.feed_status import feed_status
from lab.feeds.kept_recordings import RecordingAges, forget_empty, remove_old_packets
from lab.feeds.kept_rules import forget_rule, keep_rule, with_kept_rule
from lab.rules.rule import Rule
from lab.video.source import Condition

_MOST_EVENTS = 50  # of a feed
_MOST_EVENTS_OF_ALL = 2000  # the status is written, and read by the app, about twice a second
_SEEING = ("live",)
_BLIND = ("reconnecting", "frozen", "failed")

ControlStatus = Callable[[str], Mapping[str, Any] | None]


class RunningFeeds:
    """Not safe for several threads: whoever has it lets in one at a time, but for `watched`.

    host: what the feeds share. A feed's rule is the one that was set for it last, on a page or by
    a command, as long as its file gives the same rule as then; see `lab.feeds.kept_rules`.
    """

    def __init__(self, feeds: Sequence[Feed], host: Host) -> None:
        self._host = host
        self._given = {feed.feed_id: feed for feed in feeds}
        self._feeds = dict(self._given)
        self._runners: dict[str, FeedRunner] = {}
        self._known_since: dict[str, float] = {}
        self._ages = RecordingAges()

    def __iter__(self) -> Iterator[Feed]:
        return iter(list(self._feeds.values()))

    def __len__(self) -> int:
        return len(self._feeds)

    def __contains__(self, feed_id: object) -> bool:
        return feed_id in self._feeds

    @property
    def runners(self) -> list[FeedRunner]:
        return list(self._runners.values())

    def known(self, feed_id: object) -> str:
        """The id of a feed. Raises SettingError if there is none."""
        if not isinstance(feed_id, str) or feed_id not in self._feeds:
            raise SettingError(
                f"no feed is called {feed_id!r:.80}; {closest(str(feed_id), list(self._feeds))}"
            )
        return feed_id

    def watched(self) -> dict[str, WatchedFeed]:
        """Those that are to see something, with their present rules."""
        found = {}
        for feed_id, runner in list(self._runners.items()):
            condition = runner.condition
            if not runner.is_over and condition.state in (*_SEEING, *_BLIND):
                down = None if condition.state in _SEEING else _why(condition)
                found[feed_id] = WatchedFeed(runner.feed, down)
        return found

    def is_running(self, feed_id: str) -> bool:
        runner = self._runners.get(feed_id)
        return runner is not None and not runner.is_over

    def start_all(self) -> None:
        """Those that run from the beginning."""
        for feed_id, feed in list(self._given.items()):
            self._feeds[feed_id] = with_kept_rule(self._host.folder, feed)
            if feed.is_started:
                self.start(feed_id)

    def stop_all(self) -> None:
        """What is open closes as cancelled, and all logs end."""
        for runner in self._runners.values():
            runner.stop()
        for runner in self._runners.values():
            runner.join()

    def start(self, feed_id: str) -> None:
        if self.is_running(feed_id):
            return
        runner = FeedRunner(self._feeds[feed_id], self._host)
        before = self._runners.get(feed_id)
        if before is not None:
            runner.counts, runner.last_run_id = before.counts, before.last_run_id
        self._runners[feed_id] = runner
        runner.start()

    def stop(self, feed_id: str) -> None:
        runner = self._runners.get(feed_id)
        if runner is not None:
            runner.stop()
            runner.join()

    def apply(self, feeds: Sequence[Feed]) -> None:
        """Have these from now on: what is the same goes on, another rule alone is no restart."""
        wanted = {feed.feed_id: feed for feed in feeds}
        for feed_id in [one for one in self._feeds if one not in wanted]:
            self.stop(feed_id)
            del self._feeds[feed_id], self._given[feed_id]
            self._runners.pop(feed_id, None)
        for feed_id, given in wanted.items():
            self._given[feed_id] = given
            self._apply(feed_id, with_kept_rule(self._host.folder, given))

    def _apply(self, feed_id: str, feed: Feed) -> None:
        before = self._feeds.get(feed_id)
        self._feeds[feed_id] = feed
        if before is None:
            if feed.is_started:
                self.start(feed_id)
        elif _without_rule(before) != _without_rule(feed):
            was_running = self.is_running(feed_id)
            self.stop(feed_id)
            if was_running or feed.is_started:
                self.start(feed_id)
        else:
            if (runner := self._runners.get(feed_id)) is not None:
                runner.feed = replace(runner.feed, control=feed.control)
            if before.rule != feed.rule:
                self._set_rule(feed_id, feed.rule, feed.rule_name)

    def set_rule(self, feed_id: str, rule: Rule, name: str | None) -> None:
        """Decide by this rule from now on, also after restarts.

        Raises SettingError for a rule that the log cannot answer, StoreError if it cannot be kept.
        """
        self._set_rule(feed_id, rule, name)
        given = self._given[feed_id]
        if rule == given.rule:
            forget_rule(self._host.folder, feed_id)
        else:
            keep_rule(self._host.folder, self._feeds[feed_id], instead_of=given.rule)

    def use_rule_of_file(self, feed_id: str) -> None:
        """Decide by the rule of the feed's file again. Raises SettingError."""
        given = self._given[feed_id]
        self.set_rule(feed_id, given.rule, given.rule_name)

    def _set_rule(self, feed_id: str, rule: Rule, name: str | None) -> None:
        runner = self._runners.get(feed_id)
        if runner is not None:
            runner.set_rule(rule, name)
        self._feeds[feed_id] = replace(self._feeds[feed_id], rule=rule, rule_name=name)

    def view(self, feed_id: str, height: object, for_s: object) -> None:
        """Have samples told at once to who watches, and pictures of this height made; height:
        None for the samples alone. Raises SettingError for what are no numbers.
        """
        if not isinstance(height, int | None) or not isinstance(for_s, int | float):
            raise SettingError("height and for_s must be numbers")
        runner = self._runners.get(feed_id)
        if runner is not None:
            height_px = None if height is None else min(max(height, 90), 2160)
            runner.view(height_px, min(max(float(for_s), 1.0), 60.0))

    def analyse_now(self, feed_id: str) -> None:
        """Raises SettingError for a feed that does not run."""
        runner = self._runners.get(feed_id)
        if runner is None or runner.source is None:
            raise SettingError(f"feed {feed_id} does not run; start it")
        runner.source.take_now()

    def status(self, history: FeedHistory, control_of: ControlStatus) -> dict[str, Any]:
        """How each is, as `status.json` has it. control_of: as of `Controls.status`."""
        most = max(1, min(_MOST_EVENTS, _MOST_EVENTS_OF_ALL // max(1, len(self._feeds))))
        return {
            feed.feed_id: feed_status(
                feed,
                self._runners.get(feed.feed_id),
                history.day(feed.feed_id),
                history.events(feed.feed_id, most),
                control_of(feed.feed_id),
                known_since=self._known_since.setdefault(feed.feed_id, time.time()),
                rule_is_set_here=feed.rule != self._given[feed.feed_id].rule,
            )
            for feed in self._feeds.values()
        }

    def totals(self, history: FeedHistory) -> dict[str, Any]:
        """What `/metrics` counts of each."""
        found = {}
        for feed_id in self._feeds:
            runner = self._runners.get(feed_id)
            samples = {} if runner is None else dict(vars(runner.counts))
            found[feed_id] = {**history.totals(feed_id), "samples": samples}
        return found

    def tidy(self) -> None:
        """Remove what was recorded longer ago than it is to be kept."""
        for feed in list(self._feeds.values()):
            folder = self._host.folder / feed.feed_id
            runner = self._runners.get(feed.feed_id)
            in_use = None if runner is None else runner.recording
            remove_old_packets(folder, feed.keep_s, feed.keep_bytes, in_use, self._ages)
            if not self.is_running(feed.feed_id):
                forget_empty(folder)


def _why(condition: Condition) -> str:
    return condition.state + (f": {condition.reason}" if condition.reason else "")


def _without_rule(feed: Feed) -> Feed:
    return replace(
        feed, rule=Rule(), rule_name=None, rule_is_given=False, is_started=True, control=None
    )
