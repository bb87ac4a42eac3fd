"""`.env`: variables beside a feeds file, and the one in which a store keeps secrets."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path

from filelock import FileLock

from lab.atomic_file import write_atomically
from lab.errors import SettingError, StoreError
from lab.private_files import private_folder

FILE_NAME = ".env"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEPT = "FEED_SECRET_"  # how names begin that `keep_secret` gives
_LOCK, _LOCK_S = ".env.lock", 10
_MAX_BYTES = 1 << 20


def read_dot_env(path: Path) -> dict[str, str]:
    """The variables in a file; none if it is not there.

    `NAME=value` a line, also after `export `. What is in quotes is taken as it is; of other values
    ` #` begins a comment. The last of several lines for one name counts.

    Raises SettingError if it cannot be read; no message shows what it holds.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise SettingError(f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    found = {}
    for line in text.splitlines():
        name, is_variable, value = line.strip().partition("=")
        name = name.removeprefix("export ").strip()
        if is_variable and _NAME.fullmatch(name):
            found[name] = _value(value.strip())
    return found


def with_dot_env(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The variables of an environment, and those of `.env` in a folder that it does not have."""
    return {**read_dot_env(folder / FILE_NAME), **environ}


def load_dot_env(folder: Path) -> None:
    """Put the variables of `.env` in a folder into the environment of this process.

    One that is set there otherwise stays. One that came from a `.env` before takes its new value.
    """
    for name, value in read_dot_env(folder / FILE_NAME).items():
        if name not in os.environ or _loaded.get(name) == os.environ[name]:
            os.environ[name] = _loaded[name] = value


def keep_secret(store: str | Path, value: str) -> str:
    """Keep a secret in `feeds/.env` of a store's folder, which its owner alone can read.

    Returns `${NAME}`, which stands for it in the store's own feeds file; the same for the same
    value. Raises SettingError for text that no line can hold, StoreError if it cannot be written.
    """
    if not value or not value.isprintable():
        raise SettingError("a secret must be text in one line, and not empty")
    folder = Path(store) / "feeds"
    path = folder / FILE_NAME
    line = _quoted(value)
    try:
        private_folder(folder)
        with FileLock(folder / _LOCK, timeout=_LOCK_S):
            known = read_dot_env(path)
            for name, kept in known.items():
                if kept == value:
                    return f"${{{name}}}"
            name = f"{_KEPT}{secrets.token_hex(4).upper()}"
            before = path.read_text("utf-8") if path.is_file() else ""
            if before and not before.endswith("\n"):
                before += "\n"
            write_atomically(path, f"{before}{name}={line}\n", is_durable=True, mode=0o600)
    except (OSError, TimeoutError) as error:
        raise StoreError(f"{path} cannot be written: {error}") from None
    return f"${{{name}}}"


def forget_secrets(store: str | Path, names: Collection[str]) -> None:
    """Take secrets that `keep_secret` kept from `feeds/.env` of a store's folder, by their names.

    Lines of other names are their user's, and stay. Raises StoreError if it cannot be written.
    """
    gone = {name for name in names if name.startswith(_KEPT)}
    folder = Path(store) / "feeds"
    path = folder / FILE_NAME
    if not gone or not path.is_file():
        return
    try:
        with FileLock(folder / _LOCK, timeout=_LOCK_S):
            lines = path.read_text("utf-8").splitlines(keepends=True)
            left = [line for line in lines if line.partition("=")[0].strip() not in gone]
            if left != lines:
                write_atomically(path, "".join(left), is_durable=True, mode=0o600)
    except (OSError, TimeoutError) as error:
        raise StoreError(f"{path} cannot be written: {error}") from None


_loaded: dict[str, str] = {}


def _value(text: str) -> str:
    if text[:1] not in ("'", '"'):
        return text.split(" #", 1)[0].strip()
    end = text.find(text[0], 1)
    return text[1:] if end < 0 else text[1:end]


def _quoted(value: str) -> str:
    """A value as `read_dot_env` reads it back."""
    for quote in ("'", '"'):
        if quote not in value:
            return f"{quote}{value}{quote}"
    if _value(value) != value:
        raise SettingError(
            "a secret with both kinds of quotes may not begin with one, nor hold ' #'"
        )
    return value
