"""The score log: the results of a run's detector, as Parquet parts in a folder.

The folder alone counts. A part exists if its samples file does; the manifest says which parts a
compacted one replaces. Only the holder of the folder's lock writes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

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
        ("text", pa.string()),
    ]
)
_PART_NAME = re.compile(r"(?:samples|detections)-(c?)([0-9]+)\.(?:parquet|part)")
_MANY = 100_000  # detections
ADDED = "added"  # the subfolder of labels that were added later, a log each


@dataclass(frozen=True, eq=False)
class ScoreLog:
    """A run's log in memory, samples in time order.

    pts_us, frame_index: int64, shape (n,).
    ok: bool, shape (n,); False where the sample failed or was gated.
    gated: bool, shape (n,); True where the sample was gated.
    reasons: position of a sample to why it failed or was gated.
    label: int32, shape (m,): positions in `labels`.
    sample: int32, shape (m,): positions of the detections' samples.
    confidence: float32, shape (m,). box_xyxy_px: float32, shape (m, 4).
    missing: for each label that was added later: bool, shape (n,), the samples on which that
        label was not analysed, or failed.
    text: what was read in the boxes; None for detectors that read no text.
    adding: added labels whose pass is not complete.
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
    gated: np.ndarray = None  # type: ignore[assignment]
    missing: Mapping[str, np.ndarray] = field(default_factory=dict)
    text: np.ndarray | None = None
    adding: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.gated is None:
            object.__setattr__(self, "gated", np.zeros(len(self.pts_us), bool))

    def ok_of(self, label: str) -> np.ndarray:
        """bool (n,): the samples on which this label was analysed."""
        missing = self.missing.get(label)
        return self.ok if missing is None else self.ok & ~missing

    def pts_of(self, label: str) -> np.ndarray:
        """The times of the samples on which this label was analysed, one for each score."""
        return self.pts_us[self.ok_of(label)]

    def scores(
        self, label: str, passes: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> np.ndarray:
        """The label's score on each sample of `ok_of(label)`: float32.

        passes: which boxes count, float32 (k, 4) to bool (k,); by default all of them. Raises
        SettingError for a label that the run does not have.
        """
        if label not in self.labels:
            raise SettingError(
                f"the run has no label {label!r}; {closest(label, list(self.labels))}"
            )
        rows = self._rows_of(label)
        sample, confidence = self.sample[rows], self.confidence[rows]
        if passes is not None:
            keep = passes(self.box_xyxy_px[rows])
            sample, confidence = sample[keep], confidence[keep]
        scores = np.zeros(len(self.pts_us), np.float32)
        np.maximum.at(scores, sample, confidence)
        return scores if label not in self.missing and self._is_whole else scores[self.ok_of(label)]

    @cached_property
    def _by_label(self) -> tuple[np.ndarray, np.ndarray]:
        """The detections' positions label by label, and where each label's begin."""
        order = np.argsort(self.label, kind="stable").astype(np.int32)
        return order, np.searchsorted(self.label[order], np.arange(len(self.labels) + 1))

    @cached_property
    def peaks(self) -> np.ndarray:
        """The highest confidence of each label: float32, 0 for one that was never seen."""
        peaks = np.zeros(len(self.labels), np.float32)
        np.maximum.at(peaks, self.label, self.confidence)
        return peaks

    def rows_between(self, begin: int, end: int) -> np.ndarray:
        """The positions of the detections of the samples from begin to end (exclusive)."""
        order, sample = self._by_sample
        first, last = np.searchsorted(sample, [begin, end]).tolist()
        return np.arange(first, last) if order is None else order[first:last]

    @cached_property
    def _by_sample(self) -> tuple[np.ndarray | None, np.ndarray]:
        """The detections' positions sample by sample, None if they lie so, and their samples."""
        if bool((self.sample[1:] >= self.sample[:-1]).all()):
            return None, self.sample
        order = np.argsort(self.sample, kind="stable")
        return order, self.sample[order]

    @cached_property
    def _is_whole(self) -> bool:
        return bool(self.ok.all())

    def _rows_of(self, label: str) -> np.ndarray:
        """The positions of the label's detections, so that no other label's are touched."""
        order, begins = self._by_label
        at = self.labels.index(label)
        return order[begins[at] : begins[at + 1]]

    def end_us(self, media_end_us: int, state: str) -> int:
        """Where the log ends: at the media's end, or at the last sample if the run is not done."""
        if state == "done" or not len(self.pts_us):
            return media_end_us
        return int(self.pts_us[-1])

    def reasons_of(self, label: str) -> Mapping[int, str]:
        """Why samples have no score of this label, by position; those still to come included."""
        if label not in self.adding:
            return self.reasons
        later = np.flatnonzero(~self.ok_of(label)).tolist()
        return {**dict.fromkeys(later, "not analysed yet"), **self.reasons}

    @property
    def analysed_pts_us(self) -> np.ndarray:
        """The times of the samples that did not fail."""
        return self.pts_us[self.ok]


def part_number(file: Path) -> tuple[bool, int] | None:
    """Whether a part's file is of a compacted part, and its number, of any number of digits.

    None for a file that is not a part's.
    """
    name = _PART_NAME.fullmatch(file.name)
    return None if name is None else (bool(name[1]), int(name[2]))


def part_files(folder: Path, manifest: Mapping[str, Any] | None = None) -> list[tuple[Path, Path]]:
    """(samples, detections) of the parts that count, in order."""
    manifest = read_manifest(folder) if manifest is None else manifest
    through = manifest.get("compacted_through", 0)
    found = []
    for samples in folder.glob("samples-*.parquet"):
        part = part_number(samples)
        if part is None:
            continue  # a copy made by hand, for example
        compacted, number = part
        if (compacted and number == through) or (not compacted and number > through):
            found.append((not compacted, number, samples))
    return [
        (samples, samples.with_name(samples.name.replace("samples-", "detections-")))
        for _, _, samples in sorted(found)
    ]


def added_folders(folder: Path) -> list[Path]:
    """The logs of labels that were added later, in order."""
    return sorted(f.parent for f in (folder / ADDED).glob("*/manifest.json"))


def log_fingerprint(folder: Path) -> str:
    """A hash that changes whenever the result of `read_log` does."""
    names = []
    for one in (folder, *added_folders(folder)):
        manifest = read_manifest(one)
        names += [one.name, str(manifest.get("complete", ""))]
        names += [samples.name for samples, _ in part_files(one, manifest)]
    return hashlib.blake2b("\n".join(names).encode(), digest_size=6).hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a log.

    Raises StoreError if there is none, or if it is damaged or of a newer format.
    """
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
        raise StoreError(
            f"{path} has format {manifest['format']}, this version knows {FORMAT}; update"
        )
    return dict(manifest)


def read_log(folder: Path) -> ScoreLog:
    """Read all parts; damaged ones are named in `damaged` and the rest is used.

    Raises StoreError as `read_manifest` does.
    """
    manifest = read_manifest(folder)
    while True:
        log = _read_parts(folder, manifest)
        now = read_manifest(folder)
        if now == manifest:
            break
        manifest = now  # compacted meanwhile: what was listed may be gone
    for one in added_folders(folder):
        facts = read_manifest(one)
        log = _joined(log, _read_parts(one, facts), complete=bool(facts.get("complete")))
    if len(log.sample) > _MANY:
        # Arrow keeps what it has read with, which is several times the log.
        pa.default_memory_pool().release_unused()
    return log


def _joined(log: ScoreLog, later: ScoreLog, *, complete: bool) -> ScoreLog:
    """A log with the labels of a later pass over the same samples."""
    labels = (*log.labels, *(label for label in later.labels if label not in log.labels))
    n = len(log.pts_us)
    place = np.minimum(np.searchsorted(log.pts_us, later.pts_us), max(0, n - 1))
    same = log.pts_us[place] == later.pts_us if n else np.zeros(len(place), bool)
    analysed = np.zeros(n, bool)
    analysed[place[same & later.ok]] = True
    keep = same[later.sample]
    codes = np.array([labels.index(label) for label in later.labels], np.int32)
    sample = np.concatenate([log.sample, place[later.sample[keep]].astype(np.int32)])
    order = np.argsort(sample, kind="stable")
    return replace(
        log,
        labels=labels,
        sample=sample[order],
        label=np.concatenate([log.label, codes[later.label[keep]]])[order],
        confidence=np.concatenate([log.confidence, later.confidence[keep]])[order],
        box_xyxy_px=np.concatenate([log.box_xyxy_px, later.box_xyxy_px[keep]])[order],
        text=None
        if log.text is None
        else np.append(log.text, np.full(int(keep.sum()), None))[order],
        missing={**log.missing, **dict.fromkeys(later.labels, ~analysed)},
        adding=log.adding if complete else (*log.adding, *later.labels),
        damaged=(*log.damaged, *later.damaged),
    )


def _read_parts(folder: Path, manifest: Mapping[str, Any]) -> ScoreLog:
    samples, detections, damaged = [], [], []
    for samples_file, detections_file in part_files(folder, manifest):
        try:
            # One reader at a time, without mapping: parts may be replaced under us.
            s = pq.read_table(samples_file, page_checksum_verification=True)
            d = pq.read_table(
                detections_file, page_checksum_verification=True, read_dictionary=["label"]
            )
        except (OSError, pa.ArrowException) as error:
            damaged.append(f"{samples_file.name}: {str(error).splitlines()[0][:160]}")
            continue
        samples.append(s)
        detections.append(d)
    s = pa.concat_tables(samples) if samples else SAMPLES.empty_table()
    # Parts of earlier versions have no text.
    d = (
        pa.concat_tables(detections, promote_options="default")
        if detections
        else DETECTIONS.empty_table()
    )
    if "text" not in d.column_names:
        d = d.append_column("text", pa.nulls(len(d), pa.string()))
    samples.clear()
    detections.clear()
    return _in_memory(tuple(manifest["labels"]), s, d, tuple(damaged))


def _in_memory(
    labels: tuple[str, ...], s: pa.Table, d: pa.Table, damaged: tuple[str, ...]
) -> ScoreLog:
    order = pc.sort_indices(s["pts_us"])  # a later pass begins at the playhead
    if not np.array_equal(order.to_numpy(), np.arange(len(s))):
        s = s.take(order)
    pts = s["pts_us"].to_numpy()
    status = s["status"].combine_chunks().to_numpy(zero_copy_only=False)
    ok = np.asarray(status == "ok", bool)
    text = d["text"]
    reasons = s["reason"].to_pylist() if not ok.all() else []
    codes = d["label"].unify_dictionaries().combine_chunks().dictionary_encode()
    found = codes.dictionary.to_pylist()
    labels = (*labels, *sorted(set(found) - set(labels)))  # of a detector that declares none
    position = {label: i for i, label in enumerate(labels)}
    lookup = np.array([position[v] for v in found] or [0], np.int32)
    return ScoreLog(
        labels=labels,
        pts_us=pts,
        frame_index=s["frame_index"].to_numpy(),
        ok=ok,
        reasons={i: reasons[i] for i in np.flatnonzero(~ok).tolist()},
        sample=np.searchsorted(pts, d["pts_us"].to_numpy()).astype(np.int32),
        label=lookup[codes.indices.to_numpy()] if len(codes) else np.zeros(0, np.int32),
        confidence=d["confidence"].to_numpy(),
        box_xyxy_px=np.stack(
            [d[c].to_numpy() for c in ("x1_px", "y1_px", "x2_px", "y2_px")], axis=1
        ),
        damaged=damaged,
        gated=np.asarray(status == "gated", bool),
        text=None if text.null_count == len(text) else text.to_numpy(zero_copy_only=False),
    )
