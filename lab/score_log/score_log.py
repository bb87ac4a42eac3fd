"""The score log: the results of a run's detector, as Parquet parts in a folder.

The folder alone counts. While a log is written, a part exists if its samples file does; once it is
finished, the manifest says which parts there are, with their checksums. Only the holder of the
folder's lock writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lab.arrow_columns import coded, empty_table, numbers, texts
from lab.errors import SettingError, closest
from lab.score_log.logged_samples import LoggedSamples
from lab.score_log.manifest import ADDED, DamagedManifest, check_run, read_manifest
from lab.score_log.parts import (
    DETECTIONS,
    SAMPLES,
    PartProblem,
    added_folders,
    part_files,
    parts_of,
)
from lab.score_log.removal import check_not_removed
from lab.video.source import SKIPPED

CLEAR_SCORE = 0.25  # from which on a label has an order of its own; see `clear_labels`
_MANY = 100_000  # detections


@dataclass(frozen=True, eq=False)
class ScoreLog(LoggedSamples):
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
    camera_time: float64, shape (n,), Unix seconds by the camera's own clock, NaN where it was not
        known; None where it was on no sample.
    damaged: parts that are missing or not what was written, and why; their samples are left out.
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
    camera_time: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.gated is None:
            object.__setattr__(self, "gated", np.zeros(len(self.pts_us), bool))

    def scores(
        self, label: str, passes: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> np.ndarray:
        """The label's score on each sample of `ok_of(label)`: float32.

        passes: which boxes count, float32 (k, 4) to bool (k,); by default all of them. Raises
        SettingError for a label that the run does not have.
        """
        scores = self.dense_scores(label, passes)
        return scores if label not in self.missing and self._is_whole else scores[self.ok_of(label)]

    def dense_scores(
        self, label: str, passes: Callable[[np.ndarray], np.ndarray] | None = None
    ) -> np.ndarray:
        """As `scores`, with one for every sample: 0 where the label was not analysed."""
        rows = self._rows_of(label)
        sample, confidence = self.sample[rows], self.confidence[rows]
        if passes is not None:
            keep = passes(self.box_xyxy_px[rows])
            sample, confidence = sample[keep], confidence[keep]
        scores = np.zeros(len(self.pts_us), np.float32)
        np.maximum.at(scores, sample, confidence)
        return scores

    def box_counts(
        self,
        label: str,
        least: float,
        passes: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> np.ndarray:
        """How many boxes of the label have a confidence of at least `least` on each sample: int64,
        shape (n,).

        passes: as for `scores`. Raises SettingError for a label that the run does not have.
        """
        rows = self._rows_of(label)
        rows = rows[self.confidence[rows] >= least]
        if passes is not None:
            rows = rows[passes(self.box_xyxy_px[rows])]
        return np.bincount(self.sample[rows], minlength=len(self.pts_us))

    @property
    def nbytes(self) -> int:
        """Bytes of its arrays."""
        arrays = (self.pts_us, self.frame_index, self.ok, self.gated, self.sample, self.label)
        return sum(a.nbytes for a in (*arrays, self.confidence, self.box_xyxy_px))

    @cached_property
    def _by_label(self) -> tuple[np.ndarray, np.ndarray]:
        """The detections' positions label by label, and where each label's begin."""
        narrow = np.int16 if len(self.labels) < 2**15 else np.int32  # sorted by radix if narrow
        label = self.label.astype(narrow, copy=False)
        order = np.argsort(label, kind="stable").astype(np.int32)
        return order, np.searchsorted(label[order], np.arange(len(self.labels) + 1))

    @cached_property
    def clear_labels(self) -> tuple[str, ...]:
        """Labels that reached `CLEAR_SCORE`, in the order in which they first did: a log that
        goes on adds to the end.
        """
        labels = self.label[self.confidence >= CLEAR_SCORE]
        first = np.full(len(self.labels), len(labels))
        first[labels[::-1]] = np.arange(len(labels))[::-1]  # of equal ones the last counts
        seen = np.argsort(first, kind="stable")[: int((first < len(labels)).sum())]
        return tuple(self.labels[i] for i in seen.tolist())

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
        if label not in self.labels:
            raise SettingError(
                f"the run has no label {label!r}; {closest(label, list(self.labels))}"
            )
        order, begins = self._by_label
        at = self.labels.index(label)
        return order[begins[at] : begins[at + 1]]


def log_fingerprint(folder: Path) -> str:
    """A hash that changes whenever the result of `read_log` does."""
    manifest = read_manifest(folder)
    states = []
    for one in (folder, *added_folders(folder, manifest)):
        try:
            facts = manifest if one == folder else read_manifest(one)
        except DamagedManifest as error:
            states.append(str(error))
            continue
        states += [one.name, str(facts.get("complete", ""))]
        states += [_state(file) for pair in part_files(one, facts) for file in pair]
    return hashlib.blake2b("\n".join(states).encode(), digest_size=6).hexdigest()


def _state(file: Path) -> str:
    try:
        found = file.stat()
    except OSError:
        return f"no {file.name}"
    return f"{file.name} {found.st_size} {found.st_mtime_ns}"


def read_log(folder: Path, run_id: str | None = None, *, with_skipped: bool = False) -> ScoreLog:
    """Read all parts; those that are not what was written are named in `damaged`, and left out.

    run_id: the run that the log must be of; None leaves that open. with_skipped: also the samples
    of a live source that a newer one overtook, as gated ones; nothing is known of them, so that
    else there is a gap. Raises StoreError as
    `read_manifest` does, and for the log of another run; LogRemovedError for one that was removed.
    """
    manifest = read_manifest(folder)
    check_run(folder, manifest, run_id)
    while True:
        check_not_removed(folder, manifest)
        log = _read_parts(folder, manifest, with_skipped=with_skipped)
        now = read_manifest(folder)
        if now == manifest:
            break
        manifest = now  # compacted meanwhile: what was listed may be gone
    for one in added_folders(folder, manifest):
        log = _joined(log, *_read_added(one, manifest))
    if len(log.sample) > _MANY:
        # Arrow keeps what it has read with, which is several times the log.
        pa.default_memory_pool().release_unused()
    return log


def _read_added(folder: Path, manifest: Mapping[str, Any]) -> tuple[ScoreLog, bool]:
    """The log of added labels, and whether it is complete. manifest: of the run's log."""
    place = f"{ADDED}/{folder.name}"
    try:
        facts = read_manifest(folder)
        check_run(folder, facts, manifest.get("run_id"))
    except DamagedManifest:
        labels = tuple(manifest.get(ADDED, {}).get(folder.name, ()))
        why = f"{place}/manifest.json: it is missing, or not what was written"
        return _in_memory(labels, empty_table(SAMPLES), empty_table(DETECTIONS), (why,)), True
    log = _read_parts(folder, facts)
    damaged = tuple(f"{place}/{one}" for one in log.damaged)
    return replace(log, damaged=damaged), bool(facts.get("complete"))


def _joined(log: ScoreLog, later: ScoreLog, complete: bool) -> ScoreLog:
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


def _read_parts(
    folder: Path, manifest: Mapping[str, Any], *, with_skipped: bool = True
) -> ScoreLog:
    samples, detections, damaged = [], [], []
    for part in parts_of(folder, manifest):
        try:
            s, d = part.read(coded=["label"])
        except PartProblem as problem:
            damaged.append(str(problem))
            continue
        samples.append(s)
        detections.append(d)
    # Parts of earlier versions have neither camera_time nor text.
    s = pa.concat_tables(samples, promote_options="default") if samples else empty_table(SAMPLES)
    d = (
        pa.concat_tables(detections, promote_options="default")
        if detections
        else empty_table(DETECTIONS)
    )
    if "text" not in d.column_names:
        d = d.append_column("text", pa.nulls(len(d), pa.string()))
    samples.clear()
    detections.clear()
    if not with_skipped and s["reason"].null_count < len(s):
        known = [i for i, why in enumerate(s["reason"].to_pylist()) if why != SKIPPED]
        if len(known) < len(s):
            s = s.take(pa.array(known, pa.int64()))
    return _in_memory(tuple(manifest["labels"]), s, d, tuple(damaged))


def _in_memory(
    labels: tuple[str, ...], s: pa.Table, d: pa.Table, damaged: tuple[str, ...]
) -> ScoreLog:
    order = pc.sort_indices(s["pts_us"])  # a later pass begins at the playhead
    if not np.array_equal(numbers(order), np.arange(len(s))):
        s = s.take(order)
    pts = numbers(s["pts_us"])
    status = texts(s["status"])
    ok = np.asarray(status == "ok", bool)
    text = d["text"]
    reasons = s["reason"].to_pylist() if not ok.all() else []
    codes, found = coded(d["label"])
    labels = (*labels, *sorted(set(found) - set(labels)))  # of a detector that declares none
    position = {label: i for i, label in enumerate(labels)}
    lookup = np.array([position[v] for v in found] or [0], np.int32)
    return ScoreLog(
        labels=labels,
        pts_us=pts,
        frame_index=numbers(s["frame_index"]),
        ok=ok,
        reasons={i: reasons[i] for i in np.flatnonzero(~ok).tolist()},
        sample=np.searchsorted(pts, numbers(d["pts_us"])).astype(np.int32),
        label=lookup[codes],
        confidence=numbers(d["confidence"]),
        box_xyxy_px=np.stack([numbers(d[c]) for c in ("x1_px", "y1_px", "x2_px", "y2_px")], axis=1),
        damaged=damaged,
        gated=np.asarray(status == "gated", bool),
        text=None if text.null_count == len(text) else texts(text),
        camera_time=_camera_time(s),
    )


def _camera_time(samples: pa.Table) -> np.ndarray | None:
    if "camera_time" not in samples.column_names:
        return None
    known = samples["camera_time"]
    return None if known.null_count == len(known) else numbers(pc.fill_null(known, np.nan))
