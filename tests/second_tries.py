"""Which tests passed or failed only at a second try, said at the end of the output."""

from collections.abc import Iterable

import pytest

TITLE = "tests that needed a second try"


def pytest_terminal_summary(terminalreporter):
    """Also where several processes run the tests: reports arrive here from each of them."""
    stats = terminalreporter.stats
    again = stats.get("rerun", [])
    if not any("flaky" in report.keywords for report in _reports(stats)):
        return  # no test that ran may be tried twice
    terminalreporter.section(f"{TITLE}: {len(again) or 'none'}")
    for report in again:
        terminalreporter.line(f"{report.nodeid} ({report.when}): {_reason(report)}")


def _reports(stats) -> Iterable[pytest.TestReport]:
    every = (one for found in stats.values() for one in found)
    return (one for one in every if isinstance(one, pytest.TestReport))


def _reason(report) -> str:
    """The line at which the first try failed, with the first line of what was said."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return str(report.longrepr).partition("\n")[0]
    return f"line {crash.lineno}: {crash.message.partition(chr(10))[0]}"
