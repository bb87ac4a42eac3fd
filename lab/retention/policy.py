"""The policy: of each kind what may go, kept in the store as `retention.json`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.atomic_file import write_atomically
from lab.errors import SettingError, StoreError, closest
from lab.retention.kinds import KINDS
from lab.store.damage import unusable
from lab.store.store import Store

_FILE = "retention.json"
_KEYS = ("older_than_days", "larger_than_bytes", "only", "unapplied")


@dataclass(frozen=True, kw_only=True)
class KindPolicy:
    """What of one kind may go: what is older than an age, and the oldest beyond a size.

    older_than_days: since it was made. larger_than_bytes: of all of the kind; the oldest go until
    it is no more. Of the two, each is enough; without both nothing goes. only: `unsighted`,
    `reviewed` or `unreviewed`; see `lab.retention.kinds.ONLY`. unapplied: of logs, also those of
    runs to which no rule was applied. Raises SettingError.
    """

    older_than_days: float | None = None
    larger_than_bytes: int | None = None
    only: str | None = None
    unapplied: bool = False

    def __post_init__(self) -> None:
        for name in ("older_than_days", "larger_than_bytes"):
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if value is not None and not (is_number and math.isfinite(value) and value >= 0):
                raise SettingError(f"{name} must be a number of 0 or more, got {value!r}")

    @property
    def is_active(self) -> bool:
        return self.older_than_days is not None or self.larger_than_bytes is not None

    def to_dict(self) -> dict[str, Any]:
        """What is not as by default."""
        kept = {name: getattr(self, name) for name in _KEYS}
        return {
            name: value for name, value in kept.items() if value is not None and value is not False
        }


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A policy for each kind of `lab.retention.kinds.KINDS`; what has none stays.

    Each may be given as a mapping. Raises SettingError.
    """

    leftovers: KindPolicy = field(default_factory=KindPolicy)
    pictures: KindPolicy = field(default_factory=KindPolicy)
    copies: KindPolicy = field(default_factory=KindPolicy)
    removed: KindPolicy = field(default_factory=KindPolicy)
    clips: KindPolicy = field(default_factory=KindPolicy)
    logs: KindPolicy = field(default_factory=KindPolicy)

    def __post_init__(self) -> None:
        for name, kind in KINDS.items():
            one = getattr(self, name)
            if isinstance(one, Mapping):
                one = _kind_policy(name, one)
                object.__setattr__(self, name, one)
            if not isinstance(one, KindPolicy):
                raise SettingError(f"the policy of {name} must be a mapping, got {one!r}")
            if one.only is not None and one.only not in kind.only:
                raise SettingError(_no_such_condition(name, one.only))
            if one.unapplied and name != "logs":
                raise SettingError(f"unapplied is a setting of logs, not of {name}")

    def of(self, kind: str) -> KindPolicy:
        """Of one kind. Raises SettingError for an unknown one."""
        if kind not in KINDS:
            raise SettingError(f"no kind of files {kind!r}; {closest(kind, list(KINDS))}")
        found: KindPolicy = getattr(self, kind)
        return found

    @property
    def is_active(self) -> bool:
        """Whether it lets anything go."""
        return any(self.of(kind).is_active for kind in KINDS)

    def with_kind(self, kind: str, one: KindPolicy) -> Policy:
        """The same with another policy of one kind."""
        self.of(kind)
        return Policy(**{**{name: self.of(name) for name in KINDS}, kind: one})

    def to_dict(self) -> dict[str, Any]:
        found = {kind: self.of(kind).to_dict() for kind in KINDS}
        return {kind: one for kind, one in found.items() if one}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Policy:
        """Raises SettingError."""
        for kind in given:
            cls().of(kind)
        return cls(**given)


def _kind_policy(kind: str, given: Mapping[str, Any]) -> KindPolicy:
    for name in given:
        if name not in _KEYS:
            raise SettingError(f"{kind} has no setting {name!r}; {closest(name, list(_KEYS))}")
    return KindPolicy(**given)


def _no_such_condition(kind: str, only: str) -> str:
    known = KINDS[kind].only
    if only == "reviewed" and kind in ("logs", "clips"):
        return f"{kind} of reviewed clips are kept; the other condition is: unsighted"
    return f"no condition {only!r} for {kind}; {closest(only, list(known))}"


def read_policy(store: Any = None) -> Policy:
    """The policy of a store; one that lets nothing go if it has none.

    Raises SettingError for a file that is not valid, StoreError for one that cannot be read.
    """
    path = _path(store)
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Policy()
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}; make it readable") from None
    except ValueError as error:
        raise SettingError(f"{path} is not valid JSON: {error}; correct or remove it") from None
    if not isinstance(given, Mapping):
        raise SettingError(f"{path} must be a mapping of kinds; correct or remove it")
    return Policy.from_dict(given)


def write_policy(store: Any, policy: Policy) -> Path:
    """Keep a policy in a store. Raises StoreError."""
    path = _path(store)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_atomically(path, json.dumps(policy.to_dict(), indent=1), is_durable=True)
    except OSError as error:
        raise unusable(path.parent, error) from None


def _path(store: Any) -> Path:
    return Store.coerce(store).folder / _FILE
