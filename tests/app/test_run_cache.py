"""The app keeps whole logs of a few runs, scores of many, and notices when a log changes."""

import os
import subprocess
import sys
import threading

import pytest

from lab.app.server.computations import Cancelled, Computations
from lab.app.server.run_cache import RunCache, log_stamp
from lab.app.server.state import AppState
from lab.config import Config
from lab.errors import LabError, SettingError
from lab.score_log.writer import ScoreLogWriter
from lab.store.store import Store
from tests.builders import make_detections, make_run


@pytest.fixture
def runs(tmp_path):
    return [make_run(tmp_path, [0.1, 0.9] * 50, name=f"clip{i}") for i in range(4)]


def test_boxes_of_the_oldest_go_first_and_runs_only_when_scores_are_too_many(runs):
    for run in runs:
        _ = run.log
    one = runs[0].nbytes
    cache = RunCache(max_bytes=int(2.5 * one), max_score_bytes=10**9)
    cache.keep((i, run) for i, run in enumerate(runs))
    assert [run.has_boxes for run in runs] == [False, False, True, True]
    assert all(cache.get(run.run_id, i) is run for i, run in enumerate(runs))
    small = RunCache(max_bytes=one, max_score_bytes=one)
    small.keep((i, run) for i, run in enumerate(runs))
    assert [small.get(run.run_id, i) is run for i, run in enumerate(runs)] == [False] * 3 + [True]


def test_another_stamp_or_state_is_another_run(runs):
    cache = RunCache(10**9, 10**9)
    cache.keep([("a", runs[0])])
    assert cache.get(runs[0].run_id, "b") is None
    cache.expect(runs[0].run_id, "cancelled")
    assert cache.get(runs[0].run_id, "a") is None


def test_the_stamp_of_a_log_changes_with_its_parts(runs):
    folder = runs[0].store.log_folder(runs[0].run_id)
    before = log_stamp(folder)
    assert log_stamp(folder) == before
    with ScoreLogWriter(folder, {}) as log:
        log.add_sample(1000, 10**9, make_detections())
        log.flush()
    assert log_stamp(folder) != before


def test_many_runs_are_taken_with_few_queries_and_read_when_they_are_needed(runs, counts):
    state = AppState(Config(store=runs[0].store.folder))
    counts.clear()
    found = state.runs([run.run_id for run in runs])
    assert counts.transactions <= 2
    assert [run.nbytes for run in found] == [0] * 4
    assert [run.find() for run in found] == [run.find() for run in runs]
    counts.clear()
    again = state.runs([run.run_id for run in runs])
    assert counts.transactions == 0
    assert [a is b for a, b in zip(again, found, strict=True)] == [True] * 4
    state.close()


def test_a_part_that_is_written_over_in_its_place_is_noticed(runs):
    state, run = AppState(Config(store=runs[0].store.folder)), runs[0]
    assert state.run(run.run_id).damage is None
    (part,) = Store(run.store.folder).log_folder(run.run_id).glob("detections-*.parquet")
    content = part.read_bytes()
    with part.open("r+b") as file:
        file.seek(len(content) // 2)
        file.write(bytes([content[len(content) // 2] ^ 1]))
    os.utime(part)
    with pytest.warns(match="is damaged"):
        assert "not as written" in str(state.run(run.run_id).damage) or state.run(run.run_id).damage
    state.close()


def test_a_computation_is_done_once_and_says_how_far_it_is():
    computations, go, calls = Computations(), threading.Event(), []

    def count(report):
        calls.append(1)
        report(3, 4)
        go.wait(20)
        return 42

    one, same = (computations.get("key", "Counting", count) for _ in range(2))
    assert one is same
    while not one.total:
        one.finished.wait(0.01)
    assert (one.done, one.total, one.what) == (3, 4, "Counting")
    go.set()
    assert one.finished.wait(20)
    assert (one.result, calls) == (42, [1])


def test_the_error_of_a_computation_is_raised_by_its_result():
    def fail(report):
        raise SettingError("no such label")

    def break_down(report):
        raise ZeroDivisionError("by zero")

    computations = Computations()
    for do, text in ((fail, "no such label"), (break_down, "Counting failed: ZeroDivisionError")):
        done = computations.get(do, "Counting", do)
        assert done.finished.wait(20)
        with pytest.raises(LabError, match=text):
            _ = done.result


def test_what_nobody_waits_for_any_more_is_given_up():
    computations, first = Computations(kept=1), threading.Event()

    def long(report):
        first.set()
        while True:
            report(0, 0)

    given_up = computations.get("long", "Counting", long)
    assert first.wait(20)
    assert computations.get("other", "Counting", lambda report: 1).finished.wait(20)
    assert given_up.finished.wait(20)
    with pytest.raises(Cancelled):
        _ = given_up.result


ENDING = """
import itertools
import duckdb
from lab.app.server.computations import Computations
db = duckdb.connect()
def read(report):
    for i in itertools.count():
        report(i, 0)
        db.execute("SELECT * FROM range(1000)").fetchall()
kept = Computations()
reading = kept.get("a", "Reading", read)
while not reading.done:
    pass
"""


def test_a_process_ends_as_it_should_while_something_is_being_computed():
    command = [sys.executable, "-c", ENDING]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
