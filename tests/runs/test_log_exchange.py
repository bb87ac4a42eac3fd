"""Runs that one store gives and another takes."""

import pytest

import lab
from lab.app.cli.main import main
from lab.errors import SettingError, StoreError
from lab.runs.log_exchange import pull_logs, push_logs
from lab.store.store import Store
from tests.builders import assert_same_log


@pytest.fixture
def given(analysed, samples, tmp_path):
    """A store with a run, which was given to the folder `shared`."""
    pytest.importorskip("fsspec", reason="needs the package fsspec")
    (run,) = analysed(tmp_path / "a", (samples / "cat_then_person.mp4", {}))
    assert push_logs(run.store, str(tmp_path / "shared")).done == [run.run_id]
    return run


def test_a_run_is_the_same_in_the_store_that_takes_it(given, tmp_path):
    other = Store(tmp_path / "b")
    assert pull_logs(other, str(tmp_path / "shared")).done == [given.run_id]
    taken = lab.open_store(tmp_path / "b").run(given.run_id)
    assert_same_log(taken.log, given.log)
    same = ("recipe_hash", "state", "effort", "elapsed_s", "environment",
            "default_threshold")  # fmt: skip
    assert {k: taken.row[k] for k in same} == {k: given.row[k] for k in same}
    assert taken.find() == given.find()
    again = pull_logs(other, str(tmp_path / "shared"))
    assert (again.done, again.there) == ([], [given.run_id])
    assert push_logs(given.store, str(tmp_path / "shared")).there == [given.run_id]


def test_what_is_damaged_or_not_finished_is_left_out(given, tmp_path):
    shared = tmp_path / "shared" / given.run_id
    (part,) = shared.glob("samples-*.parquet")
    part.write_bytes(part.read_bytes()[:-1] + b"x")
    found = pull_logs(Store(tmp_path / "b"), str(tmp_path / "shared"))
    assert "is not whole" in found.left_out[given.run_id]
    assert not list((tmp_path / "b" / "logs").iterdir())
    (own,) = given.store.log_folder(given.run_id).glob("samples-*.parquet")
    own.unlink()
    found = push_logs(given.store, str(tmp_path / "elsewhere"))
    assert "it is damaged" in found.left_out[given.run_id]
    assert not (tmp_path / "elsewhere").exists()


def test_the_command_line_tells_what_became_of_each(given, tmp_path, capsys):
    place, store = str(tmp_path / "shared"), str(tmp_path / "b")
    assert main(["logs", "pull", place, "--store", store]) == 0
    assert capsys.readouterr().out == "1 run taken, 0 already there\n"
    assert main(["logs", "push", place, given.run_id[:12], "--store", str(tmp_path / "a")]) == 0
    assert "1 already there" in capsys.readouterr().out
    assert main(["logs", "pull", place, "x", "--store", store]) == 2
    assert main(["logs", "pull", str(tmp_path / "none"), "--store", store]) == 1
    assert "no run at" in capsys.readouterr().err


def test_places_that_are_none(tmp_path):
    with pytest.raises(SettingError, match="s3://, gs:// or a folder"):
        push_logs(Store(tmp_path), "ftp://x/y")
    with pytest.raises(StoreError, match="no run at"):
        pull_logs(Store(tmp_path), str(tmp_path))
