"""The text of each component's JavaScript, as Streamlit gets it."""

import os
import shutil
import subprocess

import pytest

from lab.app.ui.shared import COMPONENTS, script

ENTRIES = [
    "feeds/feeds.js",
    "library/library.js",
    "player/main.js",
    "duet/duet.js",
    "phrases/phrases.js",
    "queue/queue.js",
    "sightings/sightings.js",
    "uploader/uploader.js",
    "webcam/webcam.js",
]


@pytest.fixture(scope="module")
def node():
    path = shutil.which("node")
    if path is None and os.environ.get("LAB_BROWSER_TESTS") != "required":
        pytest.skip("Node is not installed")
    assert path is not None, "the JavaScript tests are required, and Node is not installed"
    return path


@pytest.mark.parametrize("entry", ENTRIES)
def test_a_component_is_one_module_that_needs_no_other(entry, node, tmp_path):
    module = tmp_path / "component.mjs"
    module.write_text(script(entry))
    assert "\nimport " not in module.read_text()
    code = (
        "import(process.argv[1]).then((m) => process.exit(typeof m.default === 'function' ? 0 : 1))"
    )
    done = subprocess.run(
        [node, "-e", code, module.as_uri()], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_module_comes_once_and_before_those_that_import_it():
    text = script("player/main.js")
    assert text.count("class Requests {") == 1
    assert (
        text.index("class Requests {") < text.index("class Model ") < text.index("class Player {")
    )


def test_every_file_is_part_of_a_component():
    texts = "".join(script(entry) for entry in ENTRIES)
    for file in COMPONENTS.rglob("*.js"):
        assert file.read_text().splitlines()[0] in texts, file
