"""Addresses that somebody types on a page or sends to the API, and to which this server connects.

Whoever uses the app on this machine may name its own cameras and services. Anybody else could reach
by it what their own network does not let them: for them the address must be public, or one that the
settings allow, now and at each connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lab.access.addresses import PUBLIC_ONLY, AddressError, AddressRules
from lab.access.asker import Asker
from lab.config import Config
from lab.feeds.variables import has_variable

SCHEMES = ("http", "https", "ws", "wss", "rtsp", "rtsps")


def rules_for(config: Config, asker: Asker | None) -> AddressRules:
    """Where the server may connect for whoever asks; None is somebody whom no guard let in."""
    is_local = asker is not None and asker.is_local
    kind = config.private_addresses
    if kind == "all" or (kind == "local" and is_local):
        return AddressRules()
    return AddressRules.public(config.allowed_addresses)


def typed_settings(
    config: Config, asker: Asker | None, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """The settings of a source or a sink as they may be kept, checked for who typed them.

    With `public_only` where the rules hold at each connection, too. Raises AddressError, or
    SourceError for a host that is not there.
    """
    kept = {key: value for key, value in settings.items() if key != PUBLIC_ONLY}
    rules = rules_for(config, asker)
    if rules.allows_private:
        return kept
    for text in _texts(kept):
        if "://" not in text:
            continue
        if has_variable(text):
            raise AddressError(
                "an address that holds a secret from before cannot be checked; type it whole"
            )
        rules.check(text, schemes=SCHEMES)
    return kept | {PUBLIC_ONLY: True}


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
