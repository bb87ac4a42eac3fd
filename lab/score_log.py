"""The score log: what a run's detector saw, as Parquet parts in a folder.

The folder is the truth. A part exists if its samples file does; the manifest says which parts a
compacted one replaces. Only the holder of the folder's lock writes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from lab.box_filter import BoxFilter
from lab.detection import Detections
from lab.errors import StoreError
from lab.frame import Frame

FORMAT = 1
_PART_SAMPLES = 2000
_SAMPLES = pa.schema(
    [
        ("frame_index", pa.int64()),
        ("pts_us", pa.int64()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("wall_time", pa.float64()),
    ]
)
_DETECTIONS = pa.schema(
    [
        ("pts_us", pa.int64()),
        ("label", pa.string()),
        ("confidence", pa.float32()),
        ("x1_px", pa.float32()),
        ("y1_px", pa.float32()),
        ("x2_px", pa.float32()),
        ("y2_px", pa.float32()),
    ]
)


@dataclass(frozen=True, eq=False)
class ScoreLog:
    """A run's log in memory, samples in time order.

    pts_us, frame_index: int64, shape (n,). ok: bool, shape (n,); False where the sample failed.
    reasons: sample position to why it failed.
    label: int32, shape (m,), positions in `labels`. sample: int64, shape (m,), positions of the
    detections' samples. confidence: float32 (m,). box_xyxy_px: float32 (m, 4).
    damaged: parts that could not be read, and why; their samples are missing.
    """

    labels: tuple[str, ...]
    pts_us: np.ndarray
    frame_index: np.ndarray
    ok: np.ndarray
    reasons: Mapping[int, str]
    sample: np.ndarray
    label: np.ndarray
    confidence: np.ndarray
    box_xyxy_px: np.ndarray
    damaged: tuple[str, ...] = ()

    def scores(
        self, label: str, box_filter: BoxFilter | None = None, size_px: tuple[int, int] = (1, 1)
    ) -> np.ndarray:
        """The label's score on each analysed sample: float32, shape (number of ok,).

        size_px: width and height of the picture, for the box filter.
        """
        rows = self.label == self.labels.index(label)
        sample, confidence = self.sample[rows], self.confidence[rows]
        if box_filter is not None and not box_filter.passes_all:
            keep = box_filter.mask(self.box_xyxy_px[rows], *size_px)
            sample, confidence = sample[keep], confidence[keep]
        scores = np.zeros(len(self.pts_us), np.float32)
        np.maximum.at(scores, sample, confidence)
        return scores[self.ok]

    @property
    def analysed_pts_us(self) -> np.ndarray:
        """The times of the samples that did not fail."""
        return self.pts_us[self.ok]


def part_files(
    folder: Path, manifest: Mapping[str, Any] | None = None
) -> list[tuple[Path, Path]]:
    """(samples, detections) of the parts that count, in order."""
    manifest = read_manifest(folder) if manifest is None else manifest
    through = manifest.get("compacted_through", 0)
    found = []
    for samples in sorted(folder.glob("samples-*.parquet")):
        name = samples.stem.removeprefix("samples-")
        compacted = name.startswith("c")
        number = int(name.lstrip("c"))
        if (compacted and number == through) or (not compacted and number > through):
            found.append((not compacted, number, samples))
    return [
        (samples, samples.with_name(samples.name.replace("samples-", "detections-")))
        for _, _, samples in sorted(found)
    ]


def read_manifest(folder: Path) -> dict[str, Any]:
    """Raises StoreError if the log has none, or it is damaged or of a newer format."""
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_text())
    except FileNotFoundError:
        raise StoreError(f"no score log at {folder}; was the folder moved or deleted?") from None
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read ({error}); restore it from a copy") from None
    if not isinstance(manifest, dict) or "labels" not in manifest:
        raise StoreError(f"{path} is not a run's manifest; restore it from a copy")
    if manifest.get("format", 0) > FORMAT:
        raise StoreError(f"{path} has format {manifest['format']}, this version knows {FORMAT}; update")
    return dict(manifest)


def read_log(folder: Path) -> ScoreLog:
    """Read all parts; a damaged one is named in `damaged` and the rest is used."""
    manifest = read_manifest(folder)
    while True:
        log = _read_parts(folder, manifest)
        now = read_manifest(folder)
        if now == manifest:
            return log
        manifest = now  # compacted meanwhile: what was listed may be gone


def _read_parts(folder: Path, manifest: Mapping[str, Any]) -> ScoreLog:
    samples, detections, damaged = [], [], []
    for samples_file, detections_file in part_files(folder, manifest):
        try:
            # One reader at a time, without mapping: parts may be replaced under us.
            s = pq.read_table(samples_file, page_checksum_verification=True)
            d = pq.read_table(detections_file, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            damaged.append(f"{samples_file.name}: {str(error).splitlines()[0][:160]}")
            continue
        samples.append(s)
        detections.append(d)
    s = pa.concat_tables(samples) if samples else _SAMPLES.empty_table()
    d = pa.concat_tables(detections) if detections else _DETECTIONS.empty_table()
    return _in_memory(tuple(manifest["labels"]), s, d, tuple(damaged))


def _in_memory(
    labels: tuple[str, ...], s: pa.Table, d: pa.Table, damaged: tuple[str, ...]
) -> ScoreLog:
    pts = s["pts_us"].to_numpy()
    ok = np.asarray(s["status"].combine_chunks().to_numpy(zero_copy_only=False) == "ok", bool)
    reasons = s["reason"].to_pylist() if not ok.all() else []
    position = {label: i for i, label in enumerate(labels)}
    codes = d["label"].combine_chunks().dictionary_encode()
    lookup = np.array([position[v] for v in codes.dictionary.to_pylist()] or [0], np.int32)
    return ScoreLog(
        labels=labels,
        pts_us=pts,
        frame_index=s["frame_index"].to_numpy(),
        ok=ok,
        reasons={i: reasons[i] for i in np.flatnonzero(~ok).tolist()},
        sample=np.searchsorted(pts, d["pts_us"].to_numpy()),
        label=lookup[codes.indices.to_numpy()] if len(codes) else np.zeros(0, np.int32),
        confidence=d["confidence"].to_numpy(),
        box_xyxy_px=np.stack(
            [d[c].to_numpy() for c in ("x1_px", "y1_px", "x2_px", "y2_px")], axis=1
        ),
        damaged=damaged,
    )


class ScoreLogWriter:
    """Appends to a run's log; holds its lock for life. A context manager.

    Raises StoreError if another process holds the lock.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / "lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise StoreError(f"run {folder.name} is being written by another process") from None
        if not (folder / "manifest.json").exists():
            if next(folder.glob("samples-*.parquet"), None) is not None:
                self._lock.release()
                raise StoreError(f"{folder} has parts but no manifest.json; restore it from a copy")
            write_manifest(folder, {"format": FORMAT, "compacted_through": 0, **manifest})
        self._remove_leftovers()
        self._number = max([0, *(int(f.stem[-5:]) for f in folder.glob("samples-*.parquet"))])
        self._samples: list[tuple[Any, ...]] = []
        self._detections: list[tuple[int, Detections]] = []

    def __enter__(self) -> ScoreLogWriter:
        return self

    def __exit__(self, *exc: object) -> None:
        self._lock.release()

    def set_damaged_aside(self) -> bool:
        """Take a damaged part and all after it out of the log, to be analysed again.

        Their files stay, with another ending. Returns whether there was one.
        """
        files = part_files(self.folder)
        for position, pair in enumerate(files):
            if not all(_is_whole(file) for file in pair):
                for file in (f for later in files[position:] for f in later if f.exists()):
                    file.rename(file.with_suffix(".damaged"))
                return True
        return False

    def last_pts_us(self) -> int | None:
        """The time of the last sample on disk, from which a run is resumed."""
        log = read_log(self.folder)
        return int(log.pts_us[-1]) if len(log.pts_us) else None

    def add(self, frame: Frame, detections: Detections) -> None:
        """One sample; times must rise."""
        reason = frame.error or detections.error
        status = "ok" if reason is None else "failed"
        self._samples.append((frame.index, frame.pts_us, status, reason, frame.wall_time))
        if len(detections):
            self._detections.append((frame.pts_us, detections))
        if len(self._samples) >= _PART_SAMPLES:
            self.flush()

    def flush(self) -> None:
        """Write what was added as a part. It counts once its samples file has its name."""
        if not self._samples:
            return
        columns = zip(*self._samples, strict=True)
        samples = pa.table([list(c) for c in columns], schema=_SAMPLES)
        self._number += 1
        self._write(f"{self._number:05d}", samples, self._detection_table())
        self._samples, self._detections = [], []

    def _detection_table(self) -> pa.Table:
        if not self._detections:
            return _DETECTIONS.empty_table()
        counts = [len(d) for _, d in self._detections]
        boxes = np.concatenate([d.box_xyxy_px for _, d in self._detections])
        return pa.table(
            [
                np.repeat([pts for pts, _ in self._detections], counts),
                [label for _, d in self._detections for label in d.labels],
                np.concatenate([d.confidence for _, d in self._detections]),
                *boxes.T.copy(),
            ],
            schema=_DETECTIONS,
        )

    def _write(self, name: str, samples: pa.Table, detections: pa.Table) -> None:
        # Detections first: a part exists if its samples file does.
        for kind, table in (("detections", detections), ("samples", samples)):
            path = self.folder / f"{kind}-{name}.parquet"
            part = path.with_suffix(".part")
            with part.open("wb") as file:
                pq.write_table(table, file, compression="zstd", write_page_checksum=True)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        _sync_folder(self.folder)

    def compact(self) -> None:
        """Make one part of all, and switch to it at once; a damaged part stays as it is."""
        files = part_files(self.folder)
        if len(files) < 2 or read_log(self.folder).damaged:
            return
        samples = pa.concat_tables([pq.read_table(s) for s, _ in files])
        detections = pa.concat_tables([pq.read_table(d) for _, d in files])
        self._write(f"c{self._number:05d}", samples, detections)
        manifest = read_manifest(self.folder)
        write_manifest(self.folder, {**manifest, "compacted_through": self._number})
        self._remove_leftovers()

    def _remove_leftovers(self) -> None:
        counted = {file for pair in part_files(self.folder) for file in pair}
        for file in [*self.folder.glob("*.parquet"), *self.folder.glob("*.part")]:
            if file not in counted:
                file.unlink(missing_ok=True)


def _is_whole(path: Path) -> bool:
    try:
        pq.read_table(path, page_checksum_verification=True)
    except (OSError, pa.ArrowException):
        return False
    return True


def is_locked(folder: Path) -> bool:
    """Whether a process is writing this log."""
    if not (folder / "lock").exists():
        return False
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    part = folder / "manifest.json.part"
    with part.open("w") as file:
        json.dump(manifest, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / "manifest.json")
    _sync_folder(folder)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
