"""What several files of these tests share."""

import pytest

from lab.app.server import state as desks
from tests.jobs.remote_app import Served


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remote")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_STORE", str(folder / "store"))
        patch.setenv("LAB_MEDIA_ROOTS", str(folder))
        patch.setenv("LAB_LOCAL_WORKERS", "0")
        patch.setenv("LAB_WORKER_SILENCE_S", "8")
        desks.app_state.cache_clear()
        made = Served(folder)
        yield made
        made.close()
        desks.app_state.cache_clear()
