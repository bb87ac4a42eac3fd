"""Kill -9 in the middle of a removal: no reference without its file, and no file forgotten."""

import os
import shutil
import signal
import subprocess
import sys

import pytest

import lab
from lab.retention.items import log_bytes
from lab.retention.plan import preview
from lab.retention.policy import Policy, write_policy
from lab.retention.removal import apply
from lab.score_log.seal import log_state
from lab.video.identity import identity_problem
from tests.conftest import ROOT

ALL = Policy(**{kind: {"older_than_days": 0} for kind in ("pictures", "copies", "clips", "logs")})
# Kills itself at the n-th file of the store that it removes or puts in its place.
KILLED = """
import os, signal, sys
folder, wanted, left = sys.argv[1], sys.argv[2], [int(sys.argv[3])]
def look(event, args):
    if event == wanted and str(args[0]).startswith(folder) and "lock" not in str(args[0]):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
from lab.retention import apply, preview
plan = preview(folder)
sys.addaudithook(look)
apply(folder, plan)
"""


def remove_and_be_killed(folder, event, nth):
    """Whether the process was killed before it had done all."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), event, str(nth)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode == -signal.SIGKILL


@pytest.fixture
def store(old, samples, tmp_path):
    """Four old runs, one of a clip that was copied into the store, with a picture and a copy."""
    runs = [old(name) for name in ("a", "b", "c")]
    store = runs[0].store
    file = store.uploads_folder / "0123abcd" / "nothing.mp4"
    file.parent.mkdir(parents=True)
    shutil.copy2(samples / "nothing.mp4", file)
    run = lab.analyze(file, detector="motion", store=store.folder, progress=False, every_s=1.0)
    run.save_sightings()
    media_id = run.media["media_id"]
    for made in (store.playable_file(media_id), store.pictures_folder(media_id) / "0.jpg"):
        made.parent.mkdir(parents=True, exist_ok=True)
        made.write_bytes(b"1234")
    write_policy(store, ALL)
    return store


def check_nothing_lies(store):
    """What the catalog says is there is there, and whole."""
    for row in store.runs():
        folder = store.log_folder(row["run_id"])
        if row["log_removed_utc"] is None:
            assert not log_state(folder, row["run_id"]).damaged
            assert len(lab.open_store(store.folder).run(row["run_id"]).log.pts_us)
    for row in store.media_rows():
        if row["path"].startswith(str(store.folder)) and row["file_removed_utc"] is None:
            assert identity_problem(row) is None


def check_all_went(store):
    assert all(row["log_removed_utc"] is not None for row in store.runs())
    assert not any(log_bytes(str(store.log_folder(row["run_id"]))) for row in store.runs())
    for name in ("uploads", "playable", "pictures"):
        assert not [f for f in (store.folder / name).rglob("*") if f.is_file()]
    assert not preview(store).count


def killed_and_gone_on_with(store, event, nth):
    store.catalog.give_up()
    was_killed = remove_and_be_killed(store.folder, event, nth)
    check_nothing_lies(store)
    apply(store, preview(store))
    check_all_went(store)
    return was_killed


def test_a_removal_that_was_killed_is_gone_on_with(store):
    assert killed_and_gone_on_with(store, "os.remove", 4)


@pytest.mark.long
@pytest.mark.parametrize(
    ("event", "nth"), [("os.remove", 0), ("os.remove", 2), ("os.remove", 7), ("os.rename", 0)]
)
def test_wherever_it_was_killed(store, event, nth):
    assert killed_and_gone_on_with(store, event, nth)


def test_marked_and_not_removed_is_what_a_kill_leaves_at_worst(old):
    """A run whose log is marked has files that nothing reads, and the next removal takes them."""
    run = old("a")
    run.store.mark_logs_removed([run.run_id], run.row["created_utc"])
    plan = preview(run.store, Policy())
    assert [item.is_stopped for item in plan.kinds["logs"].going] == [True]
    assert apply(run.store, plan).counts == {"logs": 1}
    assert not log_bytes(str(run.store.log_folder(run.run_id)))
