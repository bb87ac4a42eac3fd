"""The process that watches, as a child of the app."""

import os
import signal
import time

import psutil
import pytest

from lab.app.server.watching import WatchingProcess
from lab.errors import LabError
from lab.feeds.status import is_watched, watch_lock


def until(condition, limit_s=90):
    end = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def test_where_another_process_watches_none_is_started(tmp_path):
    (tmp_path / "feeds").mkdir()
    with watch_lock(tmp_path):
        made = WatchingProcess(tmp_path)
        made.ensure_started()
        made.go_on()
        assert made.pid is None
        made.close()


def test_an_app_that_ends_starts_nothing(tmp_path):
    made = WatchingProcess(tmp_path)
    made.close()
    with pytest.raises(LabError, match="ending"):
        made.ensure_started()


@pytest.mark.long
def test_it_is_started_again_when_it_dies_and_ends_with_the_app(tmp_path):
    made = WatchingProcess(tmp_path)
    try:
        made.ensure_started()
        first = made.pid
        # One that dies at once cannot begin, and is not tried again.
        until(lambda: time.time() - psutil.Process(first).create_time() > 2)
        os.kill(first, signal.SIGKILL)
        until(lambda: made.pid not in (None, first) and is_watched(tmp_path))
    finally:
        made.close()
    assert not is_watched(tmp_path)
