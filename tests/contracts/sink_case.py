"""What the contract suite knows of a sink."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lab.sinks.event import SightingEvent


@dataclass
class SinkCase:
    """What a sink is made with, and what arrives from it.

    read: what has arrived so far, as text.
    stop: ends the other side; None where there is none. secrets: what no error may show.
    change: gives an event what this sink cannot be without.
    """

    settings: dict[str, Any]
    read: Callable[[], str]
    stop: Callable[[], None] | None = None
    secrets: list[str] = field(default_factory=list)
    change: Callable[[SightingEvent], SightingEvent] = lambda event: event
