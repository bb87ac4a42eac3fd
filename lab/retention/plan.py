"""What would go by a policy, and what is kept, before anything goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from lab.annotation import utc_now
from lab.retention.items import Inventory, Item
from lab.retention.kinds import KINDS, REASONS
from lab.retention.policy import KindPolicy, Policy, read_policy
from lab.store.store import Store

if TYPE_CHECKING:
    import pandas as pd

_EXAMPLES = 5


@dataclass(frozen=True)
class Kept:
    """What a policy would take, and does not: how many, their bytes, and some names."""

    count: int
    size_bytes: int
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class KindPlan:
    """What would go of one kind.

    going: the oldest first. kept: by why, a word of `lab.retention.kinds.REASONS`; only what age
    or size would take. count, size_bytes: of all there is of the kind. for_good: how many of those
    that are made from a clip's file cannot be made again, since that is not there, or goes as well.
    """

    kind: str
    policy: KindPolicy
    going: tuple[Item, ...]
    kept: Mapping[str, Kept]
    count: int
    size_bytes: int
    for_good: int = 0

    @property
    def going_bytes(self) -> int:
        return sum(item.size_bytes for item in self.going)

    @property
    def over_bytes(self) -> int:
        """By how much the rest is more than the policy's size, since it is kept; else 0."""
        limit = self.policy.larger_than_bytes
        rest = self.size_bytes - self.going_bytes
        return 0 if limit is None else max(0, rest - limit)

    @property
    def made_again(self) -> str:
        """Whether what goes can be made again, in a sentence; of other kinds nothing."""
        lost, rest = self.for_good, sum(one.media_id is not None for one in self.going)
        rest -= lost
        how = " (lab analyze --resume RUN)" if self.kind == "logs" else ""
        parts = [f"{rest:,} can be made again from the file of the clip{how}"] if rest else []
        if lost:
            parts.append(
                f"{lost:,} cannot be made again: the file of the clip is not there, or goes"
            )
        return f"{'; '.join(parts)}." if parts else ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "policy": self.policy.to_dict(),
            "there": {"count": self.count, "bytes": self.size_bytes},
            "going": {
                "count": len(self.going),
                "bytes": self.going_bytes,
                "examples": [item.name for item in self.going[:_EXAMPLES]],
                "stopped": sum(item.is_stopped for item in self.going),
                "for_good": self.for_good,
            },
            "kept": {
                why: {
                    "count": one.count,
                    "bytes": one.size_bytes,
                    "reason": REASONS[why],
                    "examples": list(one.examples),
                }
                for why, one in self.kept.items()
            },
            "over_bytes": self.over_bytes,
        }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What would go from a store at one moment; see `preview`."""

    folder: str
    policy: Policy
    made_utc: datetime
    kinds: Mapping[str, KindPlan] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many items would go."""
        return sum(len(one.going) for one in self.kinds.values())

    @property
    def size_bytes(self) -> int:
        """How many bytes would be free then, about."""
        return sum(one.going_bytes for one in self.kinds.values())

    def to_frame(self) -> pd.DataFrame:
        """One row for each that would go: kind, key, name, bytes, since_utc, sightings."""
        import pandas as pd

        rows = [
            (kind, item.key, item.name, item.size_bytes, item.since_utc, item.sightings)
            for kind, one in self.kinds.items()
            for item in one.going
        ]
        columns = ["kind", "key", "name", "bytes", "since_utc", "sightings"]
        return pd.DataFrame(rows, columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """What `lab retention --json` prints."""
        return {
            "store": self.folder,
            "going": {"count": self.count, "bytes": self.size_bytes},
            "kinds": {kind: one.to_dict() for kind, one in self.kinds.items()},
        }


def preview(
    store: Any = None, policy: Policy | None = None, *, now_utc: datetime | None = None
) -> Plan:
    """What would go, and what is kept; changes nothing.

    store: a store, what `lab.open_store` gives, or a folder. policy: the one of the store by
    default. now_utc: the time from which ages count. What an interrupted removal left is always
    part of it. Raises SettingError, StoreError.
    """
    store = Store.coerce(store)
    policy = read_policy(store) if policy is None else policy
    now = now_utc or utc_now()
    inventory = Inventory(store)
    kinds = {
        kind: _plan(kind, policy.of(kind), inventory.items(kind), inventory, now) for kind in KINDS
    }
    files_going = {item.key for item in kinds["clips"].going}
    for kind, one in kinds.items():
        kinds[kind] = replace(one, for_good=_for_good(one.going, inventory, files_going))
    return Plan(folder=str(store.folder), policy=policy, made_utc=now, kinds=kinds)


def _for_good(going: Iterable[Item], inventory: Inventory, files_going: set[str]) -> int:
    clips = {item.media_id for item in going if item.media_id is not None}
    lost = {
        one
        for one in clips
        if one in files_going or one not in inventory.clips or not inventory.has_original(one)
    }
    return sum(item.media_id in lost for item in going)


def _plan(
    kind: str, policy: KindPolicy, items: Sequence[Item], inventory: Inventory, now: datetime
) -> KindPlan:
    going = {item.key: item for item in items if item.is_stopped}
    total = sum(item.size_bytes for item in items)
    left = total - sum(item.size_bytes for item in going.values())
    held: dict[str, list[Item]] = {}
    for item in items:
        if item.key in going or not _fits(item, policy) or not _is_due(item, policy, now, left):
            continue
        why = _why_kept(kind, item, policy, inventory)
        if why is not None:
            held.setdefault(why, []).append(item)
            continue
        going[item.key] = item
        left -= item.size_bytes
    return KindPlan(
        kind=kind,
        policy=policy,
        going=tuple(going.values()),
        kept={why: _kept(held[why]) for why in REASONS if why in held},
        count=len(items),
        size_bytes=total,
    )


def _is_due(item: Item, policy: KindPolicy, now: datetime, left_bytes: int) -> bool:
    days, limit = policy.older_than_days, policy.larger_than_bytes
    is_old = days is not None and now - item.since_utc > timedelta(days=min(days, 10**6))
    return is_old or (limit is not None and left_bytes > limit)


def _fits(item: Item, policy: KindPolicy) -> bool:
    return {
        None: True,
        "unsighted": not item.sightings,
        "reviewed": item.is_reviewed,
        "unreviewed": not item.is_reviewed,
    }[policy.only]


def _why_kept(kind: str, item: Item, policy: KindPolicy, inventory: Inventory) -> str | None:
    if kind in ("pictures", "copies"):
        return None if inventory.has_original(item.key) else "only"
    return None if policy.unapplied and item.kept == "unapplied" else item.kept


def _kept(items: Iterable[Item]) -> Kept:
    found = list(items)
    names = tuple(item.name for item in found[:_EXAMPLES])
    return Kept(len(found), sum(item.size_bytes for item in found), names)
