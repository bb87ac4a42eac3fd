"""Fixtures of the tests on deployments, clocks and events."""

import pytest

from lab.app.cli.main import main


@pytest.fixture
def command(store, capsys):
    """A command in this process on the store: its code, and what it said on both streams."""

    def call(*words):
        code = main([*map(str, words), "--store", str(store.folder)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call
