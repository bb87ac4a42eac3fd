"""Many feeds in one process: they start in turn, within its limits, and end together."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from lab.feeds.status import read_status
from lab.score_log.seal import LogState, log_state
from lab.store.store import Store
from lab.video.live.turns import Turn
from tests.conftest import ROOT
from tests.feeds.lamp import RULE, Command, wait_for


@pytest.fixture
def clip(tmp_path):
    """Three minutes at a frame a second, bright in turn."""
    path = tmp_path / "clip.mp4"
    chance = np.random.default_rng(1)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=1, options={"g": "10", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(180):
            image = chance.integers(0, 30, (120, 160, 3), np.uint8) + (number // 6 % 2) * 200
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image.astype(np.uint8), "bgr24")))
        out.mux(stream.encode())
    return path


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc to find readers")
@pytest.mark.parametrize("count", [3, pytest.param(30, marks=pytest.mark.long)])
def test_many_feeds_all_come_to_be_live_and_end_with_whole_logs(clip, tmp_path, count):
    store, file = Store(tmp_path / "store"), tmp_path / "feeds.json"
    names = [f"feed-{number}" for number in range(count)]
    one = {
        "source": {"type": "file", "path": str(clip)},
        "detector": {"type": "visual", "labels": ["brightness"]},
        "every_s": 1,
        "debounce": RULE,
        "sinks": [],
    }
    file.write_text(json.dumps({"feeds": [{"id": name, **one} for name in names]}))

    def feeds():
        return (read_status(store.folder) or {"feeds": {}})["feeds"]

    def are_live():
        found = feeds()
        return list(found) == names and all(
            feed["state"] == "live" and feed["analysed"] for feed in found.values()
        )

    with Command("watch", file, "--store", store.folder) as command:
        wait_for(are_live, f"all of them; {[one['state'] for one in feeds().values()]}")
        assert {feed["reconnects"] for feed in feeds().values()} == {0}
        readers = children(command.process.pid)
        assert len(readers) == count
        assert command.end(signal.SIGTERM) == 0, command.said
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in readers), "their end")
    assert [row["state"] for row in store.runs()] == ["cancelled"] * count
    assert {row["environment"]["feed"] for row in store.runs()} == set(names)
    for row in store.runs():
        assert log_state(store.log_folder(row["run_id"]), row["run_id"]) == LogState((), True)
    assert not [one for one in store.sightings() if one["close_reason"] == "open"]


def children(pid):
    """The processes that a process started, from whichever of its threads."""
    files = Path(f"/proc/{pid}/task").glob("*/children")
    return {int(child) for file in files for child in file.read_text().split()}


def test_a_turn_is_given_when_another_one_ends_and_not_to_whom_does_not_want_it(monkeypatch):
    monkeypatch.setattr(Turn, "_free", threading.Semaphore(1))
    first, second, third = Turn(), Turn(), Turn()
    waits = []
    assert first.take(lambda: True, lambda: waits.append(1))
    assert not second.take(lambda: False, lambda: waits.append(2))
    first.release()
    first.release()
    assert third.take(lambda: True, lambda: waits.append(3))
    assert not Turn().take(lambda: False, lambda: waits.append(4))
    assert waits == [2, 4]


LIMITS = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, int(sys.argv[1])))
from lab.feeds.open_files import allow_open_files
print(allow_open_files(200))
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
@pytest.mark.parametrize(("most", "is_enough"), [(4096, True), (512, False)])
def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be(most, is_enough):
    command = [sys.executable, "-c", LIMITS, str(most)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    problem, limit = said.stdout.splitlines()
    assert (problem == "None") == is_enough, problem
    assert "this process may have 512; raise the limit" in problem or is_enough
    assert int(limit) == (2600 if is_enough else 512)
