"""A sink as a feeds file names it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lab.access.addresses import PUBLIC_ONLY, AddressRules
from lab.config import load_config
from lab.errors import LabError, SettingError
from lab.sinks.registered import sinks
from lab.sinks.secrets import keep_addresses_from_logs, redacted, secrets_of
from lab.sinks.sink import Sink


def type_of(name: str, settings: Mapping[str, Any]) -> str:
    """The type of a sink, which is its name where `type` is left out."""
    return str(settings.get("type") or name)


def make_sink(name: str, settings: Mapping[str, Any]) -> Sink:
    """The sink of that name. settings: as the file's `sinks` has them.

    Raises SettingError if they are wrong, LabError if it cannot be made now; neither shows a
    secret.
    """
    keep_addresses_from_logs()
    kind = type_of(name, settings)
    others = {key: value for key, value in settings.items() if key not in ("type", PUBLIC_ONLY)}
    try:
        made = sinks.make(kind, Sink, **others)  # type: ignore[type-abstract]
        if not made.is_for_feeds:
            made.close()
            raise SettingError(f"{kind} is a sink of jobs, not of feeds; use jsonl")
        if settings.get(PUBLIC_ONLY):
            made.keep_to(AddressRules.public(load_config().allowed_addresses))
    except LabError as error:
        text = f"sinks.{name}: {redacted(str(error), secrets_of(settings))}"
        raise type(error)(text) from None
    return made
