"""How many random examples the property tests try, and whether they are the same each time."""

import os

from hypothesis import HealthCheck, settings

SEARCHES = os.environ.get("LAB_TEST_SEARCH") == "1"
_TIMES_MORE = 20
_ANY_PLACE = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
}


def use_profile() -> None:
    """`fixed`: the same examples in every run, so that a failure is of the change, not of chance.

    `search`, chosen by LAB_TEST_SEARCH=1: other examples each time, and many more of them.
    """
    settings.register_profile("fixed", derandomize=True, **_ANY_PLACE)
    settings.register_profile("search", print_blob=True, **_ANY_PLACE)
    settings.load_profile("search" if SEARCHES else "fixed")


def examples(number: int) -> settings:
    """Try so many examples of a property; many more in a search."""
    return settings(max_examples=number * (_TIMES_MORE if SEARCHES else 1))
