"""The start-up token, the addresses that carry it to who started the app, and what browsers that
were let in keep.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from contextlib import suppress
from functools import cache
from html import escape
from pathlib import Path
from urllib.parse import quote

from lab.access.tokens import PREFIX

_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sighting Lab</title>
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={address}">
</head><body><p><a href="{address}">Open Sighting Lab</a></p></body></html>"""


def given_token() -> str | None:
    """LAB_TOKEN, which opens all; None without it, or where it is one for programs.

    A shell in which such a token is set, to ask another lab with it, may start one, too: it would
    then open everything there, whatever its scope.
    """
    token = os.environ.get("LAB_TOKEN") or None
    return None if token is None or token.startswith(PREFIX) else token


def note_of_token() -> str | None:
    """What to say at the start of a LAB_TOKEN that is not taken as that of the lab itself."""
    if given_token() is not None or not os.environ.get("LAB_TOKEN"):
        return None
    return (
        f"LAB_TOKEN begins with {PREFIX}, as those of `lab token` do: whoever sends it may do what "
        "its scope allows, and it is not the token that opens all here; unset it to be rid of this "
        "line, or set another one"
    )


@cache
def startup_token() -> str:
    """The token that was given, or one made for this process."""
    return given_token() or secrets.token_urlsafe(32)


def with_token(address: str) -> str:
    """An address of the app that lets in."""
    return f"{address}/?token={quote(startup_token(), safe='')}"


def address_to_print(address: str, *, is_terminal: bool) -> str:
    """What is said at the start: an address that lets in; without the token where that was given,
    so that it is known, and what is printed goes into a log that others may read.

    address: of the app, empty where it is not known.
    """
    if is_terminal or given_token() is None:
        return with_token(address)
    return f"{address or 'its address'} (to get in, put /?token= and your LAB_TOKEN behind it)"


def write_opening_page(folder: Path, address: str, port: int) -> Path:
    """A page in the store that leads to the app, which only the user can read (0600).

    A browser is started with this file: a command line can be read by all users of a machine.
    Raises OSError.
    """
    page = folder / f"open_app_{port}.html"
    _write_for_the_user(page, _PAGE.format(address=escape(with_token(address))))
    return page


def _write_for_the_user(path: Path, text: str) -> None:
    """A new file that nobody else can read (0600), not even for a moment. Raises OSError."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)


class BrowserSecret:
    """What the cookies of browsers are made with, so that they stay let in over a restart.

    It is kept in the store, in a file of mode 0600; of a store that does not exist yet, or cannot
    be written, it is of this process until `keep` finds a store. Another LAB_TOKEN makes other
    cookies; so does a store whose file was removed.
    """

    def __init__(self, store: Path | None) -> None:
        self._file = store / "browser_secret" if store is not None else None
        self._value = self._read() or secrets.token_urlsafe(32)
        self.keep()

    def _read(self) -> str | None:
        """The secret that is kept; None if there is none, or others could have read it."""
        try:
            if self._file is None:
                return None
            if os.name == "posix" and self._file.stat().st_mode & 0o077:
                return None
            content = self._file.read_text(encoding="ascii")
        except (OSError, ValueError):
            return None
        return content if _SECRET.fullmatch(content) else None

    def keep(self) -> None:
        """Write it into the store, if there is one now and it has none."""
        if self._file is None or not self._file.parent.is_dir() or self._read() is not None:
            return
        with suppress(OSError):  # a store that cannot be written can still be looked at
            _write_for_the_user(self._file, self._value)

    @property
    def cookie(self) -> str:
        return self.derived(f"cookie {given_token() or ''}")

    @property
    def cookie_name(self) -> str:
        """Of each store another: a browser sends its cookies to all ports of a host."""
        return f"lab_{self.derived('name')[:16]}"

    def derived(self, what: str) -> str:
        """A text that only who has the secret can make."""
        return hmac.new(self._value.encode(), what.encode(), hashlib.sha256).hexdigest()
