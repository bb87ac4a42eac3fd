"""One analysis of many clips costs the catalog one transaction a clip."""

import subprocess
import sys
from contextlib import closing

import pytest

import lab
from lab.errors import DetectorError, SourceError
from lab.runs.analyze import Analysis
from lab.runs.analyze_each import analyze_each
from lab.store.store import Store
from tests.builders import ListSource, ScriptedDetector, make_detections, make_frame

SEEN = make_detections(("x", 0.9, (1, 1, 9, 9)))


class Clip(ListSource):
    def __init__(self, name):
        super().__init__([make_frame(i, i * 200_000) for i in range(3)])
        self.name = name


def analysis(*answers):
    return Analysis(detector=ScriptedDetector(answers or [SEEN] * 3), interval_s=0.2)


def found(clips, one, store, **options):
    return [
        result for _, result in analyze_each(clips, one, store=store, progress=False, **options)
    ]


def test_an_outcome_is_written_with_the_beginning_of_the_next_run(tmp_path, counts):
    store, clips = Store(tmp_path), [Clip(f"clip {i}") for i in range(12)]
    results = found(clips, analysis(), store)
    assert counts.transactions == len(clips) + 1
    assert [one["samples"] for one in results] == [3] * 12
    rows = {row["run_id"]: row for row in store.runs()}
    assert [rows[one["run_id"]]["state"] for one in results] == ["done"] * 12
    assert results[5] == {**results[5], **store_summary(store, results[5]["run_id"])}


def store_summary(store, run_id):
    from lab.runs.run import Run

    return Run(store, run_id).summary()


def test_finished_runs_are_looked_up_once_for_all_clips(tmp_path, counts):
    store, clips = Store(tmp_path), [Clip(f"clip {i}") for i in range(12)]
    first = found(clips[:10], analysis(), store)
    counts.clear()
    again = found(clips, analysis(), store, reuse=True)
    assert again[:10] == first
    assert counts.transactions <= 2 + 2 + 1
    assert store.count_runs() == 12


def test_a_clip_that_fails_is_named_and_the_others_are_kept(tmp_path):
    store = Store(tmp_path / "s")
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"no video")
    one, two, three = found([Clip("a"), bad, Clip("b")], analysis(), store)
    assert isinstance(two, SourceError)
    assert {one["state"], three["state"]} == {"done"}
    (broken,) = found([Clip("c")], analysis(*[RuntimeError("no")] * 3), store)
    assert isinstance(broken, DetectorError)
    assert sorted(r["state"] for r in store.runs()) == ["done", "done", "failed"]


def test_the_last_outcome_is_written_where_the_rest_is_not_wanted(tmp_path):
    store = Store(tmp_path)
    with closing(
        analyze_each([Clip("a"), Clip("b")], analysis(), store=store, progress=False)
    ) as each:
        next(each)
    assert [row["state"] for row in store.runs()] == ["done"]


def test_an_interrupt_leaves_the_earlier_runs_done_and_this_one_cancelled(tmp_path):
    store, detector = Store(tmp_path), ScriptedDetector([SEEN] * 3)
    one = Analysis(detector=detector, interval_s=0.2)
    each = analyze_each([Clip("a"), Clip("b")], one, store=store, progress=False)
    next(each)
    detector.detect = interrupted
    with pytest.raises(KeyboardInterrupt):
        next(each)
    assert [row["state"] for row in store.runs(order="oldest")] == ["done", "cancelled"]


def interrupted(frames):
    raise KeyboardInterrupt


KILLED = """
import os, sys
from lab.detectors.make import make_detector
from lab.runs.analyze import Analysis
from lab.runs.analyze_each import analyze_each
from lab.store.store import Store
one = Analysis(detector=make_detector("motion"), interval_s=0.5)
clips = [sys.argv[2], sys.argv[2]]
for _, found in analyze_each(clips, one, store=Store(sys.argv[1]), progress=False):
    print(found["run_id"], flush=True)
    os._exit(9)
"""


def test_a_process_that_dies_between_two_clips_has_kept_how_the_first_ended(tmp_path, samples):
    folder, clip = tmp_path / "s", samples / "cat_then_person.mp4"
    command = [sys.executable, "-c", KILLED, str(folder), str(clip)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 9, done.stderr
    (row,) = Store(folder).runs()
    assert (row["run_id"], row["state"]) == (done.stdout.strip(), "done")
    run = lab.open_store(folder).run(row["run_id"])
    assert run.summary()["samples"] == len(run.log.pts_us) > 0
    assert not run.damage
