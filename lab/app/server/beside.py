"""What goes on beside a server over a store: its queue, its feeds, and tidying."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress

from lab.app.server.state import AppState
from lab.errors import LabError
from lab.private_files import keep_files_private
from lab.runs.leftovers import remove_leftovers

_log = logging.getLogger(__name__)


def begin(here: AppState) -> None:
    """Go on with what was under way when the last server over this store ended."""
    keep_files_private()
    # No daemons: one that is inside DuckDB when the process ends would abort it.
    for name, work in (
        ("copy of the catalog", _copy_catalog),
        ("clean-up", _clean_up),
        ("queue", _go_on),
        ("feeds", _watch),
    ):
        threading.Thread(target=work, args=[here], name=name).start()


def _copy_catalog(here: AppState) -> None:
    """A damaged catalog, or one that cannot be written, is told by pages and probes."""
    with suppress(LabError):
        here.store.catalog.make_copy(if_older_s=3600)


def _clean_up(here: AppState) -> None:
    """Remove what killed processes and closed pages left, with a line about each file."""
    try:
        for line in remove_leftovers(here.store, here.config.models):
            _log.warning("lab: %s", line)
    except LabError as error:
        _log.warning("lab: nothing was cleaned up: %s", error)


def _go_on(here: AppState) -> None:
    """With what was queued and uploaded; what cannot be read is told by pages and probes."""
    for go_on in (here.analyses.go_on, here.uploads.start):
        with suppress(LabError):
            go_on()


def _watch(here: AppState) -> None:
    """The feeds of a file, and those that were made on pages, which tell why they cannot be."""
    try:
        here.watching.go_on()
    except LabError as error:
        _log.warning("lab: %s", error)
