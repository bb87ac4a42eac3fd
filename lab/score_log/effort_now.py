"""The effort of a run that goes on, from its log as far as it has come."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np

from lab.arrow_columns import numbers, texts
from lab.errors import StoreError
from lab.score_log.effort import Effort, effort_of
from lab.score_log.manifest import read_manifest
from lab.score_log.parts import Part, PartProblem, parts_of
from lab.video.source import SKIPPED

_MOST_SAMPLES = 5_000_000  # in memory, of all logs together: 50 MB
_Samples = tuple[np.ndarray, np.ndarray, np.ndarray]
_Known = dict[tuple[str, int, int], _Samples]

_kept: OrderedDict[Path, _Known] = OrderedDict()
_guard = threading.Lock()


def effort_now(folder: Path, every_s: float) -> Effort | None:
    """As of the last sample that is in the log; None if there is no log that can be read.

    Parts that were read are kept in memory: a log that grew costs what came since.
    """
    with _guard:
        before = _kept.get(folder, {})
    try:
        found = _samples_of(folder, before)
    except (OSError, StoreError):
        return None
    _keep(folder, found)
    if not found:
        none = np.zeros(0, bool)
        return effort_of(np.zeros(0, np.int64), none, 0, every_s, none)
    pts_us, ok, gated = (np.concatenate(one) for one in zip(*found.values(), strict=True))
    order = np.argsort(pts_us, kind="stable")
    pts_us = pts_us[order]
    last_us = int(pts_us[-1]) if len(pts_us) else 0
    return effort_of(pts_us, ok[order], last_us, every_s, gated[order])


def _samples_of(folder: Path, before: _Known) -> _Known:
    """The samples of each part; parts that are not what was written are left out."""
    manifest = read_manifest(folder)
    while True:
        found: _Known = {}
        for part in parts_of(folder, manifest):
            try:
                state = part.samples.stat()
                name = (part.name, state.st_size, state.st_mtime_ns)
                found[name] = before[name] if name in before else _read(part)
            except (FileNotFoundError, PartProblem):
                continue
        now = read_manifest(folder)
        if now == manifest:
            return found
        manifest = now  # compacted meanwhile: what was listed may be gone


def _read(part: Part) -> _Samples:
    """Times, ok and gated of its samples, without those that a newer one overtook."""
    table = part.read_samples()
    status = texts(table["status"])
    is_known = texts(table["reason"]) != SKIPPED
    pts_us = numbers(table["pts_us"])[is_known]
    return pts_us, (status == "ok")[is_known], (status == "gated")[is_known]


def _keep(folder: Path, found: _Known) -> None:
    with _guard:
        _kept[folder] = found
        _kept.move_to_end(folder)
        total = sum(len(one[0]) for known in _kept.values() for one in known.values())
        while total > _MOST_SAMPLES:
            _, gone = _kept.popitem(last=False)
            total -= sum(len(one[0]) for one in gone.values())
