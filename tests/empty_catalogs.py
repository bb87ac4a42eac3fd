"""The empty catalog of a new store is made once in each process, and then copied."""

import shutil

import pytest

from lab.store import backups
from lab.store.catalog import Catalog


@pytest.fixture(scope="session", autouse=True)
def empty_catalogs(tmp_path_factory):
    """The same file, without the ten migrations and their waits for the disk in each test."""
    made = tmp_path_factory.mktemp("empty") / "catalog.duckdb"
    create = Catalog._create

    def copied(catalog):
        if made.exists():
            part = catalog.path.with_suffix(".new")
            shutil.copyfile(made, part)
            part.replace(catalog.path)
            backups.expect_copies(catalog.folder)
        else:
            create(catalog)
            shutil.copyfile(catalog.path, made)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Catalog, "_create", copied)
        yield
