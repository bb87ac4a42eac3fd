"""The start-up token, and the addresses that carry it to who started the app."""

from __future__ import annotations

import os
import secrets
from functools import cache
from html import escape
from pathlib import Path
from urllib.parse import quote

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sighting Lab</title>
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
</head><body><p><a href="{address}">Open Sighting Lab</a></p></body></html>"""


@cache
def startup_token() -> str:
    """LAB_TOKEN, or a token made for this process."""
    return os.environ.get("LAB_TOKEN") or secrets.token_urlsafe(32)


def with_token(address: str) -> str:
    """An address of the app that lets in."""
    return f"{address}/?token={quote(startup_token(), safe='')}"


def write_opening_page(folder: Path, address: str, port: int) -> Path:
    """A page in the store that leads to the app, which only the user can read (0600).

    A browser is started with this file: a command line can be read by all users of a machine.
    Raises OSError.
    """
    page = folder / f"open_app_{port}.html"
    page.unlink(missing_ok=True)
    handle = os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(_PAGE.format(address=escape(with_token(address))))
    return page
