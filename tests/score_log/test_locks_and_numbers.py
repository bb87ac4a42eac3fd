"""A log's lock, which many look at while others resume; and more parts than five digits count."""

import subprocess
import sys

import numpy as np
import pytest

from lab.detection import Detections
from lab.errors import StoreError
from lab.score_log.parts import part_files
from lab.score_log.score_log import read_log
from lab.score_log.writer import ScoreLogWriter, is_locked
from tests.builders import make_frame

MANIFEST = {"run_id": "r", "labels": ["x"], "recipe": {}}
BOX = np.array([[0, 0, 1, 1]], np.float32)

LOOKER = """
import sys
from pathlib import Path
from lab.score_log.writer import is_locked
print("ready", flush=True)
folders, seen, looks = [Path(f) for f in sys.argv[2:]], 0, 0
import threading
stopped = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stopped.set()), daemon=True).start()
while not stopped.is_set():
    looks += 1
    seen += sum(is_locked(folder) for folder in folders)
print(looks, seen)
"""

RESUMER = """
import sys
from pathlib import Path
from lab.errors import StoreError
from lab.score_log.writer import ScoreLogWriter
refused = 0
for _ in range(250):
    try:
        with ScoreLogWriter(Path(sys.argv[1]), {"run_id": "r", "labels": ["x"], "recipe": {}}):
            pass
    except StoreError:
        refused += 1
print(refused)
"""


def start(code, *words):
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def lookers(*folders):
    made = [start(LOOKER, "-", *folders) for _ in range(4)]
    for process in made:
        assert process.stdout.readline() == "ready\n"
    return made


def results(processes):
    return [tuple(map(int, p.communicate(timeout=60)[0].split())) for p in processes]


def sample(index, score=0.9):
    return make_frame(index, index * 200_000), Detections(["x"], np.array([score], np.float32), BOX)


def test_no_resume_is_refused_because_somebody_looks(tmp_path):
    folders = [tmp_path / "a", tmp_path / "b"]
    looking = lookers(*folders)
    resuming = [start(RESUMER, folder) for folder in folders]
    refused = results(resuming)
    assert all(looks > 0 for looks, _ in results(looking))
    assert refused == [(0,), (0,)]


def test_those_who_look_do_not_take_each_other_for_a_writer(tmp_path):
    with ScoreLogWriter(tmp_path / "a", MANIFEST):
        pass
    looking = lookers(tmp_path / "a")
    seen = sum(is_locked(tmp_path / "a") for _ in range(3000))
    assert [seen, *(count for _, count in results(looking))] == [0] * 5


def test_a_writer_is_seen_and_a_second_one_refused(tmp_path):
    assert not is_locked(tmp_path / "a")
    with ScoreLogWriter(tmp_path / "a", MANIFEST):
        assert is_locked(tmp_path / "a")
        with pytest.raises(StoreError, match="being written by another process"):
            ScoreLogWriter(tmp_path / "a", MANIFEST)
    assert not is_locked(tmp_path / "a")


@pytest.mark.parametrize("number", [99_998, 99_999, 100_001, 1_000_001])
def test_parts_are_kept_in_order_whatever_number_they_have(tmp_path, number):
    with ScoreLogWriter(tmp_path, MANIFEST) as log:
        log.add(*sample(0))
        log.flush()
    for kind in ("samples", "detections"):
        (tmp_path / f"{kind}-00001.parquet").rename(tmp_path / f"{kind}-{number:05d}.parquet")
    for index in range(1, 5):  # each after a restart
        with ScoreLogWriter(tmp_path, MANIFEST) as log:
            log.add(*sample(index))
            log.flush()
            if index == 2:
                log.compact()
        assert read_log(tmp_path).frame_index.tolist() == list(range(index + 1))
    names = [samples.name for samples, _ in part_files(tmp_path)]
    assert names == [
        f"samples-{mark}{number + n:05d}.parquet" for mark, n in (("c", 2), ("", 3), ("", 4))
    ]


def test_a_file_that_is_no_part_is_neither_read_nor_removed(tmp_path):
    with ScoreLogWriter(tmp_path, MANIFEST) as log:
        log.add(*sample(0))
        log.flush()
    copy = tmp_path / "samples-00001 (copy).parquet"
    copy.write_bytes((tmp_path / "samples-00001.parquet").read_bytes())
    with ScoreLogWriter(tmp_path, MANIFEST) as log:
        log.add(*sample(1))
        log.flush()
        log.compact()
    assert copy.exists()
    assert read_log(tmp_path).frame_index.tolist() == [0, 1]


@pytest.mark.parametrize("name", [".0123456789abcdef.part", "manifest.json.part"])
def test_what_a_killed_writer_of_the_manifest_left_is_removed(tmp_path, name):
    with ScoreLogWriter(tmp_path, MANIFEST) as log:
        log.add(*sample(0))
    (tmp_path / name).write_text('{"format"')
    (tmp_path / ".mine.part").write_text("kept")
    with ScoreLogWriter(tmp_path, MANIFEST):
        pass
    assert not (tmp_path / name).exists()
    assert (tmp_path / ".mine.part").exists()
