"""Runs in the memory of the app: whole logs of a few, scores of thousands."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path

from lab.errors import StoreError
from lab.runs.run import Run
from lab.score_log.score_log import ADDED, log_fingerprint


class RunCache:
    """Keeps runs by bytes, the last used longest.

    max_bytes: of logs with their boxes; beyond it a run keeps its scores alone.
    max_score_bytes: of all; beyond it runs are dropped.
    """

    def __init__(self, max_bytes: int, max_score_bytes: int) -> None:
        self._max_bytes, self._max_score_bytes = max_bytes, max_score_bytes
        self._kept: OrderedDict[str, tuple[object, Run]] = OrderedDict()
        self._guard = threading.Lock()

    def get(self, run_id: str, stamp: object) -> Run | None:
        """The run, if its log is as it was and the run does not go on."""
        with self._guard:
            cached = self._kept.get(run_id)
            if cached is None or cached[0] != stamp or cached[1].state == "running":
                return None
            self._kept.move_to_end(run_id)
            return cached[1]

    def last(self, run_id: str, stamp: object) -> Run | None:
        """The run as it was last kept, if its log is as it was then, also if it goes on."""
        with self._guard:
            cached = self._kept.get(run_id)
            return cached[1] if cached is not None and cached[0] == stamp else None

    def keep(self, stamped: Iterable[tuple[object, Run]]) -> None:
        """Keep runs, each with the stamp that its log had before it was read, and make room.

        The last one keeps its boxes, however large it is.
        """
        with self._guard:
            for stamp, run in stamped:
                self._kept[run.run_id] = (stamp, run)
                self._kept.move_to_end(run.run_id)
            self._make_room()

    def expect(self, run_id: str, state: str) -> None:
        """Drop a run whose state is another."""
        with self._guard:
            if run_id in self._kept and self._kept[run_id][1].state != state:
                del self._kept[run_id]

    def _make_room(self) -> None:
        runs = [run for _, run in self._kept.values()]
        with_boxes = [run for run in runs if run.has_boxes]
        room = self._max_bytes - sum(run.nbytes for run in with_boxes)
        for run in with_boxes[:-1]:
            if room >= 0:
                break
            room += run.nbytes
            run.drop_boxes()
        room = self._max_score_bytes - sum(run.nbytes for run in runs)
        for run in runs[:-1]:
            if room >= 0:
                break
            room += run.nbytes
            del self._kept[run.run_id]


def log_stamp(folder: Path) -> object:
    """Changes when a log is continued, or its files are. Cheap: it is asked of thousands at a time.

    Raises FileNotFoundError if there is no log.
    """
    here = os.stat(folder)
    try:
        manifest = os.stat(f"{folder}/manifest.json")
    except FileNotFoundError:
        return here.st_mtime_ns, "no manifest"
    # The parts of added labels change without this folder.
    added = whole_stamp(folder) if os.path.isdir(f"{folder}/{ADDED}") else None
    return here.st_mtime_ns, manifest.st_ino, manifest.st_mtime_ns, added


def whole_stamp(folder: Path) -> str:
    """Changes also where a part is written over in its place."""
    try:
        return log_fingerprint(folder)
    except StoreError as error:
        return str(error)
