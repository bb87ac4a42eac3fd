"""The catalog among several processes: kept for a burst, given up when wanted, lost by nobody."""

import os
import shutil
import signal
import threading
import time

import duckdb
import pytest

import lab
from lab.errors import StoreBusyError
from lab.store import session
from lab.store.store import Store
from tests.faults.processes import other


def names(store):
    return {row["name"] for row in store.rules()}


@pytest.fixture
def opened(monkeypatch):
    """The files that DuckDB opened."""
    files, connect = [], duckdb.connect
    monkeypatch.setattr(
        duckdb, "connect", lambda path, **k: files.append(path) or connect(path, **k)
    )
    return files


def test_a_burst_opens_the_catalog_once(tmp_path, opened):
    store = Store(tmp_path)
    store.save_rule("first", lab.Rule())
    opened.clear()
    store.catalog.give_up()
    for i in range(5):
        Store(tmp_path).save_rule(str(i), lab.Rule())
    assert names(store) == {"first", *"01234"}
    assert len(opened) == 1


def test_threads_share_one_burst(tmp_path, opened):
    Store(tmp_path).save_rule("first", lab.Rule())

    def work(who):
        for i in range(5):
            Store(tmp_path).save_rule(f"{who}-{i}", lab.Rule())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(names(Store(tmp_path))) == 21


def test_it_is_closed_when_nobody_uses_it_any_more(tmp_path):
    store = Store(tmp_path)
    store.save_rule("first", lab.Rule())
    watcher = session.session_of(tmp_path)._watcher
    watcher.join(20)
    with duckdb.connect(str(store.catalog.path)) as db:  # as no other connection of ours has it
        assert db.execute("SELECT name FROM rules").fetchall() == [("first",)]
    assert not (tmp_path / "catalog.duckdb.wal").exists()


def test_a_process_that_waits_gets_it_from_one_that_goes_on(tmp_path):
    with other(tmp_path) as busy:
        busy.do("store.save_rule('first', lab.Rule())")
        busy.tell("while True: store.save_rule('busy', lab.Rule())")
        store = Store(tmp_path)
        for i in range(5):
            store.save_rule(str(i), lab.Rule())
            store.catalog.give_up()
        assert busy.process.poll() is None
        assert names(store) >= set("01234")


def test_nothing_is_lost_when_the_holder_is_killed_in_a_burst(tmp_path):
    store = Store(tmp_path)
    for i in range(3):
        with other(tmp_path) as killed:
            killed.do(f"store.save_rule('{i}', lab.Rule())")
            killed.kill()
        assert names(store) == {str(k) for k in range(i + 1)}


def test_a_stopped_holder_is_named_and_waited_for(tmp_path):
    impatient = Store(tmp_path)
    impatient.save_rule("first", lab.Rule())
    impatient.catalog._wait_s = 0.3
    with other(tmp_path) as stopped:
        stopped.hold()
        with pytest.raises(StoreBusyError, match=rf"locked .* by process {stopped.pid}"):
            impatient.rules()
        stopped.go_on()
        assert stopped.answer() == "done"
        assert names(Store(tmp_path)) == {"first"}


def test_a_process_stopped_while_it_waits_holds_up_nobody(tmp_path):
    store = Store(tmp_path)
    store.save_rule("first", lab.Rule())
    with other(tmp_path) as waiting:
        with store.catalog.transaction():
            waiting.tell("store.rules()")
            while not session.session_of(tmp_path)._turn.is_wanted():
                time.sleep(0.01)
            os.kill(waiting.pid, signal.SIGSTOP)
        store.catalog.give_up()
        assert names(store) == {"first"}
        waiting.go_on()
        assert waiting.answer() == "done"


def test_a_fork_takes_nothing_along(tmp_path):
    store = Store(tmp_path)
    store.save_rule("of the parent", lab.Rule())
    pid = os.fork()
    if not pid:
        try:
            Store(tmp_path).save_rule("of the child", lab.Rule())
            store.catalog.give_up()
        finally:
            os._exit(0)
    store.save_rule("after the fork", lab.Rule())
    os.waitpid(pid, 0)
    assert names(store) == {"of the parent", "of the child", "after the fork"}


def test_a_fork_inside_a_transaction_leaves_it_to_the_parent(tmp_path):
    store = Store(tmp_path)
    with store.catalog.transaction() as db:
        pid = os.fork()
        if not pid:
            os._exit(0)  # as a worker does that was forked at a bad moment
        os.waitpid(pid, 0)
        db.execute("INSERT INTO audits VALUES ('a', '{}', now()::TIMESTAMP)")
    with other(tmp_path) as one:
        one.do("assert store.audits() == [{}]")


def test_a_store_that_was_deleted_and_made_again_is_opened_anew(tmp_path):
    store = Store(tmp_path / "store")
    store.save_rule("old", lab.Rule())
    shutil.rmtree(tmp_path / "store")
    assert store.rules() == []
    store.save_rule("new", lab.Rule())
    assert names(store) == {"new"}
