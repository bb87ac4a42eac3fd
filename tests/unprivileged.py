"""Tests of permissions, also where they run as root, who may read everything."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest

_NOBODY = 65534


@contextlib.contextmanager
def as_nobody():
    """Without the rights of root inside."""
    if os.geteuid() != 0:
        yield
        return
    os.setresuid(_NOBODY, _NOBODY, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


@pytest.fixture
def open_folder():
    """A folder that everybody may use, and only this test's parts of it."""
    folder = Path(tempfile.mkdtemp(prefix="lab-test-"))
    folder.chmod(0o777)
    yield folder
    for one in [folder, *(Path(p) for p, _, _ in os.walk(folder))]:
        with contextlib.suppress(OSError):
            one.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)
