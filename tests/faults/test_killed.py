"""Runs that are killed: nothing before the last part is lost, and resuming completes them."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import lab
from lab.runs.run import Run
from lab.score_log.score_log import read_log
from lab.score_log.seal import log_state
from lab.store.store import Store

# Everything is imported once; each line asks for a process of its own that has opened nothing yet.
NURSERY = """
import os, signal, sys
import cv2, duckdb, pandas, pyarrow, onnxruntime
import lab, lab.runs.analyze, lab.runs.pipeline, lab.runs.run_pass
from lab.store.store import Store
lab.runs.pipeline.FLUSH_EVERY_S = 0.02  # many small parts, so that kills fall between and \
inside them
clip, folder = sys.argv[1:]
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        if run_id := line.strip():
            lab.resume(Store(folder), run_id, progress=False)
        else:
            lab.analyze(clip, every_s=0, store=folder, progress=False, \
labels=["cat", "person"], image_size=320)
        os._exit(0)
    print(pid, flush=True)
"""


@pytest.fixture
def start(samples, tmp_path):
    """start(run_id) begins or resumes a run of the clip in a new process, and gives its pid."""
    nursery = subprocess.Popen(
        [sys.executable, "-c", NURSERY, str(samples / "cat_then_person.mp4"), str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    def started(run_id):
        nursery.stdin.write(f"{run_id}\n")
        nursery.stdin.flush()
        return int(nursery.stdout.readline())

    yield started
    nursery.stdin.close()
    nursery.wait(20)


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("kills", [5, pytest.param(100, marks=pytest.mark.long)])
def test_kills_at_random_moments_lose_nothing(samples, tmp_path, start, kills):
    clip, dice, store = samples / "cat_then_person.mp4", random.Random(7), Store(tmp_path)
    whole = lab.analyze(
        clip,
        every_s=0,
        labels=["cat", "person"],
        image_size=320,
        store=tmp_path / "whole",
        progress=False,
    )
    killed, run_id, kept = 0, "", 0
    while killed < kills:
        pid = start(run_id)
        time.sleep(dice.uniform(0.2, 0.9))
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)
            killed += 1
        while is_alive(pid):
            time.sleep(0.005)
        runs = [r for r in store.runs() if r["state"] != "done"]
        if not runs:
            compare_all(store, whole)
            run_id, kept = "", 0
            continue
        (run,) = runs
        assert run["state"] == "interrupted"
        run_id = run["run_id"]
        folder = store.log_folder(run_id)
        if (folder / "manifest.json").exists():
            log = read_log(folder)
            assert not log.damaged
            assert len(log.pts_us) >= kept
            kept = len(log.pts_us)
            assert np.array_equal(log.pts_us, whole.log.pts_us[:kept])
    if run_id:
        lab.resume(store, run_id, progress=False)
    compare_all(store, whole)


@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.long)])
@pytest.mark.parametrize("lost", ["samples-*.parquet", "manifest.json"])
def test_kills_while_a_damaged_log_is_analysed_again_lose_nothing(
    analysed, samples, tmp_path, start, kills, lost
):
    settings = {"every_s": 0, "labels": ["cat", "person"], "image_size": 320}
    shutil.rmtree(tmp_path)
    (run,) = analysed(tmp_path, (samples / "cat_then_person.mp4", settings))
    folder, dice, whole = run.store.log_folder(run.run_id), random.Random(3), run
    _ = whole.log
    for _ in range(kills):
        for file in folder.glob(lost):
            file.unlink()
        pid = start(run.run_id)
        time.sleep(dice.uniform(0.05, 0.9))
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)
        while is_alive(pid):
            time.sleep(0.005)
    for file in folder.glob(lost):
        file.unlink()
    lab.resume(run.store, run.run_id, progress=False)
    assert log_state(folder).is_sealed
    compare_all(run.store, whole)


def compare_all(store, whole):
    """Every run of the store equals the unbroken one."""
    for row in store.runs():
        log = Run(store, row["run_id"]).log
        for name in ("pts_us", "frame_index", "ok", "sample", "label", "confidence", "box_xyxy_px"):
            assert np.array_equal(getattr(log, name), getattr(whole.log, name)), name
