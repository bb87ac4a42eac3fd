"""What a sink was not told yet is kept on disk."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time

import pytest

from lab.errors import StoreError
from lab.sinks.outbox import Outbox, outbox_path
from tests.conftest import ROOT
from tests.sinks.events import make_event, make_jpeg


@pytest.fixture
def path(tmp_path):
    return tmp_path / "outbox" / "webhook.sqlite"


def soon():
    return time.monotonic() + 1000


def test_an_event_is_kept_with_its_pictures_until_it_was_delivered(path):
    event = make_event(picture_jpeg=make_jpeg(), plain_jpeg=make_jpeg(grey=20))
    first = Outbox(path)
    assert first.due() is None
    assert first.put(event)
    first.close()
    again = Outbox(path)
    assert again.due().event == event
    again.delivered(event.event_id)
    assert again.due() is None
    assert again.totals().delivered == 1
    assert again.totals().last_delivery_at == pytest.approx(time.time(), abs=60)


def test_an_event_that_was_put_before_is_not_taken_again_also_after_it_was_delivered(path):
    box, event = Outbox(path), make_event()
    assert box.put(event)
    assert not box.put(event)
    box.delivered(event.event_id)
    assert not box.put(event)
    box.close()
    assert not Outbox(path).put(event)


def test_an_event_that_failed_holds_back_those_of_its_sighting_alone(path):
    box = Outbox(path)
    for event in (make_event("opened", "a"), make_event("closed", "a"), make_event("opened", "b")):
        box.put(event)
    box.failed("a-opened-1", "no route", soon())
    assert box.due(in_order=True) is None
    assert box.due().event_id == "b-opened-1"
    box.delivered("b-opened-1")
    assert box.due() is None
    assert 900 < box.next_due_s() <= 1000
    box.close()
    again = Outbox(path)  # after a restart all is due at once, in order, with its tries
    assert (again.due().event_id, again.due().tries) == ("a-opened-1", 1)
    again.refused("a-opened-1")
    assert again.due().event_id == "a-closed-1"
    assert again.totals().failed == 1


_PUTTING = """
import sys
from pathlib import Path
from lab.sinks.outbox import Outbox
from tests.sinks.events import make_event
box = Outbox(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
print(sum(box.put(make_event(sighting=f"s{number}")) for number in range(60)), flush=True)
"""


def test_two_processes_that_put_into_one_file_lose_nothing_and_keep_nothing_twice(path):
    Outbox(path).close()
    both = [
        subprocess.Popen(
            [sys.executable, "-c", _PUTTING, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [one.stdout.readline() for one in both] == ["ready\n"] * 2
    for one in both:
        one.stdin.write("\n")
        one.stdin.flush()
    assert sum(int(one.communicate(timeout=120)[0]) for one in both) == 60
    box = Outbox(path)
    assert box.totals().waiting == 60


def test_past_its_limits_the_oldest_go_and_are_counted(path):
    box = Outbox(path, max_items=3)
    for n in range(5):
        box.put(make_event(sighting=f"s{n}"))
    assert box.due().event_id == "s2-alerted-1"
    assert (box.totals().waiting, box.totals().dropped) == (3, 2)
    assert not box.put(make_event(sighting="s0"))
    box.close()
    jpeg = make_jpeg()
    small = Outbox(path, max_bytes=4 * len(jpeg))
    for n in range(5, 10):
        small.put(make_event(sighting=f"s{n}", picture_jpeg=jpeg))
    assert small.totals().waiting < 4
    assert small.totals().waiting + small.totals().dropped == 10


@pytest.mark.parametrize("how", ["no database", "another's tables", "bytes in the middle"])
def test_a_damaged_file_is_set_aside_and_begun_anew_and_said(path, how, caplog):
    box = Outbox(path)
    for n in range(200):
        box.put(make_event(sighting=f"s{n}"))
    box.close()
    if how == "no database":
        path.write_bytes(b"not a database" * 1000)
    elif how == "another's tables":
        with sqlite3.connect(path) as db:
            db.execute("DROP TABLE known")
        db.close()
    else:
        content = bytearray(path.read_bytes())
        content[4096:60_000] = b"\xff" * (60_000 - 4096)
        path.write_bytes(content)
    again = Outbox(path)
    assert again.put(make_event(sighting="new"))
    assert again.due().event_id == "new-alerted-1"
    (aside,) = path.parent.glob("webhook.damaged-*.sqlite")
    assert aside.name in again.note
    assert "was damaged" in caplog.text


def test_damage_that_is_found_while_it_is_in_use_loses_nothing_that_comes_after(path):
    box = Outbox(path)
    for n in range(50):
        box.put(make_event(sighting=f"s{n}"))
    path.with_name("webhook.sqlite-wal").unlink()
    path.write_bytes(b"overwritten " * 2000)
    assert box.put(make_event(sighting="new"))
    assert box.due() is not None
    box.close()


def test_a_file_of_a_newer_version_is_left_as_it_is(path):
    Outbox(path).close()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 9")
    db.close()
    with pytest.raises(StoreError, match=r"newer version \(9, here 1\)"):
        Outbox(path)
    assert not list(path.parent.glob("*damaged*"))


def test_a_full_disk_is_an_error_and_nothing_is_half_written(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("cannot mount here (needs root)")
    try:
        box = Outbox(disk / "webhook.sqlite")
        box.put(make_event(sighting="first"))
        free = shutil.disk_usage(disk).free
        (disk / "ballast").write_bytes(b"\0" * max(0, free - 8192))
        with pytest.raises(StoreError, match="cannot be written"):
            box.put(make_event(sighting="second", picture_jpeg=b"\xff" * 100_000))
        assert box.totals().waiting == 1
        (disk / "ballast").unlink()
        assert box.put(make_event(sighting="second"))
        assert box.due().event_id == "first-alerted-1"
        box.close()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_any_name_of_a_sink_has_a_file_inside_the_folder(tmp_path):
    for name in ("../../etc", "a/b", "..", "türkis", "x" * 500):
        assert outbox_path(tmp_path, name).parent == tmp_path
        Outbox(outbox_path(tmp_path, name)).close()
