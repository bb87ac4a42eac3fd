"""A feed: a named live source with its detector, rule and sinks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lab.errors import SettingError
from lab.feeds.control_settings import ControlSettings
from lab.rules.rule import Rule

FEED_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
EVERY_S = 2.0
COOLDOWN_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Feed:
    """What is watched, and how. It may hold secrets (an address with a password): see `shown`.

    feed_id: letters, digits, `_`, `.` and `-`, at most 64. source: its `type`, and the settings of
    that source. detector: a registered one, with its settings. every_s: seconds between samples.
    rule: with the cooldown of feeds unless one was given. rule_is_given: whether this rule is to
    replace the one that was last set for the feed on a page.
    sinks: names in the file's `sinks`; the store is not among them, it is always on.
    silent_s: without a new frame for so long the source counts as down. frozen_s: the same for a
    picture that stays the same, 0 for never. keep_s: how long its packets are kept, 0 for not at
    all. keep_bytes: at most so much of them. is_started: whether it runs from the beginning.
    site: of its recordings. control: a clip with known answers that is played into it at times.
    """

    feed_id: str
    name: str = ""
    source: Mapping[str, Any]
    detector: str = "yolo"
    detector_settings: Mapping[str, Any] = field(default_factory=dict)
    every_s: float = EVERY_S
    rule: Rule = field(default_factory=Rule)
    rule_is_given: bool = False
    rule_name: str | None = None
    sinks: tuple[str, ...] = ()
    silent_s: float = 15.0
    frozen_s: float = 15.0
    keep_s: float = 24 * 3600.0
    keep_bytes: int = 20 << 30
    is_started: bool = True
    site: str | None = None
    control: ControlSettings | None = None

    def __post_init__(self) -> None:
        if not FEED_ID.fullmatch(self.feed_id):
            raise SettingError(
                "the id of a feed must be letters, digits, _, . and -, at most 64, "
                f"got {self.feed_id!r:.80}"
            )
        if not isinstance(self.source.get("type"), str):
            raise SettingError(f"feed {self.feed_id}: source.type is missing")

    @property
    def title(self) -> str:
        return self.name or self.feed_id
