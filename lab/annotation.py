"""Annotations: a label was there, or a stretch of the clip was watched for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, get_args
from uuid import uuid4

from lab.errors import SettingError, closest

Origin = Literal["independent", "accepted", "queue", "audit"]
ORIGINS: tuple[str, ...] = get_args(Origin)
Answer = Literal["accepted", "rejected", "unsure"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)


def utc_now() -> datetime:
    """The current time in UTC, without a time zone, as DuckDB's TIMESTAMP holds it."""
    return datetime.now(UTC).replace(tzinfo=None)


def _check(one: Annotation | Coverage) -> None:
    what = type(one).__name__.lower()
    if not one.label.strip():
        raise SettingError(f"the label of an {what} is empty; name what was seen or looked for")
    if one.start_us > one.end_us:
        raise SettingError(
            f"{what} of {one.label!r} ends at {one.end_us / 1e6:g} s, before it begins at "
            f"{one.start_us / 1e6:g} s; swap the two"
        )
    if one.origin not in ORIGINS:
        raise SettingError(f"unknown origin {one.origin!r}; {closest(one.origin, list(ORIGINS))}")


@dataclass(frozen=True, kw_only=True)
class Annotation:
    """`annotator` says that `label` was there from `start_us` to `end_us` (media time).

    origin: `independent` (seen by the annotator alone), `accepted` (edges copied from a
        sighting, so they measure nothing), `queue` (answer to a question about a moment on
        which rules disagree), `audit` (blind answer for a drawn sample).

    Raises SettingError if it ends before it begins, or has no label or an unknown origin.
    """

    media_id: str
    label: str
    start_us: int
    end_us: int
    annotator: str = "me"
    origin: Origin = "independent"
    created_utc: datetime = field(default_factory=utc_now)
    annotation_id: str = field(default_factory=lambda: uuid4().hex[:16])

    def __post_init__(self) -> None:
        _check(self)

    @property
    def start_s(self) -> float:
        return self.start_us / 1e6

    @property
    def end_s(self) -> float:
        return self.end_us / 1e6


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """`annotator` watched from `start_us` to `end_us` for `label`, whether or not it was there.

    origin: `independent`, `queue` or `audit`, as of annotations.
    """

    media_id: str
    label: str
    start_us: int
    end_us: int
    annotator: str = "me"
    origin: Origin = "independent"
    created_utc: datetime = field(default_factory=utc_now)
    coverage_id: str = field(default_factory=lambda: uuid4().hex[:16])

    def __post_init__(self) -> None:
        _check(self)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What `annotator` says of one sighting of a rule.

    verdict: `accepted` if the label was there, `rejected` if it was not, `unsure` if the annotator
        cannot tell. new_label: what was there instead of a rejected label, if that is known.
    """

    media_id: str
    label: str
    start_us: int
    end_us: int
    verdict: Answer
    annotator: str = "me"
    run_id: str | None = None
    rule_hash: str | None = None
    new_label: str | None = None
    created_utc: datetime = field(default_factory=utc_now)
    verdict_id: str = field(default_factory=lambda: uuid4().hex[:16])
