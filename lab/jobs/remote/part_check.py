"""Whether a part that came from elsewhere may be put into a log.

A worker with a valid token may still be broken, or not a worker at all: what it sends is read
within bounds, must have the columns of a log and nothing else, and must go on where the log ends.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from lab.arrow_columns import numbers
from lab.errors import SettingError
from lab.score_log.parts import DETECTIONS, SAMPLES

_MAX_SAMPLES = 100_000
_MAX_DETECTIONS = 5_000_000
_MAX_PLAIN_BYTES = 512 << 20  # once it is unpacked
_MAX_CHARACTERS = 1000  # of a reason or a text that was read
_MAX_LABEL = 255
_MAX_US = 2**53
_STATES = ("ok", "failed", "gated")
_NUMBERS = ("confidence", "x1_px", "y1_px", "x2_px", "y2_px")


def check_part(
    samples: bytes, detections: bytes, labels: Sequence[str], after_us: int | None
) -> tuple[int, int]:
    """The number of its samples, at least 1, and the time of the last one.

    samples, detections: the content of its files. labels: of the detector, empty where any may
    come. after_us: the last sample that the log has. Raises SettingError.
    """
    try:
        rows = _table(samples, SAMPLES, "samples", _MAX_SAMPLES)
        found = _table(detections, DETECTIONS, "detections", _MAX_DETECTIONS)
        times = _times(rows, after_us)
        _check_samples(rows)
        _check_detections(found, rows, times, labels)
    except (pa.ArrowException, OSError, ValueError) as error:
        line = (str(error) or type(error).__name__).splitlines()[0]
        raise SettingError(f"a part cannot be read: {line[:200]}") from None
    return len(times), int(times[-1])


def _table(content: bytes, schema: pa.Schema, what: str, most_rows: int) -> pa.Table:
    file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
    known = file.metadata
    plain = sum(known.row_group(i).total_byte_size for i in range(known.num_row_groups))
    if known.num_rows > most_rows or plain > _MAX_PLAIN_BYTES:
        raise SettingError(f"the {what} of a part are too many: {known.num_rows} rows")
    if not file.schema_arrow.equals(schema):
        raise SettingError(f"the {what} of a part have other columns than a log of this version")
    return file.read(use_threads=False)


def _times(rows: pa.Table, after_us: int | None) -> np.ndarray:
    """int64, shape (n,): the samples' times, which rise."""
    if not rows.num_rows:
        raise SettingError("a part has no samples")
    _check_known(rows, ("frame_index", "pts_us", "status", "wall_time"))
    times = numbers(rows["pts_us"])
    if (np.diff(times) <= 0).any() or np.abs(times).max() > _MAX_US:
        raise SettingError("the times of a part's samples do not rise")
    if after_us is not None and times[0] <= after_us:
        raise SettingError(f"a part begins at {times[0]} us, and the log goes to {after_us} us")
    return times


def _check_samples(rows: pa.Table) -> None:
    index = numbers(rows["frame_index"])
    if index.min() < 0 or index.max() > _MAX_US:
        raise SettingError("a part has samples of frames that no clip has")
    if not set(pc.unique(rows["status"]).to_pylist()) <= set(_STATES):
        raise SettingError(f"the state of a sample must be one of {', '.join(_STATES)}")
    _check_lengths(rows["reason"], "a reason", _MAX_CHARACTERS)


def _check_detections(
    found: pa.Table, rows: pa.Table, times: np.ndarray, labels: Sequence[str]
) -> None:
    if not found.num_rows:
        return
    _check_known(found, ("pts_us", "label", *_NUMBERS))
    at = numbers(found["pts_us"])
    is_ok = np.array([state == "ok" for state in rows["status"].to_pylist()])
    if (np.diff(at) < 0).any() or not np.isin(at, times[is_ok]).all():
        raise SettingError("a part has detections of samples that it has no results for")
    confidence, *edges = (numbers(found[name]) for name in _NUMBERS)
    if not ((confidence >= 0) & (confidence <= 1)).all() or not np.isfinite(edges).all():
        raise SettingError("confidence must be in [0, 1] and boxes finite")
    _check_lengths(found["label"], "a label", _MAX_LABEL)
    _check_lengths(found["text"], "a text", _MAX_CHARACTERS)
    if labels and (odd := set(pc.unique(found["label"]).to_pylist()) - set(labels)):
        raise SettingError(f"the detector has no label {sorted(odd)[0]!r:.80}")


def _check_known(table: pa.Table, names: Sequence[str]) -> None:
    for name in names:
        if table[name].null_count:
            raise SettingError(f"{name} is missing in a row of a part")


def _check_lengths(column: pa.ChunkedArray, what: str, most: int) -> None:
    longest = pc.max(pc.utf8_length(column)).as_py()
    if longest is not None and longest > most:
        raise SettingError(f"{what} has {longest} characters, at most {most} may be")
