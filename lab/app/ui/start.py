"""What happens once, when the app's server starts and stops."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import streamlit as st

from lab.errors import LabError

_log = logging.getLogger(__name__)


def allowed_hosts() -> tuple[str, ...]:
    """The names that the server's own settings allow."""
    return tuple(st.get_option("server.allowedHosts") or ())


def _warm_up() -> None:
    from lab.evaluation import matching
    from lab.rules.replay import warm_up

    warm_up()
    matching.warm_up()


def _copy_catalog() -> None:
    """A damaged catalog, or one that cannot be written, is told by the pages."""
    from lab.app.server.state import app_state

    with suppress(LabError):
        app_state().store.catalog.make_copy(if_older_s=3600)


def _clean_up() -> None:
    """Remove what killed processes and closed pages left, with a line about each file."""
    from lab.app.server.state import app_state
    from lab.runs.leftovers import remove_leftovers

    config = app_state().config
    try:
        for line in remove_leftovers(app_state().store, config.models):
            _log.warning("lab: %s", line)
    except LabError as error:
        _log.warning("lab: nothing was cleaned up: %s", error)


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    from streamlit.runtime.pages_manager import PagesManager

    from lab.app.server.state import app_state

    # Else the first deep link on a fresh server runs that page alone, without app.py.
    PagesManager.uses_pages_directory = False
    # Compiled before the first slider asks, without holding up the first page.
    threading.Thread(target=_warm_up, name="warm-up", daemon=True).start()
    threading.Thread(target=_copy_catalog, name="copy of the catalog", daemon=True).start()
    threading.Thread(target=_clean_up, name="clean-up", daemon=True).start()
    gc.collect()
    gc.freeze()
    yield {}
    app_state().engine.close()
