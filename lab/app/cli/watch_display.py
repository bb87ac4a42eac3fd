"""What `lab watch` shows: a line a feed on a terminal, else a line for each change."""

from __future__ import annotations

import io
import json
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TextIO

from lab.counted import counted
from lab.sinks.event import SightingEvent

Status = Mapping[str, Any]
_QUIET = ("starting",)


class Listener:
    """Is given what happens, from several threads."""

    def tell(self, event: SightingEvent) -> None:
        """A moment of a sighting."""

    def show(self, status: Status) -> None:
        """How all is, about once a second."""

    def say(self, text: str) -> None:
        """Something to know, in a line."""
        print(f"lab: {text}", file=sys.stderr, flush=True)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """While feeds are watched."""
        yield


class ChangeLines(Listener):
    """A line on standard error for each change of a feed or sink."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._noted: dict[tuple[str, str], Any] = {}

    def show(self, status: Status) -> None:
        for name, words in _states(status).items():
            if self._known.get(name) == words:
                continue
            self._known[name] = words
            self.change(name, words)
        for feed_id, what, which, words in _notes(status):
            if self._noted.get((feed_id, what)) != which:
                self._noted[feed_id, what] = which
                self.note(feed_id, what, words)

    def change(self, name: str, words: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {name}: {words}", file=sys.stderr, flush=True)

    def note(self, feed_id: str, what: str, words: str) -> None:
        """what: drift or control."""
        self.change(f"feed {feed_id}", words)


class JsonLines(ChangeLines):
    """A JSON object a line on standard output: events as they are, and changes of state."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream, self._lock = stream, threading.Lock()

    def tell(self, event: SightingEvent) -> None:
        self._write(event.to_dict())

    def change(self, name: str, words: str) -> None:
        what, _, which = name.partition(" ")
        self._write({"kind": "state", what: which, "state": words})

    def note(self, feed_id: str, what: str, words: str) -> None:
        self._write({"kind": what, "feed": feed_id, "text": words})

    def _write(self, row: Mapping[str, Any]) -> None:
        with self._lock:
            self._stream.write(json.dumps(row) + "\n")
            self._stream.flush()

    @contextmanager
    def shown(self) -> Iterator[None]:
        """What else is printed, by the console sink, goes to standard error."""
        before, sys.stdout = sys.stdout, sys.stderr
        try:
            yield
        finally:
            sys.stdout = before


class Terminal(Listener):
    """A line a feed at the bottom of the terminal; what is printed meanwhile stands above."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._lock = threading.Lock()

    def show(self, status: Status) -> None:
        size = shutil.get_terminal_size()
        lines = [line[: size.columns - 1] for line in feed_lines(status)]
        more = len(lines) - (size.lines - 2)
        if more > 0:
            lines = [*lines[: size.lines - 3], f"and {more + 1} more feeds"]
        with self._lock:
            self._clear()
            self._lines = lines
            self._draw()

    def say(self, text: str) -> None:
        self.above(f"lab: {text}\n")

    def above(self, text: str) -> None:
        """Print above the lines."""
        with self._lock:
            self._clear()
            self._stream.write(text if text.endswith("\n") else f"{text}\n")
            self._draw()

    @contextmanager
    def shown(self) -> Iterator[None]:
        before, sys.stdout = sys.stdout, _Above(self)
        try:
            yield
        finally:
            sys.stdout = before

    def _clear(self) -> None:
        if self._lines:
            self._stream.write(f"\x1b[{len(self._lines)}F\x1b[J")

    def _draw(self) -> None:
        self._stream.write("".join(f"{line}\n" for line in self._lines))
        self._stream.flush()


class _Above(io.TextIOBase):
    """Standard output, whole lines of which are printed above the lines of a terminal."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal, self._rest = terminal, ""

    def write(self, text: str) -> int:
        self._rest += text
        whole, newline, self._rest = self._rest.rpartition("\n")
        if newline:
            self._terminal.above(whole + newline)
        return len(text)


def feed_lines(status: Status) -> list[str]:
    """A line a feed, and one for each sink that fails."""
    feeds = status.get("feeds", {})
    width = max((len(feed_id) for feed_id in feeds), default=0)
    lines = [f"{feed_id:<{width}}  {_line(feed)}" for feed_id, feed in feeds.items()]
    lines += [
        f"{feed_id:<{width}}  has changed: {text}"
        for feed_id, feed in feeds.items()
        for text in feed.get("drift") or ()
    ]
    for name, sink in status.get("sinks", {}).items():
        if sink.get("state") not in (None, "ok"):
            lines.append(f"sink {name}: {_sink_words(sink)}")
    return lines


def _line(feed: Mapping[str, Any]) -> str:
    words = [f"{feed.get('state', ''):<12}"]
    words += [str(feed[key]) for key in ("reason", "problem") if feed.get(key)]
    if feed.get("state") == "live":
        words.append(f"{feed.get('analysed') or 0:>7} analysed")
        if feed.get("lag_s") is not None:
            words.append(f"lag {feed['lag_s']:.1f} s")
    if feed.get("rule_is_set_here"):
        words.append("rule set here")
    if feed.get("present"):
        words.append(f"now {', '.join(sorted(feed['present']))}")
    day = feed.get("day") or {}
    seen = sum((day.get("sightings") or {}).values())
    words.append(f"today {counted(seen, 'sighting')}, {counted(day.get('alerts') or 0, 'alert')}")
    return "  ".join(words)


def _states(status: Status) -> dict[str, str]:
    found = {}
    for feed_id, feed in status.get("feeds", {}).items():
        words = str(feed.get("state"))
        if words in _QUIET:
            continue
        words += "".join(f": {feed[key]}" for key in ("reason", "problem") if feed.get(key))
        found[f"feed {feed_id}"] = words
    for name, sink in status.get("sinks", {}).items():
        found[f"sink {name}"] = _sink_words(sink)
    return found


def _notes(status: Status) -> Iterator[tuple[str, str, Any, str]]:
    """Of each feed: its id, drift or control, which one it is, and the words for it."""
    for feed_id, feed in status.get("feeds", {}).items():
        texts = feed.get("drift") or []
        # Figures move on all the time: what counts is what has changed.
        kinds = tuple(text.partition(":")[0] for text in texts) or None
        words = "; ".join(texts)
        yield feed_id, "drift", kinds, f"has changed: {words}" if texts else "is as it was again"
        report = (feed.get("control") or {}).get("report")
        if report is not None and report["state"] != "failed":  # that is the feed's problem
            yield feed_id, "control", report["began"], str(report["text"])


def _sink_words(sink: Mapping[str, Any]) -> str:
    words = str(sink.get("state"))
    if words != "ok":
        words += f": {sink.get('reason') or 'it does not say why'}"
        words += f"; {counted(sink.get('waiting') or 0, 'event')} waiting"
    return words
