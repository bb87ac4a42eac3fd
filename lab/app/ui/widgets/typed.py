"""Settings that were typed on a page, checked for who sits before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from lab.access.asker import Asker
from lab.app.server.access import asker_of_headers
from lab.app.server.new_feed import checked_source
from lab.app.server.state import AppState
from lab.app.server.typed_addresses import typed_settings


def typed(app_state: AppState, settings: Mapping[str, Any]) -> dict[str, Any]:
    """See `lab.app.server.typed_addresses.typed_settings`."""
    return typed_settings(app_state.config, session_asker(), settings)


def typed_source(app_state: AppState, source: Mapping[str, Any]) -> dict[str, Any]:
    """See `lab.app.server.new_feed.checked_source`."""
    return checked_source(app_state, session_asker(), source)


def session_asker() -> Asker | None:
    """Who opened this session; None where no guard let them in."""
    return asker_of_headers(st.context.headers)
