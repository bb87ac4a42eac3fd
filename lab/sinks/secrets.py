"""What no error, log or page shows: keys, passwords, and addresses that open a door."""

from __future__ import annotations

import logging
import os
import re
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any

_SHORTEST = 4
_SECRET_NAME = re.compile(
    r"(key|apikey|token|secrets?|password|passwd|credentials?|auth|authorization)$"
)
# Variables whose values are keys, or addresses that anybody who knows them may post to.
_VARIABLE = re.compile(
    r"^(DETSTREAM|SIGHTING_LAB)_\w*(KEY|TOKEN|SECRETS?|PASSWORD|WEBHOOK_URL|_URL)$"
)

# Loggers of libraries that write whole addresses, and what is in them, below warnings.
_TELL_ADDRESSES = ("apprise", "httpcore2", "httpx2", "urllib3")


def keep_addresses_from_logs() -> None:
    """Let libraries that send only log warnings, whatever the level of the others is."""
    for name in _TELL_ADDRESSES:
        logging.getLogger(name).setLevel(logging.WARNING)


def secrets_of(
    settings: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """The texts of a sink's settings, and of the environment, that are not to be shown.

    Addresses count as secret with their path, query and user, for who knows that of a chat's
    webhook may post there; the host may be shown.
    """
    found: set[str] = set()
    for name, value in (os.environ if environ is None else environ).items():
        if _VARIABLE.match(name):
            found |= _parts(value)
    for name, value in _texts("", settings):
        if _SECRET_NAME.search(name.lower()):
            found |= {value, *value.split()}
        if "://" in value:
            found |= _parts(value)
    return tuple(sorted((one for one in found if len(one) >= _SHORTEST), key=len, reverse=True))


def redacted(text: str, secrets: Iterable[str]) -> str:
    """The text without them; also as an address writes them."""
    for secret in secrets:
        for form in (secret, urllib.parse.quote(secret, safe=""), urllib.parse.quote(secret)):
            text = text.replace(form, "***")
    return text


def _texts(name: str, value: Any) -> Iterable[tuple[str, str]]:
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(str(key), inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(name, inner)


def _parts(address: str) -> set[str]:
    if "://" not in address:
        return {address}
    try:
        parts = urllib.parse.urlsplit(address)
        user, password = parts.username or "", parts.password or ""
    except ValueError:
        return {address}
    path = [one for one in parts.path.split("/") if len(one) >= 16]
    query = [value for _, value in urllib.parse.parse_qsl(parts.query)]
    whole = {address} if parts.path.strip("/") or parts.query or user else set()
    return {*whole, user, password, *path, *query}
