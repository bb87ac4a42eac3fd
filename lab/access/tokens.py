"""Tokens of programs: made once, shown once, kept as hashes in the store's `tokens.json`."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lab.access.asker import SCOPES, Scope
from lab.atomic_file import write_atomically
from lab.errors import NotFoundError, SettingError, StoreBusyError, StoreError, closest
from lab.private_files import private_folder

FILE_NAME = "tokens.json"
PREFIX = "lab_"  # so that those who search for leaked secrets find it
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_USED_EVERY_S = 3600.0
_PATIENCE_S = 10.0
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Token:
    """A token as it is kept; times in Unix seconds. last_used: to the hour, None for never."""

    token_id: str
    name: str
    scope: Scope
    sha256: str
    created: float
    expires: float | None = None
    last_used: float | None = None

    def is_valid(self, now: float) -> bool:
        return self.expires is None or now < self.expires

    def shown(self) -> dict[str, Any]:
        """What may be shown: all but the hash."""
        return {key: value for key, value in asdict(self).items() if key != "sha256"}


class Tokens:
    """The tokens of a store; may be used by several threads and processes at the same time.

    The secrets are random and 256 bits long, so that a plain SHA-256 of them is enough: nobody can
    try them out. What another process adds or revokes counts from the next check on.
    """

    def __init__(self, store: str | Path) -> None:
        self.file = Path(store) / FILE_NAME
        self._guard = threading.Lock()
        self._read_state: tuple[int, ...] | None = None
        self._tokens: tuple[Token, ...] = ()
        self._noted: dict[str, float] = {}

    def add(self, name: str, scope: Scope, *, lasts_s: float | None = None) -> tuple[Token, str]:
        """A new token, and its secret, which is kept nowhere.

        lasts_s: how long it is valid, None for as long as it is not revoked.
        Raises SettingError for a name that is taken or no name, StoreError if it cannot be kept.
        """
        if not _NAME.fullmatch(name):
            raise SettingError(
                "the name of a token must be letters, digits, _, ., @ and -, at most 64, "
                f"got {name!r:.80}"
            )
        if scope not in SCOPES:
            raise SettingError(f"scope must be one of {', '.join(SCOPES)}, got {scope!r:.80}")
        if lasts_s is not None and not 0 < lasts_s < 100 * 366 * 86400:
            raise SettingError("a token must expire after now, and within 100 years")
        now, secret = time.time(), PREFIX + secrets.token_urlsafe(32)
        token = Token(
            token_id=secrets.token_hex(4),
            name=name,
            scope=scope,
            sha256=_digest(secret),
            created=now,
            expires=None if lasts_s is None else now + lasts_s,
        )

        def with_it(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
            if any(one.name == name for one in tokens):
                raise SettingError(
                    f"there is a token {name!r} already; revoke it, or choose another name"
                )
            return (*tokens, token)

        self._change(with_it)
        return token, secret

    def revoke(self, name: str) -> Token:
        """Take a token away, by its name or id. Raises NotFoundError, StoreError."""
        found: list[Token] = []

        def without_it(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
            found.extend(one for one in tokens if name in (one.name, one.token_id))
            if not found:
                known = closest(name, [one.name for one in tokens])
                raise NotFoundError(f"no token is called {name!r:.80}; {known}")
            return tuple(one for one in tokens if one not in found)

        self._change(without_it)
        return found[0]

    def all(self) -> list[Token]:
        """All of them, the oldest first. Raises StoreError if the file cannot be used."""
        return list(self._known())

    def has_valid(self) -> bool:
        """Whether somebody has one that is valid now. Raises StoreError as `all` does."""
        return any(one.is_valid(time.time()) for one in self._known())

    def check(self, secret: str) -> Token | None:
        """The token with this secret, if it is valid now.

        Takes as long whichever token it is. A file that cannot be used has no tokens.
        """
        digest, found = _digest(secret), None
        with suppress(StoreError):
            for one in self._known():
                if hmac.compare_digest(one.sha256, digest):
                    found = one
        if found is None or not found.is_valid(time.time()):
            return None
        self._note_use(found)
        return found

    def valid(self, token_id: str) -> Token | None:
        """The token of this id, if it is valid still."""
        try:
            found = next((one for one in self._known() if one.token_id == token_id), None)
        except StoreError:
            return None
        return found if found is not None and found.is_valid(time.time()) else None

    def _known(self) -> tuple[Token, ...]:
        with self._guard:
            state = _state(self.file)
            if state != self._read_state:
                self._tokens = () if state is None else _read(self.file)
                self._read_state = state
            return self._tokens

    def _change(self, change: Callable[[tuple[Token, ...]], tuple[Token, ...]]) -> None:
        try:
            private_folder(self.file.parent)
            with FileLock(self.file.with_suffix(".lock"), timeout=_PATIENCE_S, mode=0o600):
                tokens = () if _state(self.file) is None else _read(self.file)
                text = _text(change(tokens))
                write_atomically(self.file, text, is_durable=True, mode=0o600)
        except Timeout:
            raise StoreBusyError(f"{self.file} is being changed; try again") from None
        except OSError as error:
            raise StoreError(f"{self.file} cannot be written: {error.strerror}") from None

    def _note_use(self, token: Token) -> None:
        """To the hour, so that a request seldom writes; not at all where another writes."""
        hour = time.time() // _USED_EVERY_S * _USED_EVERY_S
        if max(token.last_used or 0.0, self._noted.get(token.token_id, 0.0)) >= hour:
            return
        self._noted[token.token_id] = hour  # also if it cannot be written
        lock = FileLock(self.file.with_suffix(".lock"), timeout=0, mode=0o600)
        with suppress(OSError, Timeout, StoreError), lock:
            tokens = [
                replace(one, last_used=hour) if one.token_id == token.token_id else one
                for one in _read(self.file)
            ]
            write_atomically(self.file, _text(tokens), mode=0o600)


def seconds_of(text: str) -> float:
    """How long `30d`, `12h`, `90m`, `2w` or `3600s` is. Raises SettingError."""
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
    found = re.fullmatch(r"([0-9]{1,9})([smhdw])", text.strip())
    if found is None:
        raise SettingError(f"--expires must be a number with s, m, h, d or w, got {text!r:.80}")
    return float(found[1]) * units[found[2]]


def _text(tokens: Iterable[Token]) -> str:
    rows = [asdict(one) for one in tokens]
    return json.dumps({"version": _VERSION, "tokens": rows}, indent=1)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _state(file: Path) -> tuple[int, ...] | None:
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror}") from None
    return found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode, found.st_uid


def _read(file: Path) -> tuple[Token, ...]:
    """Raises StoreError, also for a file that others could have written."""
    try:
        with file.open("rb") as opened:
            if os.name == "posix":
                found = os.fstat(opened.fileno())
                if found.st_mode & 0o077 or found.st_uid not in (os.geteuid(), 0):
                    raise StoreError(
                        f"{file} could be read or written by others: none of its tokens is valid; "
                        "make it yours alone (chmod 600), and add them anew"
                    )
            content = json.loads(opened.read())
        return tuple(_token(row) for row in content["tokens"])
    except OSError as error:
        raise StoreError(f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise StoreError(f"{file} is damaged; remove it, and add the tokens anew") from None


def _token(row: dict[str, Any]) -> Token:
    token = Token(**row)
    if token.scope not in SCOPES or not re.fullmatch(r"[0-9a-f]{64}", token.sha256):
        raise ValueError("no token")
    if not isinstance(token.expires, int | float | None):
        raise ValueError("no time")
    return token
