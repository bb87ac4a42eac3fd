"""The clients of docs/guide/live-results.md run as they are written there."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab.app.server.state import AppState
from lab.config import Config
from lab.store.outcomes import write_outcome
from tests.app.live_server import following, served
from tests.builders import make_run
from tests.guarded import TOKEN

TEXT = (Path(__file__).parents[2] / "docs" / "guide" / "live-results.md").read_text()
# What a page would do with it, without a page.
FOLLOW = """
const [address, run_id] = process.argv.slice(2);
const socket = follow(address, { run_id }, (message, samples) => {
  if (message.type !== "recent_analysis") return;
  console.log(JSON.stringify([sampleAt(samples, 0.6), sampleAt(samples, -1) ?? null]));
  socket.close();
});
"""


def code(language):
    return re.search(rf"```{language}\n(.*?)```", TEXT, re.S)[1]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("live"), [0.0, 0.9, 0.9], every_s=0.5)


@pytest.fixture(scope="module")
def address(run):
    made = AppState(Config(store=run.store.folder))
    with served(made) as found:
        yield found
    made.close()


def output_of(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_client_in_python_prints_what_is_found_until_the_end(address, run):
    lines = output_of(sys.executable, "-c", code("python"), address, TOKEN, run.run_id)
    assert lines.splitlines() == ["0.0 []", "0.5 ['x']", "1.0 ['x']", "the run is done"]


def test_the_client_in_python_goes_on_where_the_run_is_interrupted(address, run):
    other = make_run(run.store.folder.parent, [0.0, 0.9], name="other", every_s=0.5)
    folder = run.store.log_folder(other.run_id)
    write_outcome(folder, "interrupted", error="the worker was lost", effort={}, elapsed_s=1.0)
    command = [sys.executable, "-u", "-c", code("python"), address, TOKEN, other.run_id]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as client:
        assert [client.stdout.readline() for _ in range(2)] == ["0.0 []\n", "0.5 ['x']\n"]
        write_outcome(folder, "done", error=None, effort={}, elapsed_s=1.0)
        assert client.communicate(timeout=60)[0] == "the run is done\n"


def test_the_client_in_python_says_what_is_wrong(address):
    command = [sys.executable, "-c", code("python"), address, TOKEN, "none"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no run 'none' in this store" in done.stderr


def test_the_client_in_javascript_finds_the_sample_of_a_frame(address, run, tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs the program node")
    script = tmp_path / "follow.cjs"
    script.write_text(code("javascript") + FOLLOW)
    flag = "--experimental-websocket"
    url = f"{address}?token={TOKEN}"
    found = output_of(node, "--no-warnings", flag, str(script), url, run.run_id)
    assert '[{"pts_s":0.5,"frame_index":1' in found
    assert found.strip().endswith(",null]")


def test_what_is_said_of_messages_is_what_comes(address, run):
    with following(address) as client:
        _, recent = client.subscribe(run_id=run.run_id)
        client.say("unsubscribe", run_id=run.run_id)
        client.say("ping")
        client.say("nothing")
        for _ in range(3):
            client.hear()
    for said in client.heard:
        assert f"`{said['type']}`" in TEXT
    for key in (*recent["samples"][0], *recent["samples"][2]["detections"][0]):
        assert f'"{key}"' in TEXT
