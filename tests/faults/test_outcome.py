"""An analysis that ends while another process has the catalog: it waits, and nothing is lost."""

import json

import pytest

from lab.store.store import Store
from tests.faults.processes import other

# Analyses ten frames, and asks before it ends.
ANALYSIS = """
import sys
import lab
from lab.store.store import Store
from tests.builders import ListSource, ScriptedDetector, make_detections, make_frame
store = Store(sys.argv[1])
store.catalog._wait_s = 0.3
found = make_detections(("x", 0.9, (1, 1, 9, 9)))
def report(progress):
    if progress.samples == 10 and not asked:
        asked.append(True)
        print("ready", flush=True)
        sys.stdin.readline()
asked = []
source = ListSource([make_frame(i, i * 200_000) for i in range(10)])
run = lab.analyze(source, detector=ScriptedDetector([found] * 10), every_s=0, store=store,
                  progress=report)
print(run.run_id, run.state, flush=True)
"""


@pytest.fixture
def ended(tmp_path):
    """An analysis that has ended and waits for the process that has the catalog."""
    Store(tmp_path).audits()
    with other(tmp_path, ANALYSIS) as analysis, other(tmp_path) as holder:
        holder.hold()
        analysis.tell("")
        said = analysis.process.stderr.readline()
        yield analysis, holder, said


def test_it_says_that_it_waits_and_then_is_done(tmp_path, ended):
    analysis, holder, said = ended
    assert "waiting for the store" in said
    assert f"process {holder.pid}" in said
    assert said.count("\n") == 1
    holder.go_on()
    run_id, state = analysis.answer().split()
    assert state == "done"
    assert [r["state"] for r in Store(tmp_path).runs()] == ["done"]
    assert json.loads((tmp_path / "logs" / run_id / "outcome.json").read_text())["state"] == "done"


def test_killed_while_it_waits_it_is_done_all_the_same(tmp_path, ended):
    analysis, holder, _ = ended
    analysis.kill()
    holder.go_on()
    assert holder.answer() == "done"
    (run,) = Store(tmp_path).runs()
    assert run["state"] == "done"
    assert run["effort"]["samples"] == 10
    assert run["elapsed_s"] > 0
    assert run["finished_utc"] is not None
    assert Store(tmp_path).runs() == [run]
