"""The list of tests that needed a second try, as pytest prints it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = """
from pathlib import Path

import pytest


@pytest.mark.flaky(reruns=1)
def test_fails_once(tmp_path_factory):
    mark = Path(__file__).with_suffix(".tried")
    tried = mark.exists()
    mark.touch()
    assert tried, "a click was lost"


@pytest.mark.flaky(reruns=1)
def test_passes_at_once():
    pass


def test_is_tried_once():
    pass
"""


def printed(folder, *options):
    """What pytest says at the end of a session of TESTS."""
    (folder / "test_page.py").write_text(TESTS)
    plugins = ["-p", "tests.second_tries", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *plugins, "--rootdir", folder, *options, folder],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("processes", [pytest.param("0", marks=pytest.mark.long), "2"])
def test_a_test_that_needed_a_second_try_is_named_with_the_reason(tmp_path, processes):
    said = printed(tmp_path, "-n", processes)
    assert "tests that needed a second try: 1" in said
    (line,) = [one for one in said.splitlines() if "test_fails_once" in one]
    assert line.startswith("test_page.py::test_fails_once (call): line 12: ")
    assert line.endswith("AssertionError: a click was lost")


def test_that_none_was_needed_is_said(tmp_path):
    said = printed(tmp_path, "-k", "passes_at_once")
    assert "tests that needed a second try: none" in said


@pytest.mark.long
def test_nothing_is_said_where_no_test_may_be_tried_twice(tmp_path):
    assert "second try" not in printed(tmp_path, "-k", "is_tried_once")
