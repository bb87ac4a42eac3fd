"""What happens once, when the app's server starts and stops."""

from __future__ import annotations

import gc
import logging
import signal
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import click
import streamlit as st
import uvicorn
from streamlit.config import set_option

from lab.app.server.beside import begin
from lab.app.server.exposure import warnings_of
from lab.app.server.login import Login
from lab.app.server.state import app_state
from lab.app.server.token import (
    address_to_print,
    given_token,
    note_of_token,
    write_opening_page,
)
from lab.evaluation import matching
from lab.private_files import private_folder
from lab.rules import replay
from lab.tuning import warm_up as tuning

_EVERY_ADDRESS = ("", "0.0.0.0", "::")
_LONGEST_FAREWELL_S = 3
_log = logging.getLogger(__name__)


def allowed_hosts() -> tuple[str, ...]:
    """The names that the settings allow, ours and Streamlit's, which each of both then knows."""
    ours = app_state().config.allowed_hosts
    names = tuple(dict.fromkeys([*(st.get_option("server.allowedHosts") or ()), *ours]))
    set_option("server.allowedHosts", list(names))
    return names


def warm_up() -> None:
    """Compile what the first page would wait for, and then what tuning would."""
    replay.warm_up()
    matching.warm_up()
    tuning.warm_up()


def _address() -> tuple[str, int] | None:
    """The address of this server and its port; None if whoever started it kept that to itself.

    The host is the one that the server listens on, where a name such as `localhost` could lead to
    the server of another user that listens on ::1.
    """
    started = click.get_current_context(silent=True)
    given = started.params if started is not None else {}
    if started is not None and started.command.name == "run":
        host, port = st.get_option("server.address") or "", st.get_option("server.port")
        is_secure = bool(st.get_option("server.sslCertFile"))
        path = (st.get_option("server.baseUrlPath") or "").strip("/")
        shown = st.get_option("browser.serverAddress")
        host = shown if shown not in (None, "localhost") else host
    elif isinstance(given.get("port"), int) and not (given.get("uds") or given.get("fd")):
        host, port, path = given.get("host") or "", given["port"], ""
        is_secure = bool(given.get("ssl_certfile"))
    else:
        return None
    host = "127.0.0.1" if host in _EVERY_ADDRESS else host
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if is_secure else 'http'}://{shown}:{port}{f'/{path}' if path else ''}", port


def _listens_on() -> tuple[str, bool] | None:
    """The address that this server listens on, empty for all, and whether it speaks TLS; None if
    whoever started it kept that to itself.
    """
    started = click.get_current_context(silent=True)
    given = started.params if started is not None else {}
    if started is not None and started.command.name == "run":
        return st.get_option("server.address") or "", bool(st.get_option("server.sslCertFile"))
    if isinstance(given.get("port"), int) and not (given.get("uds") or given.get("fd")):
        return given.get("host") or "", bool(given.get("ssl_certfile"))
    return None


def _warn() -> None:
    """Say what follows where the app can be reached from elsewhere, and of its token."""
    if note := note_of_token():
        print(f"  Sighting Lab: {note}", file=sys.stderr, flush=True)
    listens = _listens_on()
    if listens is None:
        return
    users = app_state().config.login_users
    lines = warnings_of(
        listens[0],
        token=given_token(),
        is_secure=listens[1],
        allowed_hosts=allowed_hosts(),
        login_users=users if Login.of_settings(users) is not None else None,
    )
    for line in lines:
        print(f"  Sighting Lab: {line}", file=sys.stderr, flush=True)


def _let_the_user_in(store: Path) -> Path | None:
    """Print the address and how to get in, and on a desktop open it; the page that was written."""
    found, is_terminal = _address(), sys.stdout.isatty()
    shown = address_to_print("" if found is None else found[0], is_terminal=is_terminal)
    if found is None:
        print(f"\n  Sighting Lab: open this server at {shown}\n", flush=True)
        return None
    address, port = found
    print(f"\n  Sighting Lab: {shown}\n", flush=True)
    is_run = click.get_current_context().command.name == "run"
    is_desktop = is_run and not st.get_option("server.headless")
    page = None
    if store.is_dir() or is_desktop:  # else the first write makes the store
        with suppress(OSError):  # a store that cannot be written can still be looked at
            private_folder(store)
            page = write_opening_page(store, address, port)
    if is_desktop:
        opened = page.as_uri() if page is not None else address
        threading.Thread(target=webbrowser.open, args=[opened], daemon=True).start()
    return page


def _end_in_time() -> None:
    """Else an open page whose video waits unread, as browsers do it, keeps Ctrl+C waiting."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    if isinstance(server, uvicorn.Server) and server.config.timeout_graceful_shutdown is None:
        server.config.timeout_graceful_shutdown = _LONGEST_FAREWELL_S


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[dict[str, Any]]:
    from streamlit.runtime.pages_manager import PagesManager

    _end_in_time()
    # Else the first deep link on a fresh server runs that page alone, without app.py.
    PagesManager.uses_pages_directory = False
    # Compiled before the first slider asks, without holding up the first page.
    threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
    begin(app_state())
    gc.collect()
    gc.freeze()
    _warn()
    page = _let_the_user_in(app_state().store.folder)
    yield {}
    if page is not None:
        page.unlink(missing_ok=True)
    app_state().close()
