"""Pictures that are handed on through a file system in memory, where that is full."""

import shutil
import subprocess
import sys

import pytest

SCRIPT = """
import sys
from pathlib import Path

import numpy as np

from lab.errors import LabError
from lab.video.live.frame_slots import SlotReader, SlotWriter
from lab.video.live.viewing import ViewReader, ViewWriter

folder, picture = Path(sys.argv[1]), np.zeros((100, 500, 3), np.uint8)
with SlotWriter(folder / "small", picture.nbytes) as writer:
    for number in range(1, 5):
        writer.write(number, picture)
try:
    SlotWriter(folder / "large", 1080 * 1920 * 3)
except LabError as error:
    print(error)
assert [one.name for one in folder.iterdir()] == ["small"]
with ViewWriter(folder / "view") as writer, ViewReader(folder / "view") as reader:
    for number in range(1, 20):
        writer.write(bytes(400_000), number, 0.0, 64, 48)
    assert reader.newest == 1, reader.newest
(folder / "small").write_bytes(bytes(450_000))
with (folder / "rest").open("wb", buffering=0) as file:
    while True:
        try:
            file.write(bytes(4096))
        except OSError:
            break
try:
    ViewWriter(folder / "none")
except OSError as error:
    print(error.strerror)
assert not (folder / "none").exists()
"""


def test_where_it_is_full_that_is_said_and_nothing_dies_of_it(tmp_path):
    mount = f"mount -t tmpfs -o size=1m tmpfs {tmp_path}"
    apart = ["unshare", "--mount", "--map-root-user", "sh", "-ec"]
    may = shutil.which("unshare") and subprocess.run([*apart, mount], capture_output=True)
    if not may or may.returncode:
        pytest.skip("a file system of its own cannot be had here")
    command = [*apart, f'{mount}; exec "$0" -c "$1" {tmp_path}', sys.executable, SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.returncode, done.stderr)
    said, full = done.stdout.splitlines()
    assert said.startswith(f"{tmp_path} has no room for pictures: 18.7 MB are needed and 0.")
    assert "shm_size" in said
    assert full == "No space left on device"
