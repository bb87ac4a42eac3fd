"""A small study with all that makes charts hard: gaps, a change of the clock, clips without a
start, clips over midnight, a detector that looks for one label only.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from lab.deployment import Deployment
from lab.formats.detections.earlier import Sample
from lab.formats.detections.write_run import MadeRun, write_runs
from lab.rules.rule import Debounce, LabelRule, Rule
from lab.store.store import Store
from tests.builders import make_detections, make_media

LABELS = ("fox", "owl")
STEP_S = 60
RULE = Rule(
    default=LabelRule(debounce=Debounce(enter_threshold=0.5, enter_frames=1, exit_frames=1))
)
BERLIN, FIXED = "Europe/Berlin", "+05:30"
_MONDAY = datetime(2026, 3, 23)  # in the night to the next Sunday Berlin goes from 2 to 3 o'clock


@dataclass(eq=False)
class Study:
    store: Store
    runs: list
    # Of each run, the name of its site and its zone; None where its start is not known.
    where: list


def make_study(folder: Path, clips: int = 27, seed: int = 3) -> Study:
    random = np.random.default_rng(seed)
    store = Store(folder / "store")
    made = [_made(random, i, _minutes(random, i)) for i in range(clips)]
    runs = write_runs(store, made)
    store.put_deployments([_deployment("north", BERLIN, 52.52, 13.4), _deployment("east", FIXED)])
    where = [_place(store, random, i, run) for i, run in enumerate(runs)]
    found = {run.run_id: run.find(RULE) for run in runs}
    for protocol in {run.protocol_hash for run in runs}:
        mine = {run.run_id: found[run.run_id] for run in runs if run.protocol_hash == protocol}
        store.save_sightings_of_runs(mine, RULE, "rule", current_of=protocol)
    return Study(store, [run.refresh() for run in runs], where)


def _minutes(random, i: int) -> int:
    return 30 * 60 if i == 0 else int(random.integers(10, 400))


def _made(random, i: int, minutes: int) -> MadeRun:
    labels = LABELS[:1] if i % 5 == 4 else LABELS
    scores = {label: np.zeros(minutes) for label in labels}
    for values in scores.values():
        for at in random.integers(0, minutes, minutes // 15):
            values[at : at + int(random.integers(1, 9))] = random.uniform(0.5, 1)
    failed = np.zeros(minutes, bool)
    if i % 3 == 0:
        at = int(random.integers(0, minutes))
        failed[at : at + int(random.integers(3, 90))] = True
    kept = np.ones(minutes, bool)
    if i % 4 == 1 and minutes > 60:
        kept[20 : int(random.integers(40, 60))] = False  # a gap without samples
    samples = [
        Sample(
            k,
            k * STEP_S * 1_000_000,
            make_detections(
                *(
                    (label, values[k], (10, 10, 30, 30))
                    for label, values in scores.items()
                    if values[k]
                )
            ),
            "made to fail" if failed[k] else None,
        )
        for k in np.flatnonzero(kept).tolist()
    ]
    media = make_media(f"clip-{i:02d}", minutes * STEP_S)
    detector = {"detector": "made", "labels": list(labels), "score_floor": 0.05}
    return MadeRun(media=media, detector=detector, samples=samples, every_s=STEP_S, threshold=0.5)


def _deployment(name, zone, latitude=None, longitude=None) -> Deployment:
    return Deployment(
        deployment_id=name, location_name=name, start_utc=datetime(2026, 1, 1),
        end_utc=datetime(2026, 12, 31), zone=zone, latitude=latitude, longitude=longitude,
    )  # fmt: skip


def _place(store: Store, random, i: int, run) -> tuple[str, str] | None:
    media_id = run.media["media_id"]
    if i % 9 == 8:
        store.edit_media(media_id, site="north")
        return None
    # The first clip goes over the change of the clock, from Saturday to Monday.
    minute = 5 * 24 * 60 + 20 * 60 if i == 0 else int(random.integers(0, 10 * 24 * 60))
    start = {"start_utc": _MONDAY + timedelta(minutes=minute), "start_source": "entered"}
    name, zone = [("north", BERLIN), ("east", FIXED), ("", "-03:00")][0 if i == 0 else i % 3]
    store.edit_media(media_id, **start, utc_offset_s=None if name else -3 * 3600)
    if name:
        store.join_clips({media_id: name})
    return name, zone


@pytest.fixture(scope="session")
def study(tmp_path_factory) -> Study:
    return make_study(tmp_path_factory.mktemp("charts"))


def utc_of(run, pts_us: int) -> datetime:
    return run.media["start_utc"].replace(tzinfo=UTC) + timedelta(microseconds=pts_us)
