"""Which cases of a test `make test` runs (`make test-long` the others); which files come first."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

# A process runs whole files: those of a minute and more first, so that none begins at the end.
LONGEST_FIRST = (
    "jobs/test_ray.py",
    "feeds/test_watcher.py",
    "live/test_bad_days.py",
    "app/test_uploads.py",
    "jobs/test_remote_queue.py",
    "jobs/test_remote_protocol.py",
    "browser/test_open_pages.py",
    "browser/test_prompts.py",
    "faults/test_batch_killed.py",
    "app/test_fuzz.py",
    "browser/test_app.py",
    "test_packaging.py",
    "faults/test_catalog_killed.py",
    "faults/test_killed.py",
    "contracts/test_engines.py",
    "faults/test_app_killed.py",
    "browser/test_queue.py",
    "store/test_store.py",
    "browser/test_tuning_lab.py",
    "browser/test_apply.py",
    "video/test_remote_store.py",
    "detectors/test_yoloe.py",
    "detectors/test_yolo_world.py",
    "contracts/test_detectors.py",
    "runs/test_main_job.py",
    "runs/test_add_prompts.py",
    "jobs/test_batch.py",
    "pages/test_home_and_library.py",
    "pages/test_pages.py",
    "faults/test_workers.py",
    "browser/test_first_screen.py",
    "browser/test_access.py",
    "browser/test_models_page.py",
    "feeds/test_control.py",
    "video/test_file_source.py",
)
_TESTS = Path(__file__).parent


def longest_first(items: list[pytest.Item]) -> None:
    """Sort tests in place by their files; the other files stay as they were, behind those."""
    ranks = {_TESTS / name: rank for rank, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


def mostly_long(cases: Iterable[Any], *quick: Any) -> list[Any]:
    """For parametrize: all cases, marked `long` but for the `quick` ones among them."""
    cases = list(cases)
    assert all(case in cases for case in quick), f"{quick} are not all among {cases}"
    return [case if case in quick else pytest.param(case, marks=pytest.mark.long) for case in cases]
