"""The guide of the API: each of its examples works, and it names all resources."""

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from lab.app.server.api.app import document_of_api
from tests.api.serving import TOKEN, Served

TEXT = (Path(__file__).parents[2] / "docs" / "guide" / "api.md").read_text()
EXAMPLES = [
    one
    for block in re.findall(r"```bash\n(.*?)```", TEXT, re.S)
    for one in block.replace("\\\n", " ").strip().splitlines()
]


@pytest.fixture(scope="module")
def shell(api, tmp_path_factory):
    """shell(command) runs a line of the guide as it stands there, and gives what it prints."""
    client, folder = api.client, tmp_path_factory.mktemp("shell")
    body = {"media_id": api.clip["media_id"], "detector": "visual", "every_s": 1.0, "priority": 5}
    place = client.post("/api/jobs", json=body).headers["location"]
    until = time.monotonic() + 60
    while (job := client.get(place).json())["state"] != "done":
        assert job["state"] in ("pending", "running"), job
        assert time.monotonic() < until
        time.sleep(0.05)
    with Served(api.routes, tokens=api.tokens) as address:
        environ = {
            **os.environ,
            "LAB_URL": address,
            "LAB_TOKEN": TOKEN,
            "CLIP": str(api.folder / "nothing.mp4"),
            "MEDIA_ID": api.clip["media_id"],
            "RUN_ID": job["run_ids"][0],
        }

        def run(command):
            done = subprocess.run(
                command.replace("curl ", "curl --fail-with-body ", 1),
                shell=True, cwd=folder, env=environ, capture_output=True, timeout=60, check=False,
            )  # fmt: skip
            assert done.returncode == 0, (command, done.stdout, done.stderr)
            return done.stdout

        run.folder, run.environ = folder, environ
        yield run


@pytest.mark.parametrize("command", EXAMPLES)
def test_an_example_works_as_it_stands(shell, command):
    said = shell(command)
    if " -o " in command:
        assert (shell.folder / command.split(" -o ")[1]).stat().st_size > 500
    elif "csv" in command:
        assert b"," in said
    else:
        assert json.loads(said.split(b"\r\n\r\n")[-1])


def test_the_example_in_python_works_as_it_stands(shell):
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.S)
    names = {"LAB_URL": shell.environ["LAB_URL"], "LAB_TOKEN": TOKEN}
    exec(code, names)
    assert len(names["runs"]) == 1
    assert len(names["found"]) > 0


def test_the_guide_names_every_resource():
    names = {path.split("/")[2] for path in document_of_api()["paths"]}
    for name in names:
        assert f"/api/{name}" in TEXT, name
