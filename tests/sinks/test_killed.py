"""A process that is killed while it tells sinks: every event arrives, in its order."""

import json
import os
import random
import subprocess
import sys

import pytest

from lab.sinks.outbox import Outbox
from tests.conftest import ROOT
from tests.peers.web import Reply, serving
from tests.sinks.events import make_event

KINDS = ("opened", "alerted", "closed")
# Puts events from number `first` on, says each that was kept, and ends when all are delivered.
_TELLING = """
import sys, time
from pathlib import Path
from lab.sinks.delivery import SinkThread
from lab.sinks.make import make_sink
from lab.sinks.outbox import Outbox
from tests.sinks.test_killed import event_of
folder, url, first, total = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
named = {
    "webhook": {"url": url, "picture": "multipart", "timeout_s": 120},
    "jsonl": {"path": str(folder / "out.jsonl")},
}
threads = [
    SinkThread(name, lambda name=name: make_sink(name, named[name]),
               Outbox(folder / f"{name}.sqlite"), delays_s=(0.01, 0.05))
    for name in named
]
for one in threads:
    one.start()
for number in range(first, total):
    for one in threads:
        one.put(event_of(number))
    print(number, flush=True)
while any(one.state()["waiting"] for one in threads):
    time.sleep(0.01)
for one in threads:
    assert one.stop(30)
print("all", flush=True)
"""


def event_of(number):
    sighting, kind = divmod(number, len(KINDS))
    return make_event(KINDS[kind], f"s{sighting}", number, picture_jpeg=bytes(20_000))


def start(folder, url, first, total):
    return subprocess.Popen(
        [sys.executable, "-c", _TELLING, str(folder), url, str(first), str(total)],
        stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def tell_and_kill(folder, url, total, kills, dice):
    """Kill it so many times at any moment, and let the last one end; which numbers were kept."""
    kept = -1
    for _ in range(kills):
        process = start(folder, url, kept + 1, total)
        for _ in range(dice.randrange(1, 8)):
            line = process.stdout.readline()
            if not line.strip().isdigit():
                break
            kept = int(line)
        process.kill()
        rest = process.stdout.read().split()
        kept = max([kept, *(int(one) for one in rest if one.isdigit())])
        process.wait(60)
        process.stdout.close()
    last = start(folder, url, kept + 1, total)
    assert last.communicate(timeout=300)[0].split()[-1] == "all"


def check(folder, arrived, total, kills):
    wanted = [event_of(number).event_id for number in range(total)]
    assert set(arrived) == set(wanted)
    assert len(arrived) - len(wanted) <= kills
    first = sorted(wanted, key=arrived.index)
    for sighting in {one.split("-")[0] for one in wanted}:
        own = [one.split("-")[1] for one in first if one.split("-")[0] == sighting]
        assert own == list(KINDS)[: len(own)]
    lines = [json.loads(line)["event_id"] for line in (folder / "out.jsonl").open()]
    assert lines == wanted
    for name in ("webhook", "jsonl"):
        box = Outbox(folder / f"{name}.sqlite")
        assert (box.totals().waiting, box.totals().dropped) == (0, 0)
        assert not any(box.put(event_of(number)) for number in range(total))
        box.close()


@pytest.mark.parametrize(
    ("kills", "total"), [(2, 12), pytest.param(50, 300, marks=pytest.mark.long)]
)
def test_a_process_that_is_killed_tells_every_event_after_all(tmp_path, kills, total):
    dice, arrived = random.Random(7), []

    def answer(request):
        if dice.random() < 0.1:
            return Reply(503)
        arrived.append(request.headers["webhook-id"])
        return Reply()

    with serving(answer) as server:
        tell_and_kill(tmp_path, server.url, total, kills, dice)
    check(tmp_path, arrived, total, kills)
