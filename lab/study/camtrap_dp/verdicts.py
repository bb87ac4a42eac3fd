"""Verdicts on sightings that a package brings along."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from math import isfinite
from typing import Any
from uuid import uuid4

from lab.annotation import ANSWERS, Annotation, Verdict
from lab.clock import parse_time
from lab.errors import SettingError, closest
from lab.store.store import Store
from lab.study.camtrap_dp.columns import VERDICTS
from lab.study.table_file import TableRow, raise_all, read_table_file

MAX_TEXT_BYTES = 255
_NEEDED = ("mediaID", "label", "verdict", "judgedBy")
_ROOM_US = 1_000_000  # how far a stretch may reach over the ends of its clip


def read_verdicts(path: str, raw: bytes) -> list[Verdict]:
    """The rows of `sighting-verdicts.csv`, media_id as the package has it. Raises SettingError."""
    rows, _ = read_table_file(path, dict.fromkeys(VERDICTS, ()), raw)
    read, errors = [], []
    for row in rows:
        try:
            read.append(_verdict(row))
        except SettingError as error:
            errors.append(error if str(error).startswith(row.where) else row.error(str(error)))
    raise_all(errors)
    return read


def _verdict(row: TableRow) -> Verdict:
    for name in _NEEDED:
        if not row[name]:
            raise row.error(f"{name} is empty; each verdict needs {', '.join(_NEEDED)}")
    for name in ("label", "newLabel", "judgedBy"):
        if len(row[name].encode()) > MAX_TEXT_BYTES:
            raise row.error(f"{name} has more than {MAX_TEXT_BYTES} bytes; shorten it")
    answer = next((one for one in ANSWERS if one == row["verdict"]), None)
    if answer is None:
        raise row.error(f"no verdict {row['verdict']!r}; {closest(row['verdict'], list(ANSWERS))}")
    start_us, end_us = (_microseconds(row, name) for name in ("start_s", "end_s"))
    if end_us < start_us:
        raise row.error(f"end_s {row['end_s']} lies before start_s {row['start_s']}; swap them")
    time = parse_time(row["judgedAt"])
    return Verdict(
        media_id=row["mediaID"],
        label=row["label"],
        start_us=start_us,
        end_us=end_us,
        verdict=answer,
        annotator=row["judgedBy"],
        rule_hash=row["ruleHash"] or None,
        new_label=row["newLabel"] or None if answer == "rejected" else None,
        created_utc=time if time.tzinfo is None else time.astimezone(UTC).replace(tzinfo=None),
        verdict_id=row["verdictID"][:MAX_TEXT_BYTES] or uuid4().hex[:16],
    )


def _microseconds(row: TableRow, name: str) -> int:
    try:
        value = float(row[name])
    except ValueError:
        value = float("nan")
    if not isfinite(value) or abs(value) > 1e9:
        raise row.error(f"{name} must be seconds of the clip, got {row[name]!r}")
    return round(value * 1e6)


@dataclass(frozen=True)
class VerdictChanges:
    """What is added to a store and what is taken from it. verdicts: how many are new. left_out:
    how many are of clips that the store does not have, or lie outside of their clip.
    """

    add: tuple[Verdict | Annotation, ...]
    delete: tuple[str, ...]
    verdicts: int
    left_out: int


def verdict_changes(
    store: Store, given: Sequence[Verdict], clips: Sequence[Mapping[str, Any]]
) -> VerdictChanges:
    """What the verdicts of a package change in a store; of one person on one sighting the later
    verdict stays. clips: of the store. A clip with another id has other content, so that verdicts
    on stretches of it say nothing, whatever its name.
    """
    if not given:
        return VerdictChanges((), (), 0, 0)
    by_id = {clip["media_id"]: clip for clip in clips}
    inside = [one for one in given if _is_inside(one, by_id.get(one.media_id))]
    annotations, _, own = store.all_records(list({one.media_id for one in inside}))
    known = {_key(one): one for one in sorted(own, key=lambda one: one.created_utc)}
    taken = {one.verdict_id for one in store.verdicts()}
    delete: set[str] = set()
    new: dict[object, Verdict] = {}
    for one in sorted(inside, key=lambda one: one.created_utc):
        before = known.get(_key(one))
        if before is not None and before.created_utc >= one.created_utc:
            continue
        if before is not None:
            delete |= {before.verdict_id, *_copies(before, annotations)}
        is_free = one.verdict_id not in taken - delete
        new[_key(one)] = one if is_free else replace(one, verdict_id=uuid4().hex[:16])
    stay = [one for one in annotations if one.annotation_id not in delete]
    return VerdictChanges(
        add=(*new.values(), *_annotated(new.values(), stay)),
        delete=tuple(delete),
        verdicts=len(new),
        left_out=len(given) - len(inside),
    )


def _key(one: Verdict) -> tuple[object, ...]:
    return one.media_id, one.label, one.start_us, one.end_us, one.annotator


def _is_inside(one: Verdict, clip: Mapping[str, Any] | None) -> bool:
    return (
        clip is not None
        and one.start_us >= clip["first_pts_us"] - _ROOM_US
        and one.end_us <= clip["end_us"] + _ROOM_US
    )


def _copies(one: Verdict, annotations: Iterable[Annotation]) -> set[str]:
    """The annotations that were made by a verdict."""
    return {
        a.annotation_id
        for a in annotations
        if a.origin == "accepted"
        and a.label in (one.label, one.new_label)
        and (a.media_id, a.start_us, a.end_us, a.annotator)
        == (one.media_id, one.start_us, one.end_us, one.annotator)
    }


def _annotated(new: Iterable[Verdict], there: Sequence[Annotation]) -> list[Annotation]:
    """What was there by these verdicts, unless an annotation says so already."""
    made: list[Annotation] = []
    of_clip: dict[tuple[str, str], list[Annotation]] = {}
    for a in there:
        of_clip.setdefault((a.media_id, a.label), []).append(a)
    for one in new:
        if one.verdict != "accepted" and one.new_label is None:
            continue
        label = one.new_label or one.label
        others = of_clip.setdefault((one.media_id, label), [])
        if any(a.start_us <= one.end_us and a.end_us >= one.start_us for a in others):
            continue
        made.append(
            Annotation(
                media_id=one.media_id,
                label=label,
                start_us=one.start_us,
                end_us=one.end_us,
                annotator=one.annotator,
                origin="accepted",
                created_utc=one.created_utc,
            )
        )
        others.append(made[-1])
    return made
