"""Events across clips: sightings of one label at one site that are not independent."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lab.counted import counted
from lab.errors import SettingError, closest
from lab.store.query import Wanted
from lab.store.sightings import SightingFilter
from lab.store.store import Store
from lab.study.independence import RULES, event_begins
from lab.study.max_n import with_max_n

if TYPE_CHECKING:
    import pandas as pd

EVENT_COLUMNS = [
    "event", "site", "label", "scientific_name", "first_utc", "last_utc", "utc_offset_s",
    "duration_s", "sightings", "max_n", "clips", "first_sighting_id", "timestamp_issues",
]  # fmt: skip
_ORDER = ("site", "label", "onset_us", "end_us", "sighting_id")


@dataclass(frozen=True)
class FoundEvents:
    """table: the columns of `EVENT_COLUMNS`, by site, label and time. notes: what was left out.

    sightings: those that the events are made of, as of `Store.sightings_on_calendar`, and the
    number of their `event`; the label of a relabelled one is its new label. false: those that
    somebody judged to be false, which are in none.
    """

    table: pa.Table
    sightings: pa.Table
    false: pa.Table
    notes: tuple[str, ...]


def events(
    store: Any = None,
    interval_s: float = 1800,
    rule: str = "lastRecord",
    *,
    protocol: str | None = None,
    max_n: bool = True,
    **wanted: Unpack[SightingFilter],
) -> pd.DataFrame:
    """Independent events: sightings of one label at one site that are close in time are one.

    store: a store, what `lab.open_store` gives, or a folder. interval_s: a sighting is independent
    if it begins at least so many seconds after the end of the last one (`rule="lastRecord"`), or of
    the last independent one (`rule="lastIndependentRecord"`), both as in camtrapR. protocol: the
    hash of the runs to take, or its beginning. max_n: also count the largest number at one time; it
    reads the logs of sightings for which it was never done. wanted: which sightings, as of
    `Store.sightings`, such as label or site.

    One row an event: event (a number), site, label, scientific_name, first_utc and last_utc (of
    its sightings, in UTC by the corrected clock), utc_offset_s (of the place at the first),
    duration_s, sightings, max_n (of any of them; empty if one of their logs cannot be read), clips,
    first_sighting_id, timestamp_issues (sightings whose clip began at a change of the clock, so
    that their time is in doubt). Sightings of the current rules count, of each clip and protocol
    those of one run; as they were judged last: false ones are left out, relabelled ones have their
    new label. Warns of what is left out. Raises SettingError where sightings of several rules or
    protocols would count twice.
    """
    found = find_events(store, interval_s, rule, protocol=protocol, max_n=max_n, **wanted)
    for note in found.notes:
        warnings.warn(note, UserWarning, stacklevel=2)
    return found.table.to_pandas()


def find_events(
    store: Any,
    interval_s: float = 1800,
    rule: str = "lastRecord",
    *,
    protocol: str | None = None,
    max_n: bool = True,
    progress: Callable[[int, int], None] | None = None,
    **wanted: Unpack[SightingFilter],
) -> FoundEvents:
    """As `events`, as an Arrow table. progress: is told how many logs are read, and of how many."""
    if rule not in RULES:
        raise SettingError(f"unknown rule {rule!r}; {closest(rule, list(RULES))}")
    if not 0 <= interval_s <= 1e9:
        raise SettingError(f"the interval must be 0 s or more, got {interval_s}; usual are 1800 s")
    store = Store.coerce(store)
    labels = wanted.pop("label", None)  # a relabelled one has another in the store
    given = store.sightings_on_calendar(**{**wanted, "current": True})
    if protocol is not None:
        given = given.filter(pc.starts_with(given["protocol_hash"], protocol))
        if not given.num_rows:
            raise SettingError(f"no sightings of a protocol {protocol!r}; see: lab export effort")
    given, false = as_judged(given, labels)
    _check_once(given)
    given, notes = _placed(given)
    if false.num_rows:
        notes.append(f"{counted(false.num_rows, 'sighting')} left out, judged to be false")
    if max_n:
        given, failed = with_max_n(store, given, progress)
        notes += failed
    begins = _begins(given, round(interval_s * 1e6), rule)
    given = given.append_column("event", pa.array(np.cumsum(begins)))
    table = _group(given, begins)
    names = {label: one.scientific_name for label, one in store.taxa().items()}
    scientific = pa.array([names.get(label) for label in table["label"].to_pylist()], pa.string())
    table = table.append_column("scientific_name", scientific)
    return FoundEvents(table.select(EVENT_COLUMNS), given, false, tuple(notes))


def as_judged(given: pa.Table, labels: Wanted = None) -> tuple[pa.Table, pa.Table]:
    """Sightings under the labels that they were given last, and those that were judged false.

    given: as of `Store.sightings_on_calendar`, of any label; labels: which ones are kept.
    """
    at = given.column_names.index("label")
    given = given.set_column(at, "label", pc.coalesce(given["new_label"], given["label"]))
    if labels is not None:
        wanted = [labels] if isinstance(labels, str) else list(labels)
        given = given.filter(pc.is_in(given["label"], pa.array(wanted, pa.string())))
    if pc.any(pc.is_valid(given["new_label"])).as_py():
        given = given.sort_by([(name, "ascending") for name in _ORDER])
    is_false = pc.fill_null(pc.equal(given["verdict"], "rejected"), False)
    return given.filter(pc.invert(is_false)), given.filter(is_false)


def _check_once(given: pa.Table) -> None:
    """Raises SettingError where a presence would count once for each rule, or protocol."""
    by_label = given.group_by(["media_id", "label"]).aggregate(
        [("rule_hash", "count_distinct"), ("protocol_hash", "count_distinct")]
    )
    many = by_label.filter(pc.greater(by_label["protocol_hash_count_distinct"], 1))
    if many.num_rows:
        label = many["label"][0].as_py()
        hashes = pc.unique(given.filter(pc.equal(given["label"], label))["protocol_hash"])
        listed = ", ".join(sorted(hashes.to_pylist())[:8])
        raise SettingError(
            f"{label!r} was searched in the same clips by several protocols, and would count "
            f"twice; name one (--protocol): {listed}"
        )
    many = by_label.filter(pc.greater(by_label["rule_hash_count_distinct"], 1))
    if many.num_rows:
        label = many["label"][0].as_py()
        one = given.filter(pc.equal(given["label"], label))["protocol_hash"][0].as_py()
        raise SettingError(
            f"sightings of {label!r} by several rules are saved, none of which is current; apply "
            f"one: lab apply RULE --protocol {one}"
        )


def _placed(given: pa.Table) -> tuple[pa.Table, list[str]]:
    """Sightings that have a place and a time, and how many have not."""
    notes = []
    for name, what, way_out in (
        ("onset_us", "start", "lab starts"),
        ("site", "site", "lab deployments join"),
    ):
        known = pc.is_valid(given[name])
        lacking = given.filter(pc.invert(known))
        if lacking.num_rows:
            clips = len(pc.unique(lacking["media_id"]))
            notes.append(
                f"{counted(lacking.num_rows, 'sighting')} in {counted(clips, 'clip')} left out, "
                f"whose {what} is not known; see: {way_out}"
            )
            given = given.filter(known)
    return given, notes


def _begins(given: pa.Table, interval_us: int, rule: str) -> np.ndarray:
    """Whether each sighting, in order of site, label and onset, begins an event."""
    onset_us, end_us = (given[name].to_numpy() for name in ("onset_us", "end_us"))
    return event_begins(_groups(given), onset_us, end_us, interval_us, rule)


def _group(given: pa.Table, begins: np.ndarray) -> pa.Table:
    """Events of sightings that are in order of site, label and onset."""
    onset_us, end_us = (given[name].to_numpy() for name in ("onset_us", "end_us"))
    at = np.flatnonzero(begins)
    most = given["most_at_once"].to_numpy().astype(float)  # NaN where it is not known
    last_us = np.maximum.reduceat(end_us, at) if len(at) else end_us[:0]
    clips = given.select(["event", "media_id"]).group_by("event")
    of_clips = clips.aggregate([("media_id", "count_distinct")]).sort_by("event")
    max_n = np.maximum.reduceat(most, at) if len(at) else most[:0]
    first = given.take(pa.array(at))
    return pa.table(
        {
            "event": pa.array(np.arange(1, len(at) + 1)),
            "site": first["site"],
            "label": first["label"],
            "first_utc": pa.array(onset_us[at]).cast(pa.timestamp("us", "UTC")),
            "last_utc": pa.array(last_us).cast(pa.timestamp("us", "UTC")),
            "utc_offset_s": first["utc_offset_s"],
            "duration_s": pa.array((last_us - onset_us[at]) / 1e6),
            "sightings": pa.array(np.diff(np.r_[at, len(begins)])),
            "max_n": pa.array(max_n, from_pandas=True).cast(pa.int32()),
            "clips": of_clips["media_id_count_distinct"],
            "first_sighting_id": first["sighting_id"],
            "timestamp_issues": pa.array(_sums(pc.is_valid(given["timestamp_issue"]), at)),
        }
    )


def _sums(values: pa.ChunkedArray, at: np.ndarray) -> np.ndarray:
    """How many are true from each place to the next."""
    numbers = values.to_numpy().astype(np.int64)
    return np.add.reduceat(numbers, at) if len(at) else numbers[:0]


def _groups(given: pa.Table) -> np.ndarray:
    """A number for each site and label, rising: int64, shape (n,)."""
    changed = np.zeros(given.num_rows, bool)
    for name in ("site", "label"):
        codes = given[name].combine_chunks().dictionary_encode().indices.to_numpy()
        changed[1:] |= codes[1:] != codes[:-1]
    return np.cumsum(changed).astype(np.int64)


def event_rows(table: pa.Table) -> Sequence[dict[str, Any]]:
    """Events as rows for CSV and JSON: times as ISO 8601 in UTC."""
    rows: list[dict[str, Any]] = table.to_pylist()
    for row in rows:
        for name in ("first_utc", "last_utc"):
            time: datetime = row[name].astimezone(UTC).replace(tzinfo=None)
            row[name] = time.isoformat() + "Z"
    return rows
