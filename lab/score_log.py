"""The score log: what a run's detector saw, as Parquet parts in a folder.

The folder is the truth. A part exists if its samples file does; the manifest says which parts a
compacted one replaces. Only the holder of the folder's lock writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lab.box_filter import BoxFilter
from lab.errors import SettingError, StoreError, closest

FORMAT = 1
SAMPLES = pa.schema(
    [
        ("frame_index", pa.int64()),
        ("pts_us", pa.int64()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("wall_time", pa.float64()),
    ]
)
DETECTIONS = pa.schema(
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

        size_px: width and height of the picture, for the box filter. Raises SettingError for a
        label that the run did not look for.
        """
        if label not in self.labels:
            raise SettingError(f"the run has no label {label!r}; {closest(label, list(self.labels))}")
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
    s = pa.concat_tables(samples) if samples else SAMPLES.empty_table()
    d = pa.concat_tables(detections) if detections else DETECTIONS.empty_table()
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
