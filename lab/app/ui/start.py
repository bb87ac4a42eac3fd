"""What happens once, when the app's server starts and stops."""

from __future__ import annotations

import gc
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st


def allowed_hosts() -> tuple[str, ...]:
    """The names that the server's own settings allow."""
    return tuple(st.get_option("server.allowedHosts") or ())


def warm_up() -> None:
    """Compile what the first page would wait for."""
    from lab.evaluation import matching
    from lab.rules.replay import warm_up

    warm_up()
    matching.warm_up()


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    from streamlit.runtime.pages_manager import PagesManager

    from lab.app.server.state import app_state

    # Else the first deep link on a fresh server runs that page alone, without app.py.
    PagesManager.uses_pages_directory = False
    # Compiled before the first slider asks, without holding up the first page.
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    gc.collect()
    gc.freeze()
    yield {}
    app_state().engine.close()
