"""A store that cannot be written: all of it can be read, and one line says what cannot be done."""

import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest

import lab
from lab.annotation import Annotation, Coverage
from lab.app.cli.doctor import examine_store
from lab.app.cli.main import main
from lab.app.server import state
from lab.errors import StoreReadOnlyError
from lab.store.store import Store
from tests.builders import make_run
from tests.faults.processes import other
from tests.pages.test_pages import PAGES, show

ONE_LINE = "cannot be written (Read-only file system)"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with a run, sightings and annotations."""
    run = make_run(tmp_path_factory.mktemp("made"), np.linspace(0, 1, 50))
    run.save_sightings(lab.Debounce(enter_threshold=0.5))
    media_id = run.media["media_id"]
    run.store.add_records(
        [
            Annotation(media_id=media_id, label="x", start_us=5_000_000, end_us=10_000_000),
            Coverage(media_id=media_id, label="x", start_us=0, end_us=10_000_000),
        ]
    )
    run.store.catalog.give_up()
    return run


@pytest.fixture(scope="module")
def mounted(made, tmp_path_factory):
    """The same store on a file system that is mounted to be read."""
    target = tmp_path_factory.mktemp("mounted")
    command = ["mount", "--bind", str(made.store.folder), str(target)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("cannot mount here (needs root)")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(target)], check=True)
        yield target
    finally:
        subprocess.run(["umount", str(target)], check=True)


@pytest.mark.parametrize(
    "command",
    [
        ["sightings", "RUN", "--enter-threshold", "0.5"],
        ["export", "sightings"],
        ["export", "effort"],
        ["evaluate", "RUN", "--enter-threshold", "0.5"],
        ["experiments"],
    ],
)
def test_what_reads_says_what_it_says_of_any_store(made, mounted, capsys, command):
    words = [made.run_id if word == "RUN" else word for word in command]
    assert main([*words, "--store", str(made.store.folder)]) == 0
    said = capsys.readouterr()
    assert main([*words, "--store", str(mounted)]) == 0
    assert capsys.readouterr() == said
    assert said.out


@pytest.mark.long
def test_the_pages_show_it_with_one_line_about_what_cannot_be_done(made, mounted, monkeypatch):
    monkeypatch.setenv("LAB_STORE", str(mounted))
    state.app_state.cache_clear()
    try:
        for name in PAGES:
            page = show(name, **({"run": made.run_id} if name == "review" else {}))
            assert not page.exception, name
            assert not page.error, name
            if name == "home":  # of the others, only the page itself is run here
                assert "can be read, but not changed" in page.warning[0].value
    finally:
        state.app_state().close()
        state.app_state.cache_clear()


def test_doctor_says_that_it_cannot_be_written(mounted):
    section = examine_store(Store(mounted))
    assert section["problems"] == []
    assert section["runs"] == 1
    assert "can be read, but not changed" in section["state"]


@pytest.mark.parametrize(
    "command",
    [["sightings", "RUN", "--enter-threshold", "0.5", "--save"], ["doctor", "--repair"]],
)
def test_what_writes_is_one_line(made, mounted, capsys, command):
    words = [made.run_id if word == "RUN" else word for word in command]
    assert main([*words, "--store", str(mounted)]) == 1
    said = capsys.readouterr().err
    assert ONE_LINE in said
    assert said.count("\n") == 1


def test_what_a_killed_process_left_in_the_write_ahead_log_is_read(tmp_path):
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        with other(folder) as killed:
            killed.do("store.save_rule('last', lab.Rule())")
            killed.kill()
        assert (folder / "catalog.duckdb.wal").exists()
        seen_by_nobody(folder, "assert [r['name'] for r in store.rules()] == ['last']")
    finally:
        shutil.rmtree(folder)


def test_a_store_of_another_user_can_be_read(made):
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    try:
        shutil.copytree(made.store.folder, folder / "store")
        seen_by_nobody(
            folder,
            "store = Store(str(store.folder / 'store')); assert len(store.runs()) == 1; "
            "assert len(store.sightings()) == 1; assert len(store.all_records()[0]) == 1; "
            "assert store.embedding_counts() == {}; assert len(store.entries()) <= 1",
        )
    finally:
        shutil.rmtree(folder)


def seen_by_nobody(folder, line):
    """Run a line over the store as a user who may only read it."""
    if os.getuid() != 0:
        pytest.skip("becoming another user needs root")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    with other(folder) as one:
        one.do("os.seteuid(65534)")
        one.do(line)
        one.do("assert error_of(store.save_rule, 'x', lab.Rule()) == 'StoreReadOnlyError'")


def test_an_old_schema_that_cannot_be_brought_up_to_date_says_so(mounted, monkeypatch):
    monkeypatch.setattr("lab.store.catalog.MIGRATIONS", [None] * 99)
    with pytest.raises(StoreReadOnlyError, match="cannot be written here; copy it"):
        Store(mounted).rules()
