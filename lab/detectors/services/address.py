"""Addresses of services, and the secrets that they ask for."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import Any
from urllib.parse import SplitResult, urlsplit

from lab.errors import DetectorError, SettingError


def check_url(name: str, url: Any, *, http_only_on_loopback: bool = False) -> str:
    """An http or https address without credentials, query or fragment, and no `/` at its end.

    Raises SettingError, which never shows an address that holds credentials.
    """
    if not isinstance(url, str) or not url.strip():
        raise SettingError(f"{name} must be an address such as http://host:port, got {url!r}")
    parts = split_url(url.strip())
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingError(f"{name} must begin with http:// or https:// and name a host")
    if "@" in parts.netloc:
        raise SettingError(
            f"{name} must not contain a user name or password, since it is kept with every "
            "run; put the secret in an environment variable"
        )
    if parts.query or parts.fragment:
        raise SettingError(
            f"{name} must end with its path, without ? or #; got {origin(url)} and more"
        )
    if http_only_on_loopback and parts.scheme == "http" and not is_loopback(parts.hostname):
        raise SettingError(
            f"{name} must begin with https://; http is only for this machine, got {origin(url)}"
        )
    return parts.geturl().rstrip("/")


def origin(url: str) -> str:
    """Scheme, host and port: all that a message says of an address."""
    parts = split_url(url)
    if parts is None or not parts.hostname:
        return "another address"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def is_loopback(host: str) -> bool:
    """Whether a name or an address, in brackets or not, leads to this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def secret_from(setting: str, variable: Any, purpose: str) -> str:
    """The secret in an environment variable. The messages never show it.

    Raises SettingError if `variable` is not such a name (a secret put there by mistake is not
    shown), DetectorError if it is not set or its value is not valid.
    """
    if not isinstance(variable, str) or not re.fullmatch(r"[A-Z_][A-Z0-9_]*", variable):
        raise SettingError(
            f"{setting} must be the name of an environment variable, in capital letters, "
            "not the secret"
        )
    secret = os.environ.get(variable, "").strip()
    if not secret:
        raise DetectorError(
            f"the environment variable {variable} is not set; put {purpose} there, or name "
            f"another variable with {setting}"
        )
    if not re.fullmatch(r"[!-~]+", secret):
        raise DetectorError(
            f"the environment variable {variable} holds spaces or letters beyond ASCII; "
            f"put {purpose} there"
        )
    return secret


def split_url(url: str) -> SplitResult | None:
    """The parts of an address; None if it is not valid."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
