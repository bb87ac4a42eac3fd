"""This computer's clock is set, forward and back, while feeds are watched."""

import json
import os
import signal
import time

import numpy as np
import pytest

from lab.feeds import day_counts
from lab.feeds.day_counts import DayCounts
from lab.feeds.kept_recordings import RecordingAges, remove_old_packets
from lab.score_log.score_log import read_log
from lab.store.store import Store
from tests.feeds.lamp import ROOT, Command, Lamp, wait_for

HOUR_S = 3600
REAL = time.time
# Python runs it at its start. The clock of the whole process, by a number in a file.
CLOCK = """
import os, time
_real, _file = time.time, os.environ["CLOCK_AHEAD"]
def _ahead():
    try:
        with open(_file) as file:
            return float(file.read() or 0)
    except OSError:
        return 0.0
time.time = lambda: _real() + _ahead()
time.time_ns = lambda: int(time.time() * 1e9)
"""


@pytest.mark.parametrize("ahead_s", [HOUR_S, -HOUR_S])
def test_packets_are_kept_as_long_as_they_are_to_be_kept(tmp_path, monkeypatch, ahead_s):
    recording = tmp_path / "recording" / "pond-1"
    recording.mkdir(parents=True)
    ages = RecordingAges()
    for number in (1, 2, 3):
        (recording / f"00000{number}.mp4").write_bytes(b"packets")

    def removed(later_s=0.0):
        mine = time.monotonic
        with monkeypatch.context() as patch:
            patch.setattr(time, "monotonic", lambda: mine() + later_s)
            return remove_old_packets(tmp_path, HOUR_S / 2, 1 << 30, recording, ages)

    assert removed() == 0
    monkeypatch.setattr(time, "time", lambda: REAL() + ahead_s)
    assert removed() == 0
    assert removed(HOUR_S / 2 - 60) == 0
    assert removed(HOUR_S / 2 + 60) == 2, "but for the newest, which is being written"


def test_counts_of_today_come_through_a_clock_that_is_set_back_over_midnight(monkeypatch):
    today = ["2026-11-22"]
    monkeypatch.setattr(day_counts, "_today", lambda: today[0])
    day = DayCounts("2026-11-22")
    seen = []
    for date in ("2026-11-22", "2026-11-23", "2026-11-22", "2026-11-23", "2026-11-24"):
        today[0] = date
        day.add(opened())
        seen.append(day.to_dict())
    found = [(one["date"][-2:], one["sightings"]["fox"]) for one in seen]
    assert found == [("22", 1), ("23", 1), ("22", 2), ("23", 2), ("24", 1)]


def opened():
    from lab.sinks.event import SightingEvent
    from lab.sinks.trial import events_of_test

    (event, *_) = events_of_test()
    return SightingEvent.from_dict({**event.to_dict(), "label": "fox", "is_test": False})


@pytest.mark.long
@pytest.mark.parametrize("ahead_s", [HOUR_S, -HOUR_S])
def test_log_sightings_and_counts_of_a_feed_go_on_when_the_clock_is_set(tmp_path, ahead_s):
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    ahead = tmp_path / "ahead"
    ahead.write_text("0")
    python_path = os.pathsep.join([str(tmp_path), str(ROOT)])
    environ = {"CLOCK_AHEAD": str(ahead), "PYTHONPATH": python_path}
    store = Store(tmp_path / "store")
    with Lamp() as lamp:
        told = tmp_path / "told.jsonl"
        sinks = {"kept": {"type": "jsonl", "path": str(told)}}
        feeds = [lamp.feed(sinks=["kept"])]
        (tmp_path / "feeds.yaml").write_text(json.dumps({"feeds": feeds, "sinks": sinks}))

        def kinds():
            lines = told.read_text().splitlines() if told.exists() else []
            return [json.loads(line)["kind"] for line in lines]

        words = ("watch", tmp_path / "feeds.yaml", "--store", store.folder)
        with Command(*words, environ=environ) as command:
            lamp.is_on = True
            wait_for(lambda: "opened" in kinds(), lambda: f"a sighting; {command.said}")
            ahead.write_text(str(ahead_s))
            (row,) = store.runs()
            wait_for(lambda: has_jumped(store, row["run_id"], ahead_s), "samples after that")
            lamp.is_on = False
            wait_for(lambda: "closed" in kinds(), "its end")
            lamp.is_on = True
            wait_for(lambda: kinds().count("opened") == 2, "another one")
            lamp.is_on = False
            wait_for(lambda: kinds().count("closed") == 2, "its end")
            assert command.end(signal.SIGTERM) == 0, command.said
    assert [one["run_id"] for one in store.runs()] == [row["run_id"]], "no reconnect, no new run"
    log = read_log(store.log_folder(row["run_id"]))
    assert np.diff(log.pts_us).min() > 0
    assert np.diff(log.pts_us).max() < 60e6, "media time knows of no clock"
    assert [one["close_reason"] for one in store.sightings()] == ["exit", "exit"]
    assert len({json.loads(line)["event_id"] for line in told.read_text().splitlines()}) == len(
        kinds()
    )


def has_jumped(store, run_id, ahead_s):
    """Whether the log has samples from before and from after the change."""
    import pyarrow.parquet as pq

    walls = []
    for file in sorted(store.log_folder(run_id).glob("samples-*.parquet")):
        walls += pq.read_table(file)["wall_time"].to_pylist()
    return len(walls) > 5 and abs(np.ptp(walls)) > abs(ahead_s) / 2
