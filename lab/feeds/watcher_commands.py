"""What the process that watches can be asked to do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lab.errors import LabError, SettingError, closest
from lab.feeds.running_feeds import RunningFeeds
from lab.feeds.sinks_of_feeds import FeedSinks
from lab.rules.rule import Rule

if TYPE_CHECKING:
    from lab.feeds.watcher import Files


class WatcherCommands:
    """feeds, sinks: of the process. files: where they are written, None where they are in none.
    reload: reads these again.

    is_asked_to_stop: whether the process was asked to end.
    """

    def __init__(
        self,
        feeds: RunningFeeds,
        sinks: FeedSinks,
        files: Files | None,
        reload: Callable[[], None],
    ) -> None:
        self._feeds, self._sinks, self._file, self._reload = feeds, sinks, files, reload
        self.is_asked_to_stop = threading.Event()

    def handle(self, command: Mapping[str, Any]) -> None:
        """Raises LabError with the reason why not."""
        do = command.get("do")
        feeds = self._feeds
        known: dict[str, Callable[[], object]] = {
            "start": lambda: feeds.start(self._known(command)),
            "stop": lambda: feeds.stop(self._known(command)),
            "remove": lambda: self._remove(self._known(command)),
            "rule": lambda: self._rule(command),
            "rule_of_file": lambda: feeds.use_rule_of_file(self._known(command)),
            "view": lambda: feeds.view(
                self._known(command), command.get("height", 720), command.get("for_s", 10)
            ),
            "analyse_now": lambda: feeds.analyse_now(self._known(command)),
            "add": lambda: self._put(command, is_new=True),
            "edit": lambda: self._put(command, is_new=False),
            "sink": lambda: self._put_sink(command),
            "remove_sink": lambda: self._remove_sink(command),
            "test_sink": lambda: self._sinks.test(command.get("sink")),
            "reload": self._reload,
            "shut_down": self.is_asked_to_stop.set,
        }
        if not isinstance(do, str) or do not in known:
            raise SettingError(f"unknown command {do!r:.80}; {closest(str(do), list(known))}")
        known[do]()

    def _known(self, command: Mapping[str, Any]) -> str:
        return self._feeds.known(command.get("feed"))

    def _files(self, why: str) -> Files:
        """Raises SettingError where there are none. why: what cannot be done then."""
        if self._file is None:
            raise SettingError(f"these feeds are in no file; {why}")
        return self._file

    def _remove(self, feed_id: str) -> None:
        if self._feeds.is_running(feed_id):
            raise SettingError(f"feed {feed_id} runs; stop it before it is removed")
        self._files("end the process instead").remove(feed_id)
        self._reload()

    def _put(self, command: Mapping[str, Any], *, is_new: bool) -> None:
        row = command.get("feed")
        if not isinstance(row, Mapping):
            raise SettingError("the command has no feed")
        files = self._files("feeds cannot be added to them")
        if is_new and row.get("id") in self._feeds:
            raise SettingError(f"there is a feed {row.get('id')!r} already; choose another id")
        files.put(row)
        self._reload()

    def _put_sink(self, command: Mapping[str, Any]) -> None:
        name, settings = command.get("name"), command.get("sink")
        if not isinstance(name, str) or not isinstance(settings, Mapping):
            raise SettingError("the command has no sink with a name")
        files = self._files("sinks cannot be added to them")
        before = files.put_sink(name, settings)
        try:
            self._reload()
        except LabError:
            files.put_sink(name, before)
            self._reload()
            raise

    def _remove_sink(self, command: Mapping[str, Any]) -> None:
        files = self._files("end the process instead")
        name = str(command.get("sink"))
        users = [feed.feed_id for feed in self._feeds if name in feed.sinks]
        if users:
            raise SettingError(
                f"sink {name} is told by {', '.join(users[:5])}; take it from there first"
            )
        files.put_sink(name, None)
        self._reload()

    def _rule(self, command: Mapping[str, Any]) -> None:
        given, name = command.get("rule"), command.get("name")
        if not isinstance(given, Mapping):
            raise SettingError("the command has no rule")
        feed_id, rule = self._known(command), Rule.from_dict(given)
        self._feeds.set_rule(feed_id, rule, str(name) if name else None)
