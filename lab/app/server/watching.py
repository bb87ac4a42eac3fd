"""The process that watches feeds, where the app has started it: kept alive, and ended with it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from lab.child_process import lab_environment
from lab.errors import LabError
from lab.feeds.status import feeds_folder, is_watched
from lab.private_files import private_folder

_DELAYS_S = (1.0, 2.0, 5.0, 15.0)
_HEALTHY_S = 60.0
_START_S = 60.0
_POLL_S = 0.05
_END_S = 8.0
_MOST_LINES = 5


class WatchingProcess:
    """`lab watch` over a store, as a child of this process.

    feeds: a file of feeds that are watched besides those made on pages.

    It is started where it is asked for and no other process watches, and again when it dies. It
    ends when its standard input closes, also when this process is killed.
    """

    def __init__(self, store_folder: Path, feeds: Path | None = None) -> None:
        self._store, self._feeds = Path(store_folder), feeds
        self._guard = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._keeper: threading.Thread | None = None
        self._closing = threading.Event()
        self._failures = 0
        self._said: deque[str] = deque(maxlen=_MOST_LINES)

    @property
    def pid(self) -> int | None:
        """Of the child; None where this app has none."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def ensure_started(self) -> None:
        """Return when a process watches. Raises LabError with the reason if none can be had."""
        with self._guard:
            if self._closing.is_set():
                raise LabError("the app is ending")
            if not is_watched(self._store) and self.pid is None:
                self._start()
        until = time.monotonic() + _START_S
        while not is_watched(self._store):
            if self.pid is None and not is_watched(self._store):
                raise LabError(f"watching cannot be started: {self._last_words()}")
            if time.monotonic() > until:
                raise LabError(f"watching did not begin in {_START_S:g} s; try again")
            time.sleep(_POLL_S)

    def go_on(self) -> None:
        """Watch the feeds of the file and those that were made on pages, if there are any and
        nobody does.
        """
        own = feeds_folder(self._store) / "app.yaml"
        has_feeds = self._feeds is not None or own.is_file()
        if has_feeds and not is_watched(self._store):
            self.ensure_started()

    def close(self) -> None:
        """End it, with its logs whole."""
        self._closing.set()
        process = self._process
        if process is None:
            return
        with suppress(OSError):
            assert process.stdin is not None
            process.stdin.close()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _start(self) -> None:
        private_folder(feeds_folder(self._store))
        self._said.clear()
        what = ["--app"] if self._feeds is None else ["--stdin", str(self._feeds)]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lab", "watch", "--store", str(self._store), *what],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env=lab_environment(),
                process_group=0 if os.name == "posix" else None,
            )
        except OSError as error:
            raise LabError(f"watching cannot be started: {error}") from None
        self._keeper = threading.Thread(
            target=self._keep, args=[self._process, time.monotonic()], daemon=True, name="watching"
        )
        self._keeper.start()

    def _keep(self, process: subprocess.Popen[str], began: float) -> None:
        """Until the child ends; then another one is started, unless it was to end."""
        assert process.stderr is not None
        for line in process.stderr:
            sys.stderr.write(line)
            self._said.append(line.strip())
        code = process.wait()
        lived_s = time.monotonic() - began
        if code == 0 or lived_s < _DELAYS_S[0]:  # it was asked to end, or cannot begin
            return
        self._failures = 0 if lived_s >= _HEALTHY_S else self._failures + 1
        self._closing.wait(_DELAYS_S[min(self._failures, len(_DELAYS_S) - 1)])
        with self._guard, suppress(LabError):
            if not self._closing.is_set() and self.pid is None and not is_watched(self._store):
                self._start()

    def _last_words(self) -> str:
        return self._said[-1] if self._said else "its process ended"
