"""Runs that are killed: nothing before the last part is lost, and resuming completes them."""

import random
import signal
import subprocess
import sys
import time

import numpy as np

import lab
from lab.run import Run
from lab.score_log import read_log
from lab.store.store import Store

KILLS = 100
GO = """
import sys
import lab, lab.pipeline
lab.pipeline.FLUSH_EVERY_S = 0.02  # many small parts, so that kills fall between and inside them
clip, folder, run_id = sys.argv[1:]
settings = dict(labels=["cat", "person"], image_size=320)
if run_id:
    from lab.store.store import Store
    lab.resume(Store(folder), run_id, progress=False)
else:
    lab.analyze(clip, every_s=0, store=folder, progress=False, **settings)
"""


def start(clip, folder, run_id=""):
    return subprocess.Popen([sys.executable, "-c", GO, str(clip), str(folder), run_id], stderr=subprocess.PIPE)


def test_a_hundred_kills_at_random_moments_lose_nothing(samples, tmp_path):
    clip, dice, store = samples / "cat_then_person.mp4", random.Random(7), Store(tmp_path)
    whole = lab.analyze(clip, every_s=0, labels=["cat", "person"], image_size=320, store=tmp_path / "whole", progress=False)
    kills, run_id, kept = 0, "", 0
    while kills < KILLS:
        process = start(clip, tmp_path, run_id)
        time.sleep(dice.uniform(0.45, 1.5))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait()
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


def compare_all(store, whole):
    """Every run of the store equals the unbroken one."""
    for row in store.runs():
        log = Run(store, row["run_id"]).log
        for name in ("pts_us", "frame_index", "ok", "sample", "label", "confidence", "box_xyxy_px"):
            assert np.array_equal(getattr(log, name), getattr(whole.log, name)), name
