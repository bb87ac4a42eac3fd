"""A name for what a rule found in a run, by which a page knows whether it shows just that."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from lab.rules.rule import Rule
from lab.sighting import Sighting


def result_of(run_id: str, rule: Rule, found: Sequence[Sighting]) -> str:
    """The same for the same sightings of the same run and rule, and for no others."""
    digest = blake2b(digest_size=12)
    for s in found:
        facts = (s.label, s.onset_us, s.offset_us, s.peak_us, s.alert_us, s.close_reason)
        digest.update(repr((*facts, s.onset_earliest_us, s.offset_latest_us)).encode())
    return f"{run_id} {rule.rule_hash} {digest.hexdigest()}"
