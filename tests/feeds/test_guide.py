"""What the guide shows is taken by what it is for."""

import re
import shutil
import subprocess
import sys

import pytest

from lab.feeds.feeds_file import read_feeds_file
from tests.conftest import ROOT

GUIDE = ROOT / "docs" / "guide"


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```", (GUIDE / page).read_text(), re.M | re.S)


def test_the_feeds_file_of_the_guide_can_be_read(tmp_path):
    whole, discord, source = blocks("live.md", "yaml")
    before = "    sinks: [console]\n"
    assert whole.endswith(before)
    for text, names in (
        (whole, ["console"]),
        (re.sub(r"    source:\n( {6}.*\n)+", source, whole), ["console"]),
        (whole.replace(before, discord), ["console", "discord"]),
    ):
        (tmp_path / "feeds.yaml").write_text(text)
        (tmp_path / "clip.mp4").touch()
        (tmp_path / ".env").write_text(blocks("live.md", "bash")[1])
        found = read_feeds_file(tmp_path / "feeds.yaml", environ={})
        assert list(found.sinks) == names
        assert found.feeds[0].source["type"] in ("stream", "file")
        assert "what the camera wants" in found.feeds[0].source.get("url", "what the camera wants")
        assert not found.notes


def test_systemd_takes_the_service(tmp_path):
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed; on Debian: apt-get install systemd")
    (unit,) = blocks("raspberry-pi.md", "ini")
    assert "KillMode=mixed" in unit
    file = tmp_path / "lab-watch.service"
    file.write_text(unit.replace("/home/lab/venv/bin/lab", sys.executable))
    done = subprocess.run(
        [program, "verify", "--man=no", "--recursive-errors=no", str(file)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
