"""What charts say, counted sample by sample and sighting by sighting."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import cache

import numpy as np

from lab.clock import zone_named
from tests.charts.conftest import STEP_S, Study, utc_of


@cache
def analysed(study: Study) -> list[tuple[int, str, datetime, float]]:
    """Run, label, time by the clock of its site and hours, of each sample that was analysed."""
    return list(_analysed(study))


@cache
def seen(study: Study) -> list[tuple[int, dict, datetime]]:
    """Run, sighting, and its onset by the clock of its site."""
    return list(_seen(study))


def _analysed(study: Study) -> Iterator[tuple[int, str, datetime, float]]:
    for number, (run, where) in enumerate(zip(study.runs, study.where)):
        if where is None:
            continue
        log, zone = run.log, zone_named(where[1])
        for k in np.flatnonzero(log.ok).tolist():
            local = utc_of(run, int(log.pts_us[k])).astimezone(zone).replace(tzinfo=None)
            for label in run.recipe["labels"]:
                yield number, label, local, STEP_S / 3600


def _seen(study: Study) -> Iterator[tuple[int, dict, datetime]]:
    for number, (run, where) in enumerate(zip(study.runs, study.where)):
        if where is None:
            continue
        zone = zone_named(where[1])
        for row in study.store.sightings(run_id=run.run_id):
            local = utc_of(run, row["onset_us"]).astimezone(zone).replace(tzinfo=None)
            yield number, row, local


def rates(study: Study, bin_of: Callable[[int, datetime], object]) -> dict:
    """Count and hours by label and bin, of those with hours."""
    hours, counts = defaultdict(float), defaultdict(int)
    for number, label, local, part in analysed(study):
        hours[label, bin_of(number, local)] += part
    for number, row, local in seen(study):
        counts[row["label"], bin_of(number, local)] += 1
    return {key: (counts[key], hours[key]) for key in hours}


def presence(study: Study) -> dict:
    """Hours of presence by label and day."""
    found = defaultdict(float)
    for _, row, local in seen(study):
        begin = local
        left = timedelta(microseconds=row["offset_us"] - row["onset_us"])
        while left > timedelta():
            midnight = datetime(begin.year, begin.month, begin.day) + timedelta(days=1)
            part = min(left, midnight - begin)
            found[row["label"], begin.date()] += part.total_seconds() / 3600
            begin, left = begin + part, left - part
    return found
