"""A file of the queue that cannot be used: what is said, and that no run is lost by it."""

import contextlib
import os
import sqlite3

import pytest

from lab.app.cli.main import main
from lab.errors import StoreError
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import Stamp
from tests.unprivileged import as_nobody, open_folder  # noqa: F401

PAGE = 4096
CHANGES = {
    "a table is gone": "DROP TABLE jobs",
    "a column is gone": "ALTER TABLE jobs DROP COLUMN reason",
    "a work is no JSON": "UPDATE work SET what = 'nonsense'",
    "runs are no JSON": "UPDATE jobs SET run_ids = 'nonsense' WHERE job_id = 3",
}


@pytest.fixture
def store(open_folder):  # noqa: F811
    with JobQueue(open_folder) as queue:
        queue.add("w", {"analyses": []}, [(f"/{i}.mp4", Stamp(1, 1)) for i in range(300)])
    return open_folder


def told(capsys, store, *words):
    """The exit code of `lab jobs`, and what it says on standard error."""
    code = main(["jobs", *words, "--store", str(store)])
    return code, capsys.readouterr().err


def is_set_aside(capsys, store):
    code, err = told(capsys, store)
    assert code == 0
    assert len(err.splitlines()) == 1
    assert "was damaged and is now" in err
    assert "no run is lost: start the same again" in err
    (kept,) = (store / "damaged").glob("jobs-*.sqlite")
    with JobQueue(store) as queue:
        assert queue.note is None
        assert sum(queue.counts().values()) == 0
    return kept


@pytest.mark.parametrize("length", [10, 100, PAGE, 5 * PAGE + 17])
def test_a_file_that_was_cut(store, capsys, length):
    whole = (store / "jobs.sqlite").read_bytes()
    (store / "jobs.sqlite").write_bytes(whole[:length])
    assert is_set_aside(capsys, store).read_bytes() == whole[:length]


@pytest.mark.parametrize("page", range(6))
def test_a_page_of_zeros(store, capsys, page):
    with (store / "jobs.sqlite").open("r+b") as file:
        file.seek(page * PAGE)
        file.write(bytes(PAGE))
    is_set_aside(capsys, store)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_database_that_is_no_queue(store, capsys, change):
    with contextlib.closing(sqlite3.connect(store / "jobs.sqlite")) as db, db:
        db.execute(change)
    is_set_aside(capsys, store)


@pytest.mark.parametrize("mode", ["IMMEDIATE", "EXCLUSIVE"])
def test_a_file_that_another_program_keeps(store, capsys, monkeypatch, mode):
    monkeypatch.setattr("lab.sqlite_file.BUSY_S", 0.1)
    with contextlib.closing(sqlite3.connect(store / "jobs.sqlite", isolation_level=None)) as other:
        other.execute(f"PRAGMA locking_mode = {'EXCLUSIVE' if mode == 'EXCLUSIVE' else 'NORMAL'}")
        other.execute(f"BEGIN {mode}")
        other.execute("DELETE FROM flags")
        code, err = told(capsys, store, "pause")
    assert code == 1
    assert err.splitlines() == [
        f"lab: the queue {store}/jobs.sqlite is kept by another program; try again"
    ]
    assert told(capsys, store, "pause") == (0, "")
    with JobQueue(store) as queue:
        assert queue.counts()["waiting"] == 300


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("the file", "attempt to write a readonly database; make it and its folder writable"),
        ("its folder", "it must be a file, in a folder, that you may read and write"),
        ("reading", "it must be a file, in a folder, that you may read and write"),
    ],
)
def test_a_file_that_may_not_be_written(store, what, words):
    os.chmod(store / "batches", 0o777)
    if what == "its folder":
        store.chmod(0o555)
    else:
        os.chmod(store / "jobs.sqlite", 0 if what == "reading" else 0o444)
    with as_nobody(), pytest.raises(StoreError, match=words):
        JobQueue(store).pause()
    store.chmod(0o777)
    with JobQueue(store) as queue:
        assert queue.counts()["waiting"] == 300


def test_a_folder_in_its_place(store, capsys):
    (store / "jobs.sqlite").unlink()
    (store / "jobs.sqlite").mkdir()
    code, err = told(capsys, store)
    assert code == 1
    assert len(err.splitlines()) == 1
    assert "it must be a file, in a folder, that you may read and write" in err
