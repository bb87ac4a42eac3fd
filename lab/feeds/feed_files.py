"""The files that say what is watched: the one that was named, and the store's own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import SettingError, closest
from lab.feeds.block import Block
from lab.feeds.dot_env import FILE_NAME as DOT_ENV
from lab.feeds.dot_env import forget_secrets, with_dot_env
from lab.feeds.entry_sinks import shared_sink
from lab.feeds.feed import Feed
from lab.feeds.feeds_file import FeedsFile, feed_of, feeds_in, read_feeds_file
from lab.feeds.variables import Variables, names_in
from lab.feeds.write_feeds import app_file, write_feeds

if TYPE_CHECKING:
    from lab.store.store import Store

_State = tuple[tuple[int, int, int] | None, ...]


class FeedFiles:
    """What is watched for a store: the feeds of a file, and those that were made on pages.

    path: None for the latter alone.
    """

    def __init__(self, store: Store, path: str | Path | None = None) -> None:
        self._store = store
        self.path = None if path is None else Path(path)
        self.own = app_file(store.folder)
        self._read_state: _State | None = None

    def read(self) -> FeedsFile:
        """All feeds and sinks, those that were made on pages also while no feed tells them.

        A sink that both files have is as the named file says.

        Raises SettingError for a file that is wrong, or for an id that is in both.
        """
        self._read_state = self._state()
        own = self._own()
        own = replace(own, sinks={**own.unused_sinks, **own.sinks}, unused_sinks={})
        if self.path is None:
            return own
        named = read_feeds_file(self.path, store=self._store)
        ids = {feed.feed_id for feed in named.feeds}
        for feed in own.feeds:
            if feed.feed_id in ids:
                raise SettingError(
                    f"{self.path}: a feed {feed.feed_id!r} was made in the app, too; remove that "
                    f"(lab feeds remove {feed.feed_id}), or give this one another id"
                )
        return FeedsFile(
            feeds=[*named.feeds, *own.feeds],
            sinks={**own.sinks, **named.sinks},
            path=self.path,
            unused_sinks={**own.unused_sinks, **named.unused_sinks},
            notes=[*named.notes, *own.notes],
            rows=named.rows,
            sink_rows=named.sink_rows,
        )

    def have_changed(self) -> bool:
        """Whether a file is another one than when it was read last, also where that failed."""
        return self._state() != self._read_state

    def put(self, row: Mapping[str, Any]) -> None:
        """Add a feed to those of the store, or replace it there.

        row: as a feeds file has it, secrets as `${VAR}`. Raises SettingError for a row that is
        wrong, or a feed of the named file, which is changed there.
        """
        feed = self._checked(row)
        self._check_own(feed.feed_id)
        own = self._own()
        rows = [dict(row) if one.get("id") == feed.feed_id else one for one in own.rows]
        if feed.feed_id not in {one.feed_id for one in own.feeds}:
            rows.append(dict(row))
        self._write(rows, own.sink_rows)

    def remove(self, feed_id: str) -> None:
        """Take a feed from those of the store, and its secrets where nothing else tells them.

        Raises SettingError where it is not among them.
        """
        self._check_own(feed_id)
        own = self._own()
        known = [feed.feed_id for feed in own.feeds]
        if feed_id not in known:
            raise SettingError(
                f"no feed {feed_id!r} was made in the app; {closest(feed_id, known)}"
            )
        rows = [row for row in own.rows if row.get("id") != feed_id]
        left = [rows, own.sink_rows]
        if self.path is not None:
            named = read_feeds_file(self.path, store=self._store)
            left += [named.rows, named.sink_rows]
        self._write(rows, own.sink_rows)
        forget_secrets(self._store.folder, names_in(own.rows) - names_in(left))

    def put_sink(self, name: str, settings: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Add a sink to those of the store, or replace it there; None takes it away.

        settings: as a feeds file has them, secrets as `${VAR}`. Returns what was there before.
        Raises SettingError for settings that are wrong, or a sink of the named file, which is
        changed there.
        """
        if self.path is not None:
            named = read_feeds_file(self.path, store=self._store)
            if name in {**named.sinks, **named.unused_sinks}:
                raise SettingError(f"sink {name!r} is in {self.path}; change it there")
        own = self._own()
        before: Mapping[str, Any] | None = own.sink_rows.get(name)
        rows = {one: given for one, given in own.sink_rows.items() if one != name}
        if settings is not None:
            self._check_sink(name, settings)
            rows[name] = dict(settings)
        elif before is None:
            raise SettingError(f"no sink {name!r} was made in the app; {closest(name, list(rows))}")
        self._write(own.rows, rows)
        return before

    def _write(self, rows: Sequence[Mapping[str, Any]], sinks: Mapping[str, Any]) -> None:
        """Raises SettingError for what could not be read again, and then writes nothing."""
        document = {"feeds": [dict(row) for row in rows], "sinks": dict(sinks)}
        feeds_in(document, self.own.absolute().parent, self._environ(), self._store, path=self.own)
        write_feeds(self.own, rows, sinks)

    def _environ(self) -> dict[str, str]:
        return dict(with_dot_env(os.environ, self.own.parent))

    def _check_sink(self, name: str, settings: Mapping[str, Any]) -> None:
        folder = self.own.parent
        variables = Variables(self._environ())
        block = Block(variables.expand({name: dict(settings)}), ("sinks",), variables)
        shared_sink(block, name, folder)

    def _checked(self, row: Mapping[str, Any]) -> Feed:
        return feed_of(row, folder=self.own.parent, environ=os.environ, store=self._store)

    def _check_own(self, feed_id: str) -> None:
        if self.path is None:
            return
        if feed_id in {
            feed.feed_id for feed in read_feeds_file(self.path, store=self._store).feeds
        }:
            raise SettingError(f"feed {feed_id!r} is in {self.path}; change it there")

    def _own(self) -> FeedsFile:
        if not self.own.exists():
            return FeedsFile(feeds=[], sinks={}, path=self.own)
        return read_feeds_file(self.own, store=self._store)

    def _state(self) -> _State:
        files = [self.own, self.own.parent / DOT_ENV]
        if self.path is not None:
            files += [self.path, self.path.absolute().parent / DOT_ENV]
        return tuple(_stat(file) for file in files)


def _stat(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
