"""Writing a score log: parts, compaction, and setting damage aside, under the folder's lock."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from lab.arrow_columns import empty_table, table
from lab.atomic_file import PART_NAME, sync_folder, write_atomically
from lab.detection import Detections
from lab.errors import StoreError
from lab.frame import Frame, FrameStamp
from lab.score_log.manifest import (
    ADDED,
    FORMAT,
    DamagedManifest,
    check_run,
    read_manifest,
    run_of,
    way_out,
    write_manifest,
)
from lab.score_log.parts import (
    DETECTIONS,
    KINDS,
    SAMPLES,
    Part,
    PartProblem,
    added_folders,
    part_number,
    part_of,
    parts_of,
)
from lab.score_log.removal import forget_removal
from lab.score_log.score_log import read_log

if sys.platform != "win32":
    import fcntl

_PART_SAMPLES = 2000
_LOCK_PATIENCE_S = 1.0
_SYNC_THREADS = 16
_LARGE_ROWS = 250_000  # a part of so many is not written again


class ScoreLogWriter:
    """Appends to a run's log, under its lock. A context manager.

    manifest: run_id, labels and recipe of a log that begins here, or whose manifest was lost.
    is_durable: whether each file survives a loss of power once it has its name. If not, call
    `sync_logs` when the logs are complete: for many short ones, which is much quicker.

    Raises StoreError if another process holds the lock for more than a moment.
    """

    def __init__(
        self, folder: Path, manifest: Mapping[str, Any], *, is_durable: bool = True
    ) -> None:
        self.folder = folder
        self._is_durable = is_durable
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / "lock")
        try:
            # With patience: another process may be checking the lock, which takes an instant.
            self._lock.acquire(timeout=_LOCK_PATIENCE_S, poll_interval=0.005)
        except Timeout:
            raise StoreError(
                f"run {run_of(folder)} is being written by another process; "
                "try again when that is done"
            ) from None
        try:
            check_run(folder, read_manifest(folder), manifest.get("run_id"))
        except DamagedManifest:
            given = {"format": FORMAT, **manifest, **_found_in(folder)}
            write_manifest(folder, given, is_durable=is_durable)
        except StoreError:
            self._lock.release()
            raise
        if manifest:  # that of a pass, which analyses all of it again
            forget_removal(folder)
        self._remove_leftovers()
        parts = map(part_number, folder.glob("samples-*.parquet"))
        self._number = max([0, *(part[1] for part in parts if part is not None)])
        self._is_opened = False
        self.first_reason: str | None = None  # why the first sample failed that did
        self._samples: list[tuple[Any, ...]] = []
        self._waiting_since = 0.0
        self._detections: list[tuple[int, Detections]] = []

    def __enter__(self) -> ScoreLogWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self._lock.release()

    def set_damaged_aside(self) -> bool:
        """Take a part that is not what was written, and all after it, out of the log.

        They are analysed again. Files that are there stay, with another ending. Returns whether
        there was such a part.
        """
        parts = parts_of(self.folder)
        whole = list(takewhile(_is_whole, parts))
        if len(whole) == len(parts):
            return False
        for file in (f for part in parts[len(whole) :] for f in part.files if f.exists()):
            _set_aside(file)
        self._number = whole[-1].number if whole else 0
        manifest = read_manifest(self.folder)
        manifest.pop("complete", None)
        known = [part.facts or part.facts_now() for part in whole]
        write_manifest(self.folder, {**manifest, "parts": known, "is_open": True})
        self._is_opened = True
        return True

    def last_pts_us(self) -> int | None:
        """The time of the last sample on disk, from which a run is resumed."""
        log = read_log(self.folder)
        return int(log.pts_us[-1]) if len(log.pts_us) else None

    def add(self, frame: Frame | FrameStamp, detections: Detections) -> None:
        """One sample; times must rise."""
        reason = frame.error or detections.error
        gated = None if reason else detections.gated
        self.add_sample(
            frame.index,
            frame.pts_us,
            detections,
            reason,
            frame.wall_time,
            gated,
            frame.camera_time,
        )

    def add_sample(
        self,
        frame_index: int,
        pts_us: int,
        detections: Detections,
        failed: str | None = None,
        wall_time: float = 0.0,
        gated: str | None = None,
        camera_time: float | None = None,
    ) -> None:
        """One sample without its picture.

        failed: why it could not be analysed. gated: why it was kept from the detector. wall_time,
        camera_time: as of `Frame`.
        """
        self.first_reason = self.first_reason or failed
        status = "failed" if failed is not None else "ok" if gated is None else "gated"
        if not self._samples:
            self._waiting_since = time.monotonic()
        known = (frame_index, pts_us, status, failed or gated, wall_time, camera_time)
        self._samples.append(known)
        if len(detections):
            self._detections.append((pts_us, detections))
        if len(self._samples) >= _PART_SAMPLES:
            self.flush()

    def flush_after(self, seconds: float) -> None:
        """Write what was added, if its first sample has waited for longer than that."""
        if self._samples and time.monotonic() - self._waiting_since > seconds:
            self.flush()

    def flush(self) -> None:
        """Write what was added as a part. It counts once its samples file has its name."""
        if not self._samples:
            return
        columns = zip(*self._samples, strict=True)
        samples = table(columns, SAMPLES)
        self._open_again()
        self._number += 1
        self._write(f"{self._number:05d}", samples, self._detection_table())
        self._samples, self._detections = [], []

    def _detection_table(self) -> pa.Table:
        if not self._detections:
            return empty_table(DETECTIONS)
        counts = [len(d) for _, d in self._detections]
        boxes = np.concatenate([d.box_xyxy_px for _, d in self._detections])
        return table(
            [
                np.repeat([pts for pts, _ in self._detections], counts),
                [label for _, d in self._detections for label in d.labels],
                np.concatenate([d.confidence for _, d in self._detections]),
                *boxes.T.copy(),
                [t for _, d in self._detections for t in d.text or [None] * len(d)],
            ],
            DETECTIONS,
        )

    def _write(self, name: str, samples: pa.Table, detections: pa.Table) -> None:
        # Detections first: a part exists if its samples file does.
        for kind, rows in (("detections", detections), ("samples", samples)):
            path = self.folder / f"{kind}-{name}.parquet"
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                pq.write_table(rows, file, compression="zstd", write_page_checksum=True)
                if self._is_durable:
                    file.flush()
                    os.fsync(file.fileno())
            part.replace(path)
        if self._is_durable:
            sync_folder(self.folder)

    def add_part(self, samples: bytes, detections: bytes) -> None:
        """Append a part that was written elsewhere: the content of its two files.

        Its samples must come after all that is here. Raises OSError.
        """
        self.flush()
        self._open_again()
        self._number += 1
        # Detections first: a part exists if its samples file does.
        for kind, content in (("detections", detections), ("samples", samples)):
            path = self.folder / f"{kind}-{self._number:05d}.parquet"
            write_atomically(path, content, is_durable=self._is_durable)

    def _open_again(self) -> None:
        """Let parts count that the manifest of a finished log does not list."""
        if self._is_opened:
            return
        manifest = read_manifest(self.folder)
        if "parts" in manifest and not manifest.get("is_open"):
            write_manifest(self.folder, {**manifest, "is_open": True})
        self._is_opened = True

    def compact(self) -> None:
        """Make one part of all, and seal the log; one that is damaged stays as it is.

        Parts that are large already stay, so that a log that grows for weeks costs no more than
        one that grew for a day.
        """
        parts = parts_of(self.folder)
        large = list(takewhile(_is_large, parts))
        small = parts[len(large) :]
        try:
            if len(small) > 1:
                tables = [part.read() for part in small]
                samples = pa.concat_tables([s for s, _ in tables], promote_options="default")
                detections = pa.concat_tables([d for _, d in tables], promote_options="default")
                name = f"c{self._number:05d}"
                self._write(name, samples, detections)
                small = [part_of(self.folder, name)]
            self._seal([*large, *small])
        except PartProblem:
            return
        self._remove_leftovers()

    def seal(self) -> None:
        """Note in the manifest what the log consists of. Raises StoreError if it is damaged."""
        try:
            self._seal(parts_of(self.folder))
        except PartProblem as problem:
            raise StoreError(
                f"run {run_of(self.folder)} is damaged: {problem}; {way_out(run_of(self.folder))}"
            ) from None

    def _seal(self, parts: list[Part]) -> None:
        manifest = read_manifest(self.folder)
        manifest.pop("is_open", None)
        through = max([0, *(part.number for part in parts if part.name.startswith("c"))])
        known = [part.facts or part.facts_now() for part in parts]
        sealed = {**manifest, "compacted_through": through, "parts": known}
        write_manifest(self.folder, sealed, is_durable=self._is_durable)
        self._is_opened = False

    def _remove_leftovers(self) -> None:
        counted = {file for part in parts_of(self.folder) for file in part.files}
        for file in [*self.folder.glob("*.parquet"), *self.folder.glob("*.part")]:
            is_manifest = file.name == "manifest.json.part" or PART_NAME.fullmatch(file.name)
            if (is_manifest or part_number(file) is not None) and file not in counted:
                file.unlink(missing_ok=True)


def _found_in(folder: Path) -> dict[str, Any]:
    """What a manifest that was lost said of the files in its folder."""
    compacted = _compacted_parts(folder)
    through = max([0, *(part.number for part in compacted)])
    # One alone is found by its number.
    parts = {"parts": [{"name": part.name} for part in compacted], "is_open": True}
    added = {}
    for one in added_folders(folder):
        try:
            facts = read_manifest(one)
        except StoreError:
            continue
        if facts.get("complete"):
            added[one.name] = facts["labels"]
    found = {"compacted_through": through, **({ADDED: added} if added else {})}
    return {**found, **parts} if len(compacted) > 1 else found


def _compacted_parts(folder: Path) -> list[Part]:
    """Those that count where no manifest says so: not those whose samples a later one holds."""
    files = (file for file in folder.glob("samples-c*.parquet") if part_number(file) is not None)
    parts = [part_of(folder, file.stem.removeprefix("samples-")) for file in files]
    kept: list[Part] = []
    known: set[int] = set()
    for part in sorted(parts, key=lambda one: one.number, reverse=True):
        times: set[int] = set()
        with suppress(PartProblem):  # a damaged one is told of, and set aside
            times.update(part.read_samples()["pts_us"].to_pylist())
        if not times & known:
            kept.insert(0, part)
            known |= times
    return kept


def _is_large(part: Part) -> bool:
    facts = part.facts
    return facts is not None and sum(facts[kind]["rows"] for kind in KINDS) >= _LARGE_ROWS


def _is_whole(part: Part) -> bool:
    try:
        part.check()
    except PartProblem:
        return False
    return True


def _set_aside(file: Path) -> None:
    names = (f"{file.stem}{f'.{n}' if n else ''}.damaged" for n in count())
    file.rename(next(new for name in names if not (new := file.with_name(name)).exists()))


def is_locked(folder: Path) -> bool:
    """Whether a process is writing this log.

    Checking does not disturb a writer, which tries again for a moment; see `ScoreLogWriter`.
    """
    if sys.platform == "win32":  # which has no shared locks
        return _is_locked_for_long(folder)
    try:
        handle = os.open(folder / "lock", os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        # Shared, so that two checks do not take each other for a writer.
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def _is_locked_for_long(folder: Path) -> bool:
    if not (folder / "lock").exists():
        return False
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=_LOCK_PATIENCE_S, poll_interval=0.005)
    except Timeout:
        return True
    lock.release()
    return False


def sync_logs(folders: Iterable[Path]) -> None:
    """Make what lies in logs' folders survive a loss of power. Raises OSError."""
    # Together, since a file system makes one journal entry of what is asked for at the same time.
    with ThreadPoolExecutor(_SYNC_THREADS) as threads:
        for _ in threads.map(_sync_log, folders):
            pass


def _sync_log(folder: Path) -> None:
    for file in [*folder.glob("*.parquet"), *folder.glob("*.json")]:
        with file.open("rb+") as opened:
            os.fsync(opened.fileno())
    sync_folder(folder)
