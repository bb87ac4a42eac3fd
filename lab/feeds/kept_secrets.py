"""Secrets that somebody typed: kept apart from the feeds, which name them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from lab.detectors.plugins.secrets import is_secret
from lab.errors import SettingError
from lab.feeds.dot_env import FILE_NAME as DOT_ENV
from lab.feeds.dot_env import keep_secret, read_dot_env
from lab.feeds.variables import has_variable
from lab.feeds.write_feeds import app_file
from lab.store.store import Store

SECRET_ADDRESSES = ("webhook_url", "urls")  # whoever knows one of these can post there
_SECRET_QUERY = re.compile(r"[?&][^=&]*(key|token|secret|password|auth|sig)[^=&]*=[^&]", re.I)
_VARIABLE = re.compile(r"\$\{(\w+)\}")


def without_secrets(store: Store, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with `${NAME}` in place of each secret, which is kept for the feeds alone.

    A name that stands there already must be of one that is kept so: what a page sends must not
    carry the environment of this process elsewhere.

    Raises SettingError or StoreError if one cannot be kept, or a name is none of these.
    """
    return {name: _without(store, name, value) for name, value in settings.items()}


def _without(store: Store, name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_without(store, name, one) for one in value]
    if isinstance(value, dict):
        return {key: _without(store, key, one) for key, one in value.items()}
    if not isinstance(value, str) or not value:
        return value
    if has_variable(value):
        _check_names(store, value)
        return value
    if is_secret(name) or name in SECRET_ADDRESSES or _SECRET_QUERY.search(value):
        return keep_secret(store.folder, value)
    try:
        password = urlsplit(value).password if "://" in value else None
    except ValueError:
        return value  # whoever opens it says what is wrong
    if not password:
        return value
    return value.replace(f":{password}@", f":{keep_secret(store.folder, password)}@", 1)


def _check_names(store: Store, value: str) -> None:
    known = read_dot_env(app_file(store.folder).parent / DOT_ENV)
    for name in _VARIABLE.findall(value):
        if name not in known:
            raise SettingError(
                f"${{{name}}} is not in {DOT_ENV} of the feeds; type the secret itself, which is "
                "then kept there under a name, or add it to that file"
            )
