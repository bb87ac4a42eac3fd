"""A disk that becomes full at any moment: nothing is lost, and nothing wrong is said."""

import shutil
import subprocess
import sys
import time

import pytest

from lab.app.cli.doctor import examine_store
from lab.app.server import state as desks
from lab.jobs.batch.service import QueuedClip
from lab.jobs.batch.work import Work
from lab.jobs.queue.queued_job import Stamp
from lab.store.store import Store
from tests.builders import ended_jobs
from tests.quick_set import mostly_long

CLIP = "cat_comes_and_goes.mp4"
WORDS = ["--detector", "visual", "--every", "0.1"]


@pytest.fixture
def disk(tmp_path):
    """A file system of 24 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("cannot mount here (needs root)")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def run_lab(*words):
    command = [sys.executable, "-m", "lab", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def fill(disk, left_kib):
    """Leave this many KiB; the file to remove afterwards."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        free = shutil.disk_usage(disk).free - left_kib * 1024
        file.truncate(0)
        file.write(b"\0" * max(0, free))
    return ballast


RULE = ["--enter-threshold", "0.1", "--json"]


@pytest.fixture(scope="module")
def unbroken(samples, tmp_path_factory):
    """The effort and the sightings of the clip, where nothing was in the way."""
    store = tmp_path_factory.mktemp("unbroken") / "store"
    assert run_lab("analyze", samples / CLIP, *WORDS, "--store", store).returncode == 0
    (row,) = Store(store).runs()
    said = run_lab("sightings", row["run_id"], *RULE, "--store", store).stdout
    return row["effort"], said


@pytest.mark.long
@pytest.mark.parametrize("left_kib", mostly_long([0, 16, 700, 1500], 700))
def test_an_analysis_on_a_full_disk_can_be_gone_on_with(disk, samples, unbroken, left_kib):
    store = disk / "store"
    if left_kib < 100:  # a store that is there already
        assert run_lab("analyze", samples / "nothing.mp4", *WORDS, "--store", store).returncode == 0
    runs_before = len(Store(store).runs())
    ballast = fill(disk, left_kib)
    done = run_lab("analyze", samples / CLIP, *WORDS, "--store", store)
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert len(done.stderr.strip().splitlines()) <= 3, done.stderr
        assert "space" in done.stderr
    ballast.unlink()
    examine_store(Store(store))  # as the doctor does, which also makes every detector
    rows = Store(store).runs()
    new = rows[: len(rows) - runs_before]
    for row in new:
        assert row["state"] in ("done", "interrupted", "failed", "cancelled")
        if row["state"] != "done":
            assert run_lab("analyze", "--resume", row["run_id"], "--store", store).returncode == 0
    if not new:
        assert run_lab("analyze", samples / CLIP, *WORDS, "--store", store).returncode == 0
    (row, *_) = Store(store).runs()
    effort, sightings = unbroken
    assert row["effort"] == effort
    assert run_lab("sightings", row["run_id"], *RULE, "--store", store).stdout == sightings


@pytest.mark.long
@pytest.mark.parametrize("left_kib", mostly_long([0, 150], 0))
def test_a_batch_on_a_full_disk_stops_and_can_be_gone_on_with(disk, samples, left_kib):
    store = disk / "store"
    assert run_lab("analyze", samples / "nothing.mp4", *WORDS, "--store", store).returncode == 0
    ballast = fill(disk, left_kib)
    clips = [samples / CLIP, samples / "nothing.mp4", samples / "cat_then_person.mp4"]
    full = run_lab("batch", *clips, *WORDS, "--store", store)
    assert full.returncode == 1
    assert "Traceback" not in full.stderr
    assert "make room" in full.stderr
    ballast.unlink()
    done = run_lab("batch", *clips, *WORDS, "--store", store)
    assert done.returncode == 0, done.stderr
    kept = Store(store)
    assert [row["state"] for row in kept.runs()] == ["done"] * 3
    kept.catalog.give_up()  # so that the disk can be taken away


@pytest.mark.long
def test_the_app_says_that_the_disk_is_full_and_goes_on_when_it_is_not(disk, samples, monkeypatch):
    monkeypatch.setenv("LAB_STORE", str(disk / "store"))
    desks.app_state.cache_clear()
    app = desks.app_state()
    try:
        queue_clip(app, samples / "nothing.mp4")
        assert [job.state for job in ended_jobs(app)] == ["done"]
        ballast = fill(disk, 150)
        queue_clip(app, samples / CLIP)
        end = time.monotonic() + 60
        while app.analyses.problem is None:
            assert time.monotonic() < end, app.analyses.queue.jobs()
            time.sleep(0.05)
        assert "make room" in app.analyses.problem
        ballast.unlink()
        assert [job.state for job in ended_jobs(app)] == ["done", "done"]
        assert [row["state"] for row in app.store.runs()] == ["done", "done"]
    finally:
        app.close()
        app.store.catalog.give_up()
        desks.app_state.cache_clear()


def queue_clip(app, clip):
    analyses = [{"name": "visual", "detector": {"name": "visual"}, "interval_s": 0.1}]
    app.analyses.start([QueuedClip(str(clip), Stamp.of(clip))], Work(analyses))
