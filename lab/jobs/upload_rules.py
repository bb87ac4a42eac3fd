"""The rule of an analysis of an upload: as given, the current one, or the detector's default."""

from __future__ import annotations

from typing import Any

from lab.jobs.document.rules import rule_of
from lab.store.store import Store

CURRENT = "current"
# As a document writes them; `CURRENT` for the rule that was applied to all clips of the protocol;
# None for the detector's default, whose sightings are told and not kept.
AskedRules = dict[str, Any] | str | None


class UploadRule:
    """The rule of one analysis. threshold: the detector's default.

    rule: by which sightings are told meanwhile. is_kept: whether they are saved at the end. name:
    of the rule, or None. With `CURRENT` all three are right after `settle`; where no rule is
    current, they are as with None.
    """

    def __init__(self, asked: AskedRules, threshold: float) -> None:
        self._is_open = asked == CURRENT
        given = asked if isinstance(asked, dict) else None
        self.rule = rule_of(given, threshold)
        self.is_kept = given is not None
        self.name: str | None = None

    def settle(self, store: Store, protocol_hash: str) -> None:
        """Take the rule that is current for a protocol, once: it stays so over a run."""
        if not self._is_open:
            return
        self._is_open = False
        if current := store.current_rules([protocol_hash]).get(protocol_hash):
            self.rule, self.is_kept, self.name = current.rule, True, current.name
