"""Batches as real processes that are killed: good clips are done once, and bad ones are named."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from functools import cache, partial

import psutil
import pytest

from lab.runs.run import Run
from lab.store.store import Store
from tests.builders import assert_same_log
from tests.jobs.clips import copy_with, fill_folder

WORDS = ["--detector", "visual", "--every", "0.04", "--json"]


def begin(folder, store, *words):
    command = [sys.executable, "-m", "lab", "batch", str(folder), "--store", str(store), *WORDS]
    return subprocess.Popen(
        [*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        process_group=0,
    )  # fmt: skip


def end(process):
    """Its exit code, what it says of the clips, and its lines on standard error."""
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in err, err
    return process.returncode, json.loads(out), err


def count(store, state):
    """How many jobs are in a state, as another program sees the queue."""
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"file:{store}/jobs.sqlite?mode=ro", uri=True)) as db,
    ):
        return db.execute("SELECT count(*) FROM jobs WHERE state = ?", [state]).fetchone()[0]
    return 0


def wait_until(condition, process=None):
    for _ in range(6000):
        if condition() or (process is not None and process.poll() is not None):
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to that")


def has_begun(store, least_done):
    """Whether it is in the middle of a clip, with so many done."""
    return count(store, "done") >= least_done and count(store, "running")


def kill(process):
    process.send_signal(signal.SIGKILL)
    process.communicate()


def assert_done_once(store, clips, clean):
    """One finished run a clip and no other, each with the log of the clean pass."""
    rows, wanted = Store(store).runs(), Store(clean).runs()
    assert [row["state"] for row in rows] == ["done"] * len(clips)
    ids = {row["recipe_hash"]: row["run_id"] for row in rows}
    assert set(ids) == {row["recipe_hash"] for row in wanted}
    assert len(ids) == len(clips)
    for row in wanted:
        log = Run(Store(store), ids[row["recipe_hash"]]).log
        assert_same_log(log, Run(Store(clean), row["run_id"]).log)


def few(samples, folder, count):
    """So many clips, always the same ones."""
    return [copy_with(samples / "nothing.mp4", folder / f"{i}.mp4", i) for i in range(count)]


@pytest.fixture(scope="module")
def clean(samples, tmp_path_factory):
    """clean(count) gives the store of one clean pass over `few` clips."""
    folder = tmp_path_factory.mktemp("clean")

    def made(count):
        few(samples, folder / f"clips{count}", count)
        assert end(begin(folder / f"clips{count}", folder / f"store{count}"))[0] == 0
        return folder / f"store{count}"

    return cache(made)


@pytest.mark.parametrize(("good", "workers"), [(9, 1), pytest.param(54, 2, marks=pytest.mark.long)])
def test_a_folder_killed_twice_gives_what_one_clean_pass_gives(samples, tmp_path, good, workers):
    clips, bad = fill_folder(tmp_path / "clips", samples / "nothing.mp4", good)
    options = ["--workers", str(workers)]
    code, clean, _ = end(begin(tmp_path / "clips", tmp_path / "clean", *options))
    assert code == 1
    assert clean["counts"] == {"done": len(clips), "failed": len(bad)}
    store = tmp_path / "store"
    for least in (2, 5):
        process = begin(tmp_path / "clips", store, *options)
        wait_until(partial(has_begun, store, least), process)
        kill(process)
    assert count(store, "done") < len(clips)
    code, told, err = end(begin(tmp_path / "clips", store, *options))
    assert code == 1
    assert told["counts"]["failed"] == len(bad)
    assert told["counts"]["done"] + told["counts"]["already there"] == len(clips)
    assert_done_once(store, clips, tmp_path / "clean")
    reasons = {row["path"]: row["reason"] for row in told["clips"] if row["state"] == "failed"}
    assert set(reasons) == set(bad)
    for path, words in bad.items():
        assert words in reasons[path]
        assert path in err
    assert not count(store, "waiting")
    assert not count(store, "running")
    assert not list((store / "batches").iterdir())


@pytest.mark.long
def test_two_at_once_share_the_clips_and_either_may_be_killed(samples, tmp_path, clean):
    clips = few(samples, tmp_path / "clips", 5)
    store = tmp_path / "store"
    one, two = (begin(tmp_path / "clips", store) for _ in range(2))
    wait_until(lambda: count(store, "running") == 2, one)
    kill(one)
    code, told, _ = end(two)
    assert code == 0
    assert sum(told["counts"].values()) == len(clips)
    assert_done_once(store, clips, clean(5))


@pytest.mark.long
def test_a_worker_that_is_killed_is_replaced_and_its_clip_done(samples, tmp_path, clean):
    clips = few(samples, tmp_path / "clips", 5)
    store = tmp_path / "store"
    process = begin(tmp_path / "clips", store)
    wait_until(lambda: count(store, "done") and list(store.glob("logs/*/manifest.json")))
    for worker in psutil.Process(process.pid).children():
        worker.kill()
    code, told, _ = end(process)
    assert code == 0
    assert told["counts"] == {"done": 5}
    assert_done_once(store, clips, clean(5))


@pytest.mark.long
def test_interrupted_it_says_how_to_go_on_and_resume_does(samples, tmp_path, clean):
    clips = few(samples, tmp_path / "clips", 5)
    store = tmp_path / "store"
    process = begin(tmp_path / "clips", store)
    wait_until(lambda: count(store, "done") and count(store, "running"), process)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl+C in a terminal does
    code, told, err = end(process)
    assert code == 130
    assert told["counts"]["waiting"] == count(store, "waiting") > 0
    assert "lab batch --resume" in err
    command = [sys.executable, "-m", "lab", "batch", "--resume", "--store", str(store)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"{told['counts']['waiting']} done" in done.stdout
    assert_done_once(store, clips, clean(5))


@pytest.mark.long
def test_a_clip_that_kills_whoever_reads_it_costs_those_beside_it_one_attempt(
    samples, tmp_path, clean, monkeypatch
):
    """It is read ahead while another one is analysed."""
    clips = few(samples, tmp_path / "clips", 5)
    deadly = copy_with(samples / "nothing.mp4", tmp_path / "clips" / "2 deadly.mp4", 99)
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def see(event, args):\n"
        "    name = str(args[0]) if event == 'open' else ''\n"
        "    if name.endswith('deadly.mp4') and 'worker' in sys.orig_argv:\n"
        "        os.kill(os.getpid(), 9)\n"
        "sys.addaudithook(see)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    store = tmp_path / "store"
    code, told, _ = end(begin(tmp_path / "clips", store))
    assert code == 1
    assert told["counts"] == {"done": 5, "failed": 1}
    (reason,) = [row["reason"] for row in told["clips"] if row["state"] == "failed"]
    assert "was killed (SIGKILL)" in reason
    assert "(tried 4 times)" in reason
    with contextlib.closing(sqlite3.connect(store / "jobs.sqlite")) as db:
        rows = dict(db.execute("SELECT path, tries FROM jobs").fetchall())
    assert max(tries for path, tries in rows.items() if path != str(deadly)) <= 1
    assert_done_once(store, clips, clean(5))
