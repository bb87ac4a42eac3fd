"""What a removal did: counted while it goes on, and told after it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lab.annotation import utc_now
from lab.retention.items import Item

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Removed:
    """What a removal did.

    counts, size_bytes: by kind. kept: by kind, why some were kept after all, with their number:
    words of `lab.retention.kinds.REASONS`. problems: a line about each that could not be removed.
    """

    at_utc: datetime
    counts: Mapping[str, int]
    size_bytes: Mapping[str, int]
    kept: Mapping[str, Mapping[str, int]]
    problems: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    @property
    def total_bytes(self) -> int:
        return sum(self.size_bytes.values())

    def to_dict(self) -> dict[str, Any]:
        return {
            "at_utc": self.at_utc.isoformat() + "Z",
            "counts": dict(self.counts),
            "bytes": dict(self.size_bytes),
            "kept": {kind: dict(found) for kind, found in self.kept.items()},
            "problems": list(self.problems),
        }


@dataclass
class Tally:
    """What was done so far."""

    total: int
    progress: Progress | None
    done: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    size_bytes: dict[str, int] = field(default_factory=dict)
    kept: dict[str, dict[str, int]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def gone(self, kind: str, size_bytes: int) -> None:
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.size_bytes[kind] = self.size_bytes.get(kind, 0) + size_bytes
        self._step()

    def keep(self, kind: str, why: str) -> None:
        found = self.kept.setdefault(kind, {})
        found[why] = found.get(why, 0) + 1
        self._step()

    def fail(self, item: Item, error: OSError) -> None:
        self.problems.append(f"{item.name} cannot be removed: {error.strerror or error}")
        self._step()

    @contextmanager
    def removing(self, kind: str, item: Item) -> Iterator[None]:
        """Counts what is removed inside, or names it with the reason where it cannot be."""
        try:
            yield
        except OSError as error:
            self.fail(item, error)
        else:
            self.gone(kind, item.size_bytes)

    def _step(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(self.done, self.total)

    def removed(self) -> Removed:
        return Removed(
            at_utc=utc_now(),
            counts=self.counts,
            size_bytes=self.size_bytes,
            kept=self.kept,
            problems=tuple(self.problems),
        )
