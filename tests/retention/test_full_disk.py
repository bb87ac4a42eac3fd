"""Removal on a disk that is full, which is when people want it."""

import os

import pytest

from lab.errors import StoreError
from lab.retention.plan import preview
from lab.retention.policy import Policy
from lab.retention.removal import apply
from lab.score_log.seal import log_state
from tests.faults.test_full_disk import disk, fill  # noqa: F401
from tests.retention.conftest import old_run

LOGS = Policy(logs={"older_than_days": 365})


@pytest.fixture
def full(disk):  # noqa: F811
    """A store with three old runs and pictures of a clip that is no longer there, and no room."""
    runs = [old_run(disk, name) for name in ("a", "b", "c")]
    store = runs[0].store
    picture = store.pictures_folder("0000") / "0.jpg"
    picture.parent.mkdir(parents=True)
    picture.write_bytes(os.urandom(2 << 20))
    store.catalog.give_up()
    yield store, fill(disk, 0)
    store.catalog.give_up()  # else the disk is in use


def states(store):
    return {
        row["run_id"]: (row["log_removed_utc"] is not None, log.damaged)
        for row in store.runs()
        for log in [log_state(store.log_folder(row["run_id"]), row["run_id"])]
    }


def test_what_needs_no_room_goes_first_and_makes_it(full):
    store, _ = full
    policy = Policy(pictures={"older_than_days": 0}, logs={"older_than_days": 365})
    removed = apply(store, preview(store, policy))
    assert removed.counts == {"pictures": 1, "logs": 3}
    assert not removed.problems
    assert set(states(store).values()) == {(True, ())}


def test_without_any_room_it_says_so_and_nothing_is_lost(full):
    store, ballast = full
    plan = preview(store, LOGS)
    try:
        done = apply(store, plan)
    except StoreError as error:
        assert "space" in str(error)  # noqa: PT017
    else:
        assert done.counts == {"logs": 3}
    ballast.unlink()
    assert all(is_removed or not damaged for is_removed, damaged in states(store).values())
    apply(store, preview(store, LOGS))
    assert set(states(store).values()) == {(True, ())}
