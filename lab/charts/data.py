"""What charts count: sightings with their times, and the stretches that were analysed for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Unpack

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lab.charts.colours import label_colours
from lab.charts.notes import notes_of, placed_notes_of
from lab.charts.runs import Runs, analysed
from lab.charts.stretches import Stretches
from lab.store.sightings import SightingFilter
from lab.store.store import Store

MOST_LABELS = 8
_EVER = 1 << 61
_BY_CLOCK = ("from_utc", "to_utc", "from_local", "to_local", "hours", "weekday")


@dataclass(frozen=True, eq=False)
class ChartData:
    """Sightings, one row each, and what was analysed. Made by `read_chart_data`.

    labels: those that are shown, the most frequent first, with `colours`; label: int64 (n,),
    positions in them. run: int64 (n,), positions in `runs`. onset_us, end_us: in media time. score:
    of the peak. censored: one of its ends is not known. is_placed: whether the clip's start is
    known; utc_us, local_us: of the onset, 0 where it is not. searched: bool (labels, runs).
    effort: what was analysed of placed runs; run_hours: of all runs, float64 (runs,). notes: what
    was left out, and why; placed_notes: of charts over time. is_judged: verdicts changed something.
    """

    store: Store
    wanted: SightingFilter
    labels: tuple[str, ...]
    colours: Mapping[str, str]
    runs: Runs
    searched: np.ndarray
    effort: Stretches
    run_hours: np.ndarray
    sighting_ids: pa.ChunkedArray
    logged: pa.ChunkedArray
    label: np.ndarray
    run: np.ndarray
    onset_us: np.ndarray
    end_us: np.ndarray
    score: np.ndarray
    censored: np.ndarray
    is_placed: np.ndarray
    utc_us: np.ndarray
    local_us: np.ndarray
    notes: tuple[str, ...]
    placed_notes: tuple[str, ...]
    is_judged: bool = False
    _pieces: dict[int, tuple[Stretches, np.ndarray]] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.label)

    def ids(self, rows: np.ndarray) -> list[str]:
        """The sightings at these positions, by their ids."""
        return self.sighting_ids.take(pa.array(rows, pa.int64())).to_pylist()

    def pieces(self, size_us: int) -> tuple[Stretches, np.ndarray]:
        """The effort in bins of the sites' clocks, and the number of each piece's bin."""
        if size_us not in self._pieces:
            self._pieces[size_us] = self.effort.split(size_us)
        return self._pieces[size_us]

    @cached_property
    def analysed_h(self) -> np.ndarray:
        """Hours that were analysed for each label: float64 (labels,)."""
        return self.searched @ self.run_hours

    @cached_property
    def presence(self) -> Stretches:
        """From onset to offset of the placed sightings; `of` are their positions."""
        at = np.flatnonzero(self.is_placed)
        begin_us = self.utc_us[at]
        end_us = begin_us + (self.end_us - self.onset_us)[at]
        nothing, whole = np.zeros(len(at), np.int64), np.ones(len(at))
        found = self.runs.on_clocks(self.run[at], Stretches(at, begin_us, end_us, nothing, whole))
        return _within(found, self.wanted)


def read_chart_data(store: Any = None, **wanted: Unpack[SightingFilter]) -> ChartData:
    """Read what charts need, once for several of them.

    store: a store, what `lab.open_store` gives, or a folder. wanted: which sightings, as of
    `Store.sightings`; conditions on clip, site, run and time hold for the effort, too. Sightings
    of the current rules count, unless `current` is false or a rule is named; as they were judged
    last, unless `as_judged` is false or a verdict is named: those that are false are left out, and
    those that were relabelled have their new label.
    """
    store = Store.coerce(store)
    if wanted.get("rule_hash") is None:
        wanted.setdefault("current", True)
    if wanted.get("verdict") is None:
        wanted.setdefault("as_judged", True)
    given, table = store.chart_rows(**wanted)
    is_newest = _bool(table["is_newest"]) | (wanted.get("run_id") is not None)
    counts = is_newest & _bool(table["is_decided"])
    has_log = _bool(table["has_log"])
    runs = Runs.of(table.filter(pa.array(counts)))
    run = _positions(given["run"].to_numpy(), table["run"].to_numpy()[counts])
    repeated = int((run < 0).sum())
    given, run = _kept(given, run)
    labels, label, others = _labels(given, wanted)
    run = run[label >= 0]
    given, label = _kept(given, label)
    onset_us, end_us = given["onset_us"].to_numpy(), given["offset_us"].to_numpy()
    is_placed = runs.is_placed[run]
    utc_us = np.where(is_placed, runs.start_us[run] + onset_us, 0)
    local_us = utc_us + runs.offsets_us(run, utc_us) * is_placed
    searched = runs.searched_for(labels)
    searched[label, run] = True  # of labels that were added to a run later
    _search_for_relabelled(searched, label, run, runs, given)
    false = _judged_false(store, wanted)
    stretches, uneven = analysed(store, runs)
    effort, run_hours = _effort(runs, stretches, wanted)
    return ChartData(
        store=store,
        wanted=wanted,
        labels=labels,
        colours=label_colours(store),
        runs=runs,
        searched=searched,
        effort=effort,
        run_hours=run_hours,
        sighting_ids=given["sighting_id"],
        logged=given["logged"],
        label=label,
        run=run,
        onset_us=onset_us,
        end_us=end_us,
        score=given["peak_confidence"].to_numpy(),
        censored=_bool(given["censored"]),
        is_placed=is_placed,
        utc_us=utc_us,
        local_us=local_us,
        notes=notes_of(
            undecided=int((is_newest & ~counts & has_log).sum()),
            without_log=int((is_newest & ~counts & ~has_log).sum()),
            repeated=repeated, others=others, twice=_twice(runs, searched, labels),
            rules=_rules_twice(given, run, label), false=false,
        ),
        placed_notes=placed_notes_of(runs, run, uneven=len(uneven)),
        is_judged=false > 0 or not given["label"].equals(given["logged"]),
    )  # fmt: skip


def _judged_false(store: Store, wanted: SightingFilter) -> int:
    """How many were left out."""
    if not wanted.get("as_judged"):
        return 0
    false: SightingFilter = {**wanted, "as_judged": False, "verdict": "rejected"}
    return store.count_sightings(**false)


def _search_for_relabelled(
    searched: np.ndarray, label: np.ndarray, run: np.ndarray, runs: Runs, given: pa.Table
) -> None:
    """A label that a person gave was looked for wherever the same analysis was made."""
    for number in np.unique(label[pc.not_equal(given["label"], given["logged"]).to_numpy()]):
        protocols = runs.protocol[run[label == number]]
        searched[number, np.isin(runs.protocol, protocols)] = True


def chart_data(given: Any, wanted: SightingFilter) -> ChartData:
    """What a chart was given, read where it is not data already."""
    return given if isinstance(given, ChartData) else read_chart_data(given, **wanted)


def _bool(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.to_numpy(), bool)


def _positions(numbers: np.ndarray, among: np.ndarray) -> np.ndarray:
    """int64 (n,); -1 for what is not among them. Both: numbers of rows, from 0."""
    lookup = np.full(max(numbers.max(initial=-1), among.max(initial=-1)) + 1, -1)
    lookup[among] = np.arange(len(among))
    return lookup[numbers]


def _kept(given: pa.Table, position: np.ndarray) -> tuple[pa.Table, np.ndarray]:
    """Those that have a position."""
    is_kept = position >= 0
    if is_kept.all():
        return given, position
    return given.filter(pa.array(is_kept)), position[is_kept]


def _labels(
    given: pa.Table, wanted: SightingFilter
) -> tuple[tuple[str, ...], np.ndarray, list[str]]:
    """The labels to show, those that were asked for too; each sighting's position in them, or -1;
    and the labels that are left out.
    """
    coded = given["label"].combine_chunks().dictionary_encode()
    names, codes = coded.dictionary.to_pylist(), coded.indices.to_numpy()
    counts = dict(zip(names, np.bincount(codes, minlength=len(names)).tolist(), strict=True))
    asked = wanted.get("label") or []
    asked = [asked] if isinstance(asked, str) else list(asked)
    counts |= {label: counts.get(label, 0) for label in asked}
    ordered = sorted(counts, key=lambda label: (-counts[label], label))
    labels = tuple(ordered[:MOST_LABELS])
    position = [labels.index(name) if name in labels else -1 for name in names]
    others = sorted(label for label in ordered[MOST_LABELS:] if counts[label])
    return labels, np.array(position, np.int64)[codes], others


def _effort(
    runs: Runs, stretches: Stretches, wanted: SightingFilter
) -> tuple[Stretches, np.ndarray]:
    """What was analysed of placed runs within the conditions on time, and the hours of all runs."""
    during = wanted.get("during_us") or (None, None)
    begin_us, end_us = (
        ever if one is None else one for one, ever in zip(during, (-_EVER, _EVER), strict=True)
    )
    from_us, to_us = wanted.get("from_us"), wanted.get("to_us")
    begin_us = begin_us if from_us is None else max(begin_us, from_us)
    end_us = end_us if to_us is None else min(end_us, to_us)
    some = stretches.between(begin_us, end_us)
    placed = some[np.flatnonzero(runs.is_placed[some.of])]
    start_us = runs.start_us[placed.of]
    in_utc = replace(placed, begin_us=placed.begin_us + start_us, end_us=placed.end_us + start_us)
    effort = _within(runs.on_clocks(in_utc.of, in_utc), wanted)
    among = effort if any(wanted.get(name) is not None for name in _BY_CLOCK) else some
    return effort, np.bincount(among.of, weights=among.hours, minlength=len(runs))


def _within(stretches: Stretches, wanted: SightingFilter) -> Stretches:
    """What of them the conditions on time leave."""
    from_utc, to_utc = wanted.get("from_utc"), wanted.get("to_utc")
    from_local, to_local = wanted.get("from_local"), wanted.get("to_local")
    hours, weekday = wanted.get("hours"), wanted.get("weekday")
    if from_utc is not None or to_utc is not None:
        stretches = stretches.between(_us(from_utc, -_EVER), _us(to_utc, _EVER))
    if from_local is not None or to_local is not None:
        low, high = _us(from_local, -_EVER), _us(to_local, _EVER)
        stretches = stretches.between(low - stretches.offset_us, high - stretches.offset_us)
    if hours is not None:
        stretches = stretches.in_hours(*hours)
    return stretches if weekday is None else stretches.on_weekdays(set(weekday))


def _us(time: datetime | None, otherwise: int) -> int:
    if time is None:
        return otherwise
    since = time.replace(tzinfo=time.tzinfo or UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _twice(runs: Runs, searched: np.ndarray, labels: tuple[str, ...]) -> list[str]:
    """Labels that were searched in one clip by several protocols."""
    protocol = np.unique(runs.protocol.astype(str), return_inverse=True)[1]
    if not len(protocol) or protocol.max() == 0:
        return []
    found = []
    for label, of in zip(labels, searched, strict=True):
        if np.bincount(runs.clip[of], minlength=1).max() > 1:
            found.append(label)
    return found


def _rules_twice(given: pa.Table, run: np.ndarray, label: np.ndarray) -> bool:
    """Whether sightings of a label in a run are of several rules."""
    number = given["rule"].to_numpy()
    if not len(number) or number.min() == number.max():
        return False
    rules, rule = np.unique(number, return_inverse=True)
    of_label = run * MOST_LABELS + label
    return len(np.unique(of_label * len(rules) + rule)) > len(np.unique(of_label))
