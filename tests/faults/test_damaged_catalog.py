"""A catalog that is damaged anywhere: said in one line, and put right from the last good copy."""

import json
import os
import random
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import duckdb
import numpy as np
import pytest

import lab
from lab.annotation import Annotation
from lab.app.cli.doctor import examine_store
from lab.app.cli.main import main
from lab.errors import StoreDamagedError, StoreError
from lab.store import backups, migrations
from lab.store.repair import repair
from lab.store.run_facts import read_run_facts
from lab.store.store import Store
from tests.builders import make_run

CATALOG = "catalog.duckdb"
WAL = "catalog.duckdb.wal"
# Leaves what it wrote in the write-ahead log, as a process does that is killed.
KILLED = (
    "import os, sys, lab; from lab.store.store import Store; "
    "[Store(sys.argv[1]).save_rule(f'last {i}', lab.Rule()) for i in range(20)]; os._exit(0)"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A store with something in most tables, a copy of it, and a write-ahead log."""
    folder = tmp_path_factory.mktemp("made")
    run = make_run(folder, np.linspace(0, 1, 50))
    run.save_sightings(lab.Debounce(enter_threshold=0.5))
    store = run.store
    media_id = run.media["media_id"]
    store.add_records(
        Annotation(media_id=media_id, label="x", start_us=i, end_us=i + 9) for i in range(200)
    )
    store.save_rule("kept", lab.Rule())
    store.catalog.make_copy()
    store.catalog.give_up()
    subprocess.run([sys.executable, "-c", KILLED, str(store.folder)], check=True)
    assert (store.folder / WAL).stat().st_size > 0
    return store.folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "store")


def everything(folder):
    """What the store says, all of it."""
    store = Store(folder)
    said = [
        store.runs(),
        store.all_media(),
        store.sightings(),
        store.all_records(),
        store.rules(),
        store.entries(),
        store.audits(),
        store.embedding_counts(),
    ]
    store.catalog.give_up()
    return said


def flip(file, position, bit):
    content = bytearray(file.read_bytes())
    content[position] ^= 1 << bit
    file.write_bytes(content)


@pytest.mark.long
def test_a_bit_that_flips_anywhere_is_one_line_that_names_the_copy(made, tmp_path):
    dice = random.Random(3)
    whole = everything(shutil.copytree(made, tmp_path / "whole"))
    copy = backups.copies(made)[0].name
    damaged = 0
    for number in range(48):
        name = WAL if number % 4 == 0 else CATALOG
        folder = shutil.copytree(made, tmp_path / str(number))
        size = (folder / name).stat().st_size
        # A third of them in the headers.
        position = dice.randrange(12288 if number % 3 == 0 and name == CATALOG else size)
        flip(folder / name, position, dice.randrange(8))
        try:
            found = everything(folder)
        except StoreDamagedError as error:
            damaged += 1
            text = str(error)
            assert f"the catalog of {folder} is damaged; the last good copy is" in text
            assert copy in text
            assert "\n" not in text
        else:
            if name == WAL:  # an entry's length: as if the process was killed while writing it
                left, all_rules = found.pop(4), whole[4]
                assert left == all_rules[len(all_rules) - len(left) :]
                found.insert(4, all_rules)
            assert found == whole, (name, position)
        shutil.rmtree(folder)
    assert damaged > 30


@pytest.mark.parametrize("name", ["truncated", "empty", "text", "folder"])
def test_a_file_that_is_no_catalog_is_one_line_and_is_put_right(folder, capsys, name):
    file = folder / CATALOG
    if name == "folder":
        file.unlink()
        file.mkdir()
    else:
        content = {"truncated": file.read_bytes()[:300_000], "empty": b"", "text": b"notes\n" * 99}
        file.write_bytes(content[name])
    assert main(["export", "sightings", "--store", str(folder)]) == 1
    said = capsys.readouterr().err
    assert said.startswith("lab: the catalog of")
    assert said.count("\n") == 1
    assert "is damaged" in examine_store(Store(folder))["problems"][0]
    assert "restored the copy of" in " ".join(repair(Store(folder)))
    assert examine_store(Store(folder))["problems"] == []
    assert {r["name"] for r in Store(folder).rules()} == {"kept"}
    assert len(Store(folder).annotations()) == 200
    assert len(list((folder / "damaged").glob(f"*/{CATALOG}"))) == 1


def test_the_command_line_says_what_is_damaged_and_repairs_it(folder, capsys):
    (folder / CATALOG).write_bytes(b"notes")
    assert main(["doctor", "--json", "--store", str(folder)]) == 1
    said = json.loads(capsys.readouterr().out)["store"]["problems"]
    assert len(said) == 1
    assert "is damaged" in said[0]
    assert main(["doctor", "--repair", "--store", str(folder)]) == 0
    assert "repair: restored the copy of" in capsys.readouterr().out


def test_damage_that_shows_while_it_is_in_use_is_the_same_line(folder):
    store = Store(folder)
    for error in (duckdb.InternalException, duckdb.FatalException, duckdb.SerializationException):
        with pytest.raises(StoreDamagedError, match="is damaged"), store.catalog.transaction():
            raise error("INTERNAL Error: block pointer\nstack trace:\n...")
    assert {"kept"} <= {r["name"] for r in store.rules()}  # opened anew


@pytest.mark.parametrize(
    "text", ["IO Error: no lock on block file", "IO Error: Could not read enough bytes from block"]
)
def test_a_block_is_not_a_lock(folder, monkeypatch, text):
    def connect(*given, **options):
        raise duckdb.IOException(text)

    monkeypatch.setattr(duckdb, "connect", connect)
    with pytest.raises(StoreDamagedError, match="is damaged"):
        Store(folder).rules()


def test_runs_of_after_the_copy_are_found_again(folder, tmp_path):
    store = Store(folder)
    (first,) = store.runs()
    later = make_run(tmp_path, np.linspace(0, 1, 20), name="another clip")
    stopped = make_run(tmp_path, np.linspace(0, 1, 30), name="a third", label="y")
    (store.log_folder(stopped.run_id) / "outcome.json").unlink()
    before = {r["run_id"]: r for r in store.runs()}
    store.catalog.give_up()
    (folder / CATALOG).write_bytes(b"")
    said = "\n".join(repair(Store(folder)))
    assert "found again from their logs: 2 runs" in said
    assert "sightings, annotations" in said
    after = {r["run_id"]: r for r in Store(folder).runs()}
    assert after[first["run_id"]] == before[first["run_id"]]
    kept, was = after[later.run_id], before[later.run_id]
    for name in was:
        if name in ("created_utc", "finished_utc"):  # beside the log they are noted a moment before
            assert abs(kept[name] - was[name]) < timedelta(minutes=1), name
        else:
            assert kept[name] == was[name], name
    assert after[stopped.run_id]["state"] == "interrupted"
    found = lab.open_store(folder).run(later.run_id)
    assert found.media["duration_s"] == later.media["duration_s"]
    assert np.array_equal(found.log.pts_us, later.log.pts_us)


def test_a_run_that_was_gone_on_with_after_the_copy_is_done(folder):
    store = Store(folder)
    (run,) = store.runs()
    store.set_run_state(run["run_id"], "cancelled")
    with store.catalog.transaction() as db:
        db.execute("UPDATE runs SET finished_utc = finished_utc - INTERVAL 1 DAY")
    store.catalog.make_copy()
    store.catalog.give_up()
    (folder / CATALOG).write_bytes(b"")
    repair(Store(folder))
    assert [r["state"] for r in Store(folder).runs()] == ["done"]


def test_a_store_without_a_copy_is_made_of_its_logs(folder):
    shutil.rmtree(folder / "backups")
    before = Store(folder).runs()
    Store(folder).catalog.give_up()
    for file in (folder / CATALOG, folder / WAL):
        file.unlink(missing_ok=True)
    shutil.rmtree(folder / "backups")
    assert "(the file is missing)" in examine_store(Store(folder))["problems"][0]
    assert "there was no copy to restore" in " ".join(repair(Store(folder)))
    assert [r["run_id"] for r in Store(folder).runs()] == [r["run_id"] for r in before]


def test_a_copy_that_cannot_be_read_is_passed_over(folder):
    store = Store(folder)
    store.save_rule("newer", lab.Rule())
    newest = store.catalog.make_copy()
    store.catalog.give_up()
    (newest / "rules.parquet").write_bytes(b"no")
    (folder / CATALOG).write_bytes(b"")
    assert f"the copy {newest} cannot be read" in " ".join(repair(Store(folder)))
    assert {r["name"] for r in Store(folder).rules()} == {"kept"}


def test_a_whole_catalog_is_left_as_it_is(folder):
    before = everything(folder)
    assert repair(Store(folder)) == ["the catalog is whole"]
    assert everything(folder) == before


# when copies are made


def age(path, days):
    then = time.time() - days * 86400
    os.utime(path, (then, then))


def test_a_copy_is_made_once_a_day_and_kept_a_week(folder):
    for days in (3, 6, 8, 30):
        name = (datetime.now(UTC) - timedelta(days=days)).strftime("%Y%m%d-%H%M%S")
        (folder / "backups" / name).mkdir()
    before = (datetime.now(UTC) - timedelta(days=2)).strftime("%Y%m%d-%H%M%S")
    backups.copies(folder)[0].rename(folder / "backups" / before)
    age(folder / "backups", 2)
    for _ in range(3):
        Store(folder).rules()
        Store(folder).catalog.give_up()
    ages = [(datetime.now(UTC) - backups.copied_at(c)).days for c in backups.copies(folder)]
    assert ages == [0, 2, 3, 6]
    names = {f.stem for f in backups.copies(folder)[0].iterdir()}
    assert {"runs", "media", "sightings", "annotations", "schema"} <= names


def test_a_fresh_store_has_no_copy_of_nothing(tmp_path):
    for _ in range(2):
        Store(tmp_path).save_rule("x", lab.Rule())
        Store(tmp_path).catalog.give_up()
    assert backups.copies(tmp_path) == []


def test_the_first_copy_is_made_minutes_after_the_store_and_at_once_when_asked(tmp_path):
    store = Store(tmp_path)
    store.save_rule("x", lab.Rule())
    store.catalog.give_up()
    age(tmp_path / "backups", 0.02)
    assert len(Store(tmp_path).rules()) == 1
    assert len(backups.copies(tmp_path)) == 1
    other = Store(tmp_path / "other")
    other.save_rule("x", lab.Rule())
    assert other.catalog.make_copy(if_older_s=3600) is not None  # as the app does at its start
    assert other.catalog.make_copy(if_older_s=3600) is None


def test_what_a_repair_needs_of_a_run_is_written_again(folder):
    (run,) = Store(folder).runs()
    facts = Store(folder).log_folder(run["run_id"]) / "run.json"
    before, whole = facts.read_text(), read_run_facts(facts.parent)
    whole["created_utc"] = run["created_utc"]
    for damage in (None, before.replace("media_id", "media_di"), before.replace("clip", "clop")):
        facts.unlink() if damage is None else facts.write_text(damage)
        assert "run.json of 1 runs was missing" in " ".join(examine_store(Store(folder))["notes"])
        assert read_run_facts(facts.parent) == whole
    assert "run.json" not in " ".join(examine_store(Store(folder))["notes"])


def test_a_copy_is_made_before_a_migration_and_none_without_it(folder, monkeypatch):
    shutil.rmtree(folder / "backups")
    (folder / "backups").mkdir()
    add = "CREATE TABLE later (x INTEGER)"
    known = [*migrations.MIGRATIONS, lambda connection: connection.execute(add)]
    monkeypatch.setattr("lab.store.catalog.MIGRATIONS", known)
    monkeypatch.setattr(migrations, "MIGRATIONS", known)
    (folder / "backups").rename(folder / "aside")
    (folder / "backups").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot be used|is a file"):
        Store(folder).rules()
    (folder / "backups").unlink()
    (folder / "aside").rename(folder / "backups")
    assert Store(folder).catalog.rows("SELECT * FROM later") == []
    (copy,) = backups.copies(folder)
    with duckdb.connect() as db:
        backups.read_copy(db, copy)
        assert db.execute("SELECT max(version) FROM schema_version").fetchone() == (len(known) - 1,)
        assert db.execute("SELECT count(*) FROM annotations").fetchone() == (200,)


def test_a_copy_that_was_broken_off_counts_as_none(folder):
    left = folder / "backups" / "20260101-000000.part"
    left.mkdir()
    assert len(backups.copies(folder)) == 1
    Store(folder).catalog.make_copy()
    assert not left.exists()


def test_doctor_names_the_last_copy(folder):
    assert backups.copies(folder)[0].name in examine_store(Store(folder))["last copy"]
