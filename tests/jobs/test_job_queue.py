"""The durable queue: states, leases, retries, and a damaged file."""

import pytest

from lab.errors import NotFoundError, SettingError, StoreDamagedError, StoreError
from lab.jobs.queue.job_queue import LEASE_S, JobQueue
from lab.jobs.queue.queued_job import Stamp


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def opened(tmp_path, clock):
    """opened() gives another view of the same queue, as another process has."""
    made = []

    def make():
        made.append(JobQueue(tmp_path, clock=clock))
        return made[-1]

    yield make
    for queue in made:
        queue.close()


def add(queue, *names, work="w", **options):
    queue.add(work, {"analyses": []}, [(name, Stamp(1, 1)) for name in names], **options)


def states(queue):
    return {one.path: one.state for one in queue.jobs()}


def test_jobs_are_claimed_once_by_priority_and_in_order(opened):
    one, two = opened(), opened()
    add(one, "a", "b")
    add(one, "c", priority=5)
    add(two, "a", "b", "c", priority=0)
    assert two.claim().path == "a"  # the last to add says the priority
    two.set_priority([3], 5)
    assert one.claim().path == "c"
    assert two.claim().path == "b"
    assert one.claim() is None
    assert two.counts() == {"waiting": 0, "running": 3, "done": 0, "failed": 0, "cancelled": 0}


@pytest.mark.parametrize("priority", [10**6 + 1, -(10**6) - 1, 10**20])
def test_a_priority_has_bounds(opened, priority):
    queue = opened()
    add(queue, "a", priority=10**6)
    with pytest.raises(SettingError, match=f"from -1000000 to 1000000, got {priority}"):
        queue.set_priority([1], priority)
    with pytest.raises(SettingError, match="a priority must be"):
        add(queue, "b", priority=priority)
    assert [(one.path, one.priority) for one in queue.jobs()] == [("a", 10**6)]


@pytest.mark.parametrize("job_id", [7, 2**63, 10**23, -(10**23)])
def test_a_job_that_is_not_there_is_named_as_it_was(opened, job_id):
    with pytest.raises(NotFoundError, match=f"the queue has no job {job_id};"):
        opened().cancel([job_id])


def test_only_what_was_named_is_claimed(opened):
    one, two = opened(), opened()
    add(one, "a")
    add(two, "b")
    assert (two.claim().path, two.claim()) == ("b", None)


def test_a_job_of_an_owner_that_ended_waits_again_at_once(opened):
    one, two = opened(), opened()
    add(one, "a")
    add(two, "a")
    one.claim()
    two.free_the_dead()
    assert two.claim() is None
    one._owner._held.release()  # as the end of its process does
    two.free_the_dead()
    assert two.claim().claims == 2
    assert not one.finish(1, "done")
    assert one.beat({1: (0, None, None)}) == ({1}, set())
    assert two.finish(1, "done", run_ids=["r"])


def test_a_lease_that_is_not_renewed_runs_out(opened, clock):
    one, two = opened(), opened()
    add(one, "a")
    add(two, "a")
    one.claim()
    clock.now += LEASE_S - 1
    one.beat({1: (3, 9, 1.0)})
    clock.now += LEASE_S - 1
    two.beat({})
    assert states(two) == {"a": "running"}
    clock.now += 2
    two.beat({})
    assert states(two) == {"a": "waiting"}


def test_what_may_pass_is_tried_after_2_4_and_8_seconds(opened, clock):
    queue = opened()
    add(queue, "a")
    waits = []
    while (job := queue.claim()) is not None:
        queue.fail_for_now(job, "the worker was killed", 0.1)
        now = queue.jobs()[0]
        waits.append(now.not_before - clock.now)
        if now.state == "failed":
            break
        assert queue.claim() is None
        clock.now = now.not_before
    assert waits[:3] == [2, 4, 8]
    assert queue.jobs()[0].reason == "the worker was killed (tried 4 times)"
    assert queue.retry() == 1
    assert queue.claim().tries == 0


def test_added_again_the_failed_and_the_changed_wait_and_the_rest_stays(opened):
    queue = opened()
    add(queue, "failed", "done", "changed", "waits")
    for state in ("failed", "done", "done"):
        queue.finish(queue.claim().job_id, state, run_ids=["r"])
    again = opened()
    again.add("w", {}, [("failed", Stamp(1, 1)), ("done", Stamp(1, 1)), ("changed", Stamp(2, 2)),
                        ("waits", Stamp(1, 1)), ("new", Stamp(1, 1))])  # fmt: skip
    assert states(again) == {
        "failed": "waiting", "done": "done", "changed": "waiting", "waits": "waiting",
        "new": "waiting",
    }  # fmt: skip
    assert [one.was_there for one in again.jobs("path = 'done'")] == [True]
    again.redo_unless({"r"})
    assert states(again)["done"] == "done"
    again.redo_unless({"other"})
    assert states(again)["done"] == "waiting"


def test_the_same_video_is_not_taken_by_two(opened):
    one, two = opened(), opened()
    add(one, "a", "copy of a")
    add(two, "a", "copy of a")
    first, second = one.claim(), two.claim()
    assert one.take_media(first.job_id, "m")
    assert not two.take_media(second.job_id, "m")
    two.put_back(second)
    one.finish(first.job_id, "done", run_ids=["r"])
    again = two.claim()
    assert two.take_media(again.job_id, "m")
    assert two.same_media(again.job_id, "m") == "a"


def test_pause_go_on_and_cancel(opened):
    queue, other = opened(), opened()
    add(queue, "a", "b", "c")
    job = queue.claim()
    other.pause()
    assert queue.is_paused
    assert queue.claim() is None
    other.go_on()
    assert other.cancel([job.job_id, 2]) == 2
    assert queue.beat({job.job_id: (1, 2, None)}) == (set(), {job.job_id})
    queue.put_back(job)
    assert states(queue) == {"a": "cancelled", "b": "cancelled", "c": "waiting"}
    with pytest.raises(NotFoundError, match="no job 9"):
        other.cancel([9])
    assert other.retry([1]) == 1
    assert queue.claim().path == "a"


@pytest.mark.parametrize("damage", ["text", "middle", "empty"])
def test_a_damaged_file_is_moved_aside_and_that_is_said(opened, tmp_path, damage):
    queue = opened()
    add(queue, *map(str, range(300)))
    queue.close()
    file = tmp_path / "jobs.sqlite"
    data = bytearray(file.read_bytes())
    if damage == "middle":
        data[4096 : 4096 * 3] = bytes(8192)
    file.write_bytes({"text": b"x" * 9000, "middle": bytes(data), "empty": b""}[damage])
    again = opened()
    add(again, "a")
    assert states(again) == {"a": "waiting"}
    if damage != "empty":  # which is how a new queue begins
        assert "was damaged and is now" in again.note
        assert "no run is lost" in again.note
        assert len(list((tmp_path / "damaged").glob("jobs-*.sqlite"))) == 1


def test_damage_while_it_is_open_and_a_newer_version_are_told(opened, tmp_path):
    queue = opened()
    add(queue, *map(str, range(300)))
    queue._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    queue._db.execute("PRAGMA user_version = 9")
    with pytest.raises(StoreError, match="newer version"):
        JobQueue(tmp_path)
    file = tmp_path / "jobs.sqlite"
    queue._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    queue._db.execute("PRAGMA cache_size = 0")
    data = file.read_bytes()
    with file.open("r+b") as opened_file:
        opened_file.seek(4096)
        opened_file.write(b"\xff" * (len(data) - 4096))
    with pytest.raises(StoreDamagedError, match="no run is lost"):
        for _ in range(3):
            add(queue, *map(str, range(300)))
            queue.jobs()


def test_fifty_thousand_clips_are_queued_in_one_transaction(opened):
    queue = opened()
    begun = []
    queue._db.set_trace_callback(lambda sql: begun.append(sql) if "BEGIN" in sql else None)
    add(queue, *(f"/clips/{i:05}.mp4" for i in range(50_000)))
    assert len(begun) == 1
    assert queue.counts()["waiting"] == 50_000
    assert queue.claim().path == "/clips/00000.mp4"


def test_the_number_of_a_job_is_never_another_ones(opened):
    queue = opened()
    add(queue, "a", "b")
    (_, last) = queue.jobs()
    queue.take_off([last.job_id])
    assert last.path not in states(queue)
    add(queue, "c")
    with pytest.raises(NotFoundError):
        queue.check_known([last.job_id])
    queue.take_off([one.job_id for one in queue.jobs()])
    add(opened(), "d")
    assert queue.jobs()[0].job_id > last.job_id + 1
