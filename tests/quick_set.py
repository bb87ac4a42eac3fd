"""Of the cases of a test, those that `make test` runs; `make test-long` runs the others."""

from collections.abc import Iterable
from typing import Any

import pytest


def mostly_long(cases: Iterable[Any], *quick: Any) -> list[Any]:
    """For parametrize: all cases, marked `long` but for the `quick` ones among them."""
    cases = list(cases)
    assert all(case in cases for case in quick), f"{quick} are not all among {cases}"
    return [case if case in quick else pytest.param(case, marks=pytest.mark.long) for case in cases]
