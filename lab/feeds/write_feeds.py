"""Writing a feeds file: the feeds of a store that were made on pages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lab.atomic_file import write_atomically
from lab.detectors.plugins.secrets import is_secret
from lab.errors import SettingError, StoreError
from lab.feeds.variables import has_variable
from lab.jobs.document.export import text_of
from lab.jobs.document.text import json_path
from lab.private_files import private_folder

FILE_NAME = "app.yaml"
_QUERY_SECRET = re.compile(r"[?&][^=&]*(key|token|secret|password|auth|sig)[^=&]*=[^&$]", re.I)
_NO_SECRETS = ("output_key",)


def app_file(store: str | Path) -> Path:
    """Where a store's folder has the feeds that were made on pages."""
    return Path(store) / "feeds" / FILE_NAME


def write_feeds(
    path: str | Path, feeds: Sequence[Mapping[str, Any]], sinks: Mapping[str, Any]
) -> None:
    """Write a feeds file whole, readable by its owner alone.

    feeds, sinks: as a feeds file has them (`FeedsFile.rows` and `sink_rows`), secrets as `${VAR}`;
    see `lab.feeds.dot_env.keep_secret`.

    Raises SettingError for a secret in plain, StoreError if the file cannot be written.
    """
    path = Path(path)
    document = {"feeds": [dict(row) for row in feeds], "sinks": dict(sinks)}
    _check_secrets(document, ())
    text = "# Written by the app. Secrets are in .env beside it.\n" + text_of(document)
    try:
        private_folder(path.parent)
        write_atomically(path, text, is_durable=True, mode=0o600)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from None


def _check_secrets(value: Any, place: tuple[str | int, ...]) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _check_secrets(inner, (*place, key))
    elif isinstance(value, list | tuple):
        for i, inner in enumerate(value):
            _check_secrets(inner, (*place, i))
    elif isinstance(value, str) and _is_plain_secret(value, place):
        raise SettingError(
            f"{json_path(place)}: a secret is kept in the environment or in .env, and named here "
            "as ${NAME}"
        )


def _is_plain_secret(value: str, place: tuple[str | int, ...]) -> bool:
    key = next((str(part) for part in reversed(place) if isinstance(part, str)), "")
    if is_secret(key) and key not in _NO_SECRETS and value:
        return not has_variable(value)
    if "://" not in value:
        return False
    try:
        password = urlsplit(value).password
    except ValueError:
        return True
    return (password is not None and not has_variable(password)) or _QUERY_SECRET.search(
        value
    ) is not None
