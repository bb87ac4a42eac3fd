"""Processes that are killed while they make, write, copy and close the catalog."""

import random
import time

import pytest

import lab
from lab.store import backups
from lab.store.repair import damage_of
from lab.store.store import Store
from tests.faults.processes import other

# Says what is committed; copies, and closes so that the write-ahead log is written in.
WRITER = """
import sys
import lab
from lab.store.store import Store
print("ready", flush=True)
sys.stdin.readline()
store = Store(sys.argv[1])
for i in range(100_000):
    store.save_rule(f"{sys.argv[1][-1]}{i}", lab.Rule())
    print(i, flush=True)
    if i % 5 == 4:
        store.catalog.make_copy()
    if i % 3 == 2:
        store.catalog.give_up()
"""


@pytest.mark.parametrize("kills", [4, pytest.param(60, marks=pytest.mark.long)])
def test_what_was_committed_is_there_after_every_kill(tmp_path, kills):
    dice = random.Random(5)
    for number in range(kills):
        folder = tmp_path / f"{number // 3}"  # a new one each third time
        with other(folder, WRITER) as writer:
            writer.tell("")
            time.sleep(dice.choice([dice.uniform(0, 0.1), dice.uniform(0.1, 0.6)]))
            writer.kill()
            said = [line for line in writer.process.stdout.read().split("\n")[:-1] if line]
        store = Store(folder)
        assert damage_of(store) is None
        kept = {row["name"] for row in store.rules()}
        assert {f"{folder.name[-1]}{line}" for line in said} <= kept
        assert all((copy / "schema.sql").exists() for copy in backups.copies(folder))
        store.save_rule("goes on", lab.Rule())
        store.catalog.give_up()
