"""The sinks of all feeds: a thread and an outbox each."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.counted import counted
from lab.errors import SettingError, StoreError, closest
from lab.private_files import private_folder
from lab.sinks.delivery import DELAYS_S, SinkThread
from lab.sinks.event import SightingEvent
from lab.sinks.make import make_sink, type_of
from lab.sinks.outbox import Fate, Outbox, outbox_path
from lab.sinks.secrets import secrets_of
from lab.sinks.trial import events_of_test
from lab.sqlite_file import move_sqlite

_STOP_S = 2.0
_log = logging.getLogger(__name__)


class FeedSinks:
    """folder: of the outboxes. named: by name, the settings of each with its `type`.
    delays_s: as of `SinkThread`.

    problem: for which sinks events wait that are not there any more; None if there are none.
    """

    def __init__(
        self,
        folder: Path,
        named: Mapping[str, Mapping[str, Any]],
        *,
        delays_s: Sequence[float] = DELAYS_S,
    ) -> None:
        self._folder, self._named, self._delays_s = folder, dict(named), delays_s
        self._threads: dict[str, SinkThread] = {}
        self._renamed: dict[str, str] = {}
        self.problem: str | None = None

    def start(self) -> None:
        """Raises SettingError that names the sink which cannot be made; none runs then."""
        private_folder(self._folder)
        try:
            for name, settings in self._named.items():
                self._threads[name] = self._started(name, settings)
        except BaseException:
            self.stop(0.0)
            raise
        self._look_for_left()

    def apply(self, named: Mapping[str, Mapping[str, Any]]) -> None:
        """Have these from now on; those that are the same go on. Raises SettingError.

        One that has only another name takes with it what waits.
        """
        renamed = _renamed(self._named, named)
        for name in [one for one in self._threads if self._named.get(one) != named.get(one)]:
            if self._threads.pop(name).stop(_STOP_S) and name in renamed:
                self._move_outbox(name, renamed[name])
        self._renamed = {
            **{old: new for old, new in self._renamed.items() if old not in named},
            **renamed,
        }
        self._named = dict(named)
        for name, settings in named.items():
            if name not in self._threads:
                self._threads[name] = self._started(name, settings)
        self._look_for_left()

    def put(self, name: str, event: SightingEvent) -> bool | None:
        """Whether the sink wants it; None for a sink that is gone. Raises StoreError if it cannot
        be kept.
        """
        thread = self._threads.get(name) or self._threads.get(self._renamed.get(name, ""))
        return None if thread is None else thread.put(event)

    def fate(self, name: str, event_id: str) -> Fate | None:
        """What became of a marked event; None if the sink is gone."""
        thread = self._threads.get(name)
        return None if thread is None else thread.outbox.fate(event_id)

    def test(self, name: object) -> None:
        """Put events that say that they are a test. Raises SettingError for a sink that is none."""
        thread = self._threads.get(str(name))
        if thread is None:
            raise SettingError(f"no sink {name!r:.80}; {closest(str(name), list(self._threads))}")
        for event in events_of_test():
            thread.put(event)

    def watch(self, feeds: Mapping[str, Mapping[str, Any]]) -> None:
        """How the feeds are, as `status.json` has them; each sink is told of those that it has."""
        for name, thread in list(self._threads.items()):
            thread.watch({key: feed for key, feed in feeds.items() if name in feed["sinks"]})

    def stop(self, timeout_s: float) -> None:
        """One that hangs delays no other, and is left behind."""
        for thread in self._threads.values():
            thread.ask_to_stop(timeout_s)
        for thread in self._threads.values():
            thread.join()
        self._threads.clear()

    def status(self) -> dict[str, Any]:
        return {name: thread.state() for name, thread in list(self._threads.items())}

    def _move_outbox(self, old: str, new: str) -> None:
        path, to = outbox_path(self._folder, old), outbox_path(self._folder, new)
        if path.exists() and not to.exists():
            with suppress(OSError):  # then it is told that something waits in it
                move_sqlite(path, to)

    def _look_for_left(self) -> None:
        """Outboxes of sinks that are in no file (any more), and in which events wait."""
        known = {outbox_path(self._folder, name) for name in self._named}
        found = []
        for path in sorted(set(self._folder.glob("*.sqlite")) - known):
            if ".damaged-" not in path.name and (waiting := _waiting_in(path)):
                found.append(f"{counted(waiting, 'event')} in {path}")
        self.problem = None
        if found:
            self.problem = (
                f"for sinks that are in no file any more there are {', '.join(found[:5])}; "
                "give a sink that name again, or remove the file"
            )
            _log.warning("%s", self.problem)

    def _started(self, name: str, settings: Mapping[str, Any]) -> SinkThread:
        outbox = Outbox(outbox_path(self._folder, name))
        thread = SinkThread(
            name,
            lambda: make_sink(name, settings),
            outbox,
            kind=type_of(name, settings),
            secrets=secrets_of(settings),
            delays_s=self._delays_s,
        )
        try:
            thread.start()
        except SettingError:
            outbox.close()
            raise
        return thread


def _renamed(
    before: Mapping[str, Mapping[str, Any]], after: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Old names by which sinks are gone, and the new ones under which the same settings came."""
    found: dict[str, str] = {}
    for old in [name for name in before if name not in after]:
        same = (
            name
            for name in after
            if name not in before and name not in found.values() and after[name] == before[old]
        )
        if (new := next(same, None)) is not None:
            found[old] = new
    return found


def _waiting_in(path: Path) -> int:
    try:
        outbox = Outbox(path)
    except StoreError:
        return 0
    waiting = outbox.totals().waiting
    outbox.close()
    return waiting
