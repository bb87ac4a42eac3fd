"""The catalog: many processes, locks, schema, and what comes out of it."""

import csv
import io
import json
import os
import subprocess
import sys
import time

import duckdb
import pytest

import lab
from lab.app.cli.doctor import check_health
from lab.app.cli.main import main
from lab.errors import SettingError, StoreError
from lab.formats.csv import to_csv
from lab.store.migrations import MIGRATIONS
from lab.store.store import Store
from lab.store.tables import STORED_SIGHTING_COLUMNS, sighting_rows

SECONDS = float(os.environ.get("LAB_TEST_STORE_SECONDS", "60"))
WRITER = """
import sys, threading, time
from lab.store.store import Store
from lab.rules.rule import Rule
folder, who, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
print("ready", flush=True); sys.stdin.readline()  # all begin together
counts = [0, 0, 0]
def work(t):
    store, end = Store(folder), time.monotonic() + seconds
    while time.monotonic() < end:
        store.save_rule(f"{who}-{t}-{counts[t]}", Rule())
        counts[t] += 1
        assert len(store.rules()) >= counts[t]
threads = [threading.Thread(target=work, args=(t,)) for t in range(3)]
[t.start() for t in threads]; [t.join() for t in threads]
print(sum(counts))
"""


@pytest.mark.parametrize("seconds", [3.0, pytest.param(SECONDS, marks=pytest.mark.long)])
def test_four_processes_with_three_threads_lose_no_row(tmp_path, seconds):
    store = Store(tmp_path)
    assert store.rules() == []
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(i), str(seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for i in range(4)
    ]
    assert [p.stdout.readline() for p in processes] == ["ready\n"] * 4
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    written = [int(p.communicate(timeout=90 + seconds)[0]) for p in processes]
    assert [p.returncode for p in processes] == [0] * 4
    assert min(written) > 0
    assert len(store.rules()) == sum(written)


HOLDER = (
    "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); "
    "print('open', flush=True); time.sleep(60)"
)


def test_a_catalog_locked_for_long_names_the_holder(tmp_path):
    store = Store(tmp_path)
    store.save_rule("first", lab.Rule())
    store.catalog.give_up()
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(store.catalog.path)], stdout=subprocess.PIPE
    )
    try:
        holder.stdout.readline()
        impatient = Store(tmp_path)
        impatient.catalog._wait_s = 1.0
        with pytest.raises(StoreError, match=str(holder.pid)):
            impatient.rules()
    finally:
        holder.kill()
        holder.wait()
    assert [r["name"] for r in store.rules()] == ["first"]


LOCKER = """
import sys, time
from lab.store.store import Store
with Store(sys.argv[1]).catalog.transaction():
    print('open', flush=True); time.sleep(60)
"""


def test_a_transaction_of_another_process_is_waited_for_then_named(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", LOCKER, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        impatient = Store(tmp_path)
        impatient.catalog._wait_s = 0.5
        with pytest.raises(StoreError, match=rf"locked .* by process {holder.pid}"):
            impatient.rules()
    finally:
        holder.kill()
        holder.wait()


def test_a_store_of_a_newer_schema_is_refused_and_left_alone(tmp_path):
    store = Store(tmp_path)
    store.save_rule("kept", lab.Rule())
    store.catalog.give_up()
    with duckdb.connect(str(store.catalog.path)) as db:
        db.execute("INSERT INTO schema_version VALUES (99)")
    with pytest.raises(
        StoreError, match=f"schema 99, this version knows {len(MIGRATIONS)}; update"
    ):
        Store(tmp_path).rules()


def test_a_failed_transaction_leaves_nothing(tmp_path):
    store = Store(tmp_path)
    with pytest.raises(ZeroDivisionError), store.catalog.transaction() as db:
        db.execute("INSERT INTO audits VALUES ('a', '{}', now()::TIMESTAMP)")
        raise ZeroDivisionError
    with store.catalog.transaction() as db:
        assert db.execute("SELECT count(*) FROM audits").fetchone() == (0,)


def test_the_full_disk_is_one_clear_line(samples, tmp_path):
    mounted = tmp_path / "small"
    mounted.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(mounted)],
        check=False,
        capture_output=True,
    ).returncode:
        pytest.skip("cannot mount a small file system here (needs root)")
    try:
        with pytest.raises(lab.LabError, match=r"(?i)space|cannot be"):
            lab.analyze(
                samples / "nothing.mp4", labels=["person"], store=mounted / "s", progress=False
            )
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


def test_a_read_only_store_is_one_clear_line(quick_run, tmp_path):
    target = tmp_path / "ro"
    target.mkdir()
    source = str(quick_run.store.folder)
    if subprocess.run(
        ["mount", "--bind", source, str(target)], check=False, capture_output=True
    ).returncode:
        pytest.skip("cannot mount here (needs root)")
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(target)], check=True)
        with pytest.raises(StoreError, match="cannot be written"):
            Store(target).save_rule("x", lab.Rule())
    finally:
        subprocess.run(["umount", str(target)], check=True)


def test_runs_are_found_by_the_beginning_of_their_id(quick_run):
    assert quick_run.store.run(quick_run.run_id[:-3])["run_id"] == quick_run.run_id
    with pytest.raises(SettingError, match="no run 'zzz'"):
        quick_run.store.run("zzz")


def test_saving_the_same_rules_sightings_twice_keeps_one_set(quick_run):
    rule = lab.Debounce(enter_threshold=0.5)
    assert quick_run.save_sightings(rule, "=cmd()") == 2
    assert quick_run.save_sightings(rule, "=cmd()") == 2
    rows = sighting_rows(quick_run.store)
    assert len(rows) == 2
    table = list(csv.DictReader(io.StringIO(to_csv(rows, STORED_SIGHTING_COLUMNS))))
    assert table[0]["rule_name"] == "'=cmd()"
    assert float(table[0]["onset_s"]) == pytest.approx(1.6)
    assert table[0]["recipe_hash"] == quick_run.recipe_hash


def test_a_clip_with_nothing_in_it_is_a_row_of_the_effort(samples, tmp_path):
    lab.analyze(
        samples / "nothing.mp4", labels=["person"], every_s=1, store=tmp_path, progress=False
    )
    runs = lab.open_store(tmp_path).runs()
    assert runs.loc[0, "analysed_s"] == pytest.approx(8.0)
    assert runs.loc[0, "sightings"] == 0


def test_site_and_start_survive_another_look_at_the_clip(quick_run):
    from datetime import datetime

    store, media = quick_run.store, quick_run.media
    store.edit_media(
        media["media_id"], site="gate", start_utc=datetime(2026, 5, 1, 18), utc_offset_s=7200
    )
    store.add_media(lab.probe(media["path"]))
    assert store.media(media["media_id"])["site"] == "gate"


def test_the_app_and_a_notebook_use_one_store_at_once(quick_run):
    """A second process reads and writes while this one does."""
    code = (
        "import sys, lab\n"
        "store = lab.open_store(sys.argv[1])\n"
        "for i in range(10): store.store.save_rule('from the notebook', lab.Rule()); store.runs()\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(quick_run.store.folder)])
    while other.poll() is None:
        quick_run.store.rules()
        time.sleep(0.01)
    assert other.returncode == 0


@pytest.mark.long
def test_health_names_a_damaged_part(samples, tmp_path, capsys):
    run = lab.analyze(
        samples / "nothing.mp4", labels=["cat"], every_s=1, store=tmp_path, progress=False
    )
    (part,) = run.store.log_folder(run.run_id).glob("samples-*.parquet")
    part.write_bytes(part.read_bytes()[:50])
    assert "is damaged" in check_health(run.store)[0]
    assert main(["doctor", "--json", "--store", str(tmp_path)]) == 1
    assert part.name in json.dumps(json.loads(capsys.readouterr().out)["store"]["problems"])
