"""A run that another process makes, read while it grows."""

import threading

import numpy as np
import pytest

import lab
from lab.detection import Detections
from lab.errors import NotFoundError
from lab.frame import FrameStamp
from lab.runs.growing import GrowingRun
from lab.score_log import growing as module
from lab.score_log.growing import GrowingLog
from lab.score_log.score_log import read_log
from lab.score_log.writer import ScoreLogWriter
from lab.store.store import Store
from lab.video.source import SKIPPED
from tests.builders import make_detections, make_run
from tests.feeds.lamp import wait_for
from tests.slow_run import slow_run

STEP_US = 100_000


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "logs" / "run-1"


@pytest.fixture
def writer(folder):
    manifest = {"run_id": "run-1", "labels": ["cat"], "recipe": {}}
    with ScoreLogWriter(folder, manifest, is_durable=False) as log:
        yield log


def add(log, first, end, found=make_detections):
    for i in range(first, end):
        log.add(FrameStamp(i, i * STEP_US, 1.0 + i), found())
    log.flush()


def indices(samples):
    return [one.stamp.index for one in samples]


def test_each_sample_is_given_once_although_parts_are_made_one(folder, writer):
    log = GrowingLog(folder)
    add(writer, 0, 3, lambda: make_detections(("cat", 0.75, (1, 2, 30.5, 40))))
    first = log.read()
    assert indices(first) == [0, 1, 2]
    (box,) = first[1].found.box_xyxy_px.tolist()
    assert (first[1].found.labels, box) == (["cat"], [1, 2, 30.5, 40])
    assert (first[1].stamp.pts_us, first[1].stamp.wall_time) == (STEP_US, 2.0)
    assert log.read() == []
    add(writer, 3, 5)
    add(writer, 5, 6)
    writer.compact()
    assert indices(log.read()) == [3, 4, 5]
    add(writer, 6, 8)
    writer.compact()
    add(writer, 8, 9)
    assert indices(log.read()) == [6, 7, 8]
    assert log.read() == []


def test_the_last_ones_alone_are_given_to_who_comes_late(folder, writer):
    for i in range(5):
        add(writer, 3 * i, 3 * i + 3)
    assert indices(GrowingLog(folder, latest=5).read()) == [10, 11, 12, 13, 14]
    none = GrowingLog(folder, latest=0)
    assert none.read() == []
    writer.compact()
    late = GrowingLog(folder, latest=100)
    assert indices(late.read()) == list(range(15))
    add(writer, 15, 16)
    assert indices(none.read()) == indices(late.read()) == [15]


def test_why_a_sample_is_not_ok_is_told_and_those_passed_over_are_not(folder, writer):
    add(writer, 0, 1, lambda: Detections.held_back("nothing moved"))
    add(writer, 1, 2, lambda: Detections.held_back(SKIPPED))
    add(writer, 2, 3, lambda: Detections.failed("detector: no"))
    writer.add(FrameStamp(3, 3 * STEP_US, 1.0, "no key frame"), Detections())
    writer.flush()
    found = GrowingLog(folder).read()
    assert indices(found) == [0, 2, 3]
    why = [(one.found.gated, one.found.error) for one in found]
    assert why == [("nothing moved", None), (None, "detector: no"), (None, "no key frame")]


def test_what_was_damaged_and_is_written_again_comes_where_it_was_missing(folder, writer):
    log = GrowingLog(folder)
    add(writer, 0, 2)
    add(writer, 2, 4)
    assert indices(log.read()) == [0, 1, 2, 3]
    damaged = folder / "samples-00002.parquet"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    assert writer.set_damaged_aside()
    add(writer, 2, 6)  # a part of the same name
    assert indices(log.read()) == [4, 5]
    add(writer, 6, 7)
    broken = folder / "detections-00003.parquet"
    broken.write_bytes(b"nothing")
    add(writer, 7, 8)
    assert indices(log.read()) == [7]
    assert [text.split(":")[0] for text in log.damaged] == ["detections-00003.parquet"]


def test_nothing_is_lost_or_told_twice_while_parts_are_made_one(folder, writer):
    log, found, over = GrowingLog(folder), [], threading.Event()

    def read():
        while not over.is_set():
            found.extend(log.read())

    reading = threading.Thread(target=read)
    reading.start()
    for i in range(120):
        add(writer, 2 * i, 2 * i + 2, lambda: make_detections(("cat", 0.5, (1, 2, 3, 4))))
        if i % 3 == 2:
            writer.compact()
    over.set()
    reading.join()
    found += log.read()
    assert indices(found) == list(range(240))
    assert all(len(one.found) == 1 for one in found)


def test_nothing_new_costs_no_look_at_the_files(folder, writer, monkeypatch):
    monkeypatch.setattr(module, "_TICK_NS", -1)
    log = GrowingLog(folder)
    add(writer, 0, 2)
    assert len(log.read()) == 2
    monkeypatch.setattr(module, "read_manifest", None)
    assert log.read() == []


@pytest.mark.long
def test_a_run_that_is_killed_and_gone_on_with_gives_each_sample_once(samples, tmp_path):
    store = Store(tmp_path / "store")
    with slow_run(samples / "cat_then_person.mp4", store.folder, 0.1) as (making, run_id):
        run, found = GrowingRun(store, run_id), []

        def read():
            found.extend(run.updates())
            return found

        wait_for(read, "the first part")
        making.kill()
        making.wait()
    wait_for(lambda: read() and run.is_over, "that it ended")
    assert run.state == "interrupted"
    assert len(found) == len(read_log(store.log_folder(run_id)).pts_us)
    lab.resume(store, run_id, progress=False)
    wait_for(lambda: read() and run.state == "done", "that it is done")
    log = read_log(store.log_folder(run_id))
    assert [one.stamp.pts_us for one in found] == log.pts_us.tolist()
    assert [one.stamp.index for one in found] == log.frame_index.tolist()
    scores = np.concatenate([one.found.confidence for one in found])
    assert np.array_equal(scores, log.confidence)


def test_a_run_says_how_it_ended(tmp_path):
    store = Store(tmp_path / "store")
    made = make_run(tmp_path, [0.1, 0.9, np.nan])
    run = GrowingRun(store, made.run_id)
    assert (run.state, run.error, len(run.updates())) == ("done", None, 3)
    for wrong in ("run-1", "..", "", f"../logs/{made.run_id}"):
        with pytest.raises(NotFoundError, match="no run"):
            GrowingRun(store, wrong)
