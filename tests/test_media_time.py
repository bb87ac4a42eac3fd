"""Times in a clip are written in one way, in Python and in the browser."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.media_time import media_time

FORMATTING = Path(__file__).parent.parent / "lab/app/ui/components/player/formatting.js"
TIMES = {
    0: "0:00.00",
    12_300_000: "0:12.30",
    59_994_999: "0:59.99",
    59_995_000: "1:00.00",
    820_600_000: "13:40.60",
    3_723_000_000: "1:02:03.00",
    90_000_000_000: "25:00:00.00",
    -1_500_000: "-0:01.50",
    -1_000: "0:00.00",
}


@pytest.mark.parametrize(("pts_us", "text"), TIMES.items())
def test_a_media_time_has_minutes_seconds_and_hundredths(pts_us, text):
    assert media_time(pts_us) == text


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_the_browser_writes_the_same(tmp_path):
    module = tmp_path / "formatting.mjs"
    module.write_text(FORMATTING.read_text())
    seconds = json.dumps([pts_us / 1e6 for pts_us in TIMES])
    code = (
        f"import('{module}').then((m) => console.log(JSON.stringify({seconds}.map(m.mediaTime))))"
    )
    said = subprocess.run(["node", "-e", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(said) == list(TIMES.values())
