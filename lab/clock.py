"""What a camera's clock says, as time in UTC: zones, days on which clocks change, anchors."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from functools import cache, lru_cache
from itertools import pairwise
from typing import Literal

from lab.errors import SettingError, closest

TimestampIssue = Literal["ambiguous", "missing"]
_OFFSET = re.compile(r"^(?:UTC|GMT)?([+-])(\d{1,2}):?(\d{2})?$", re.IGNORECASE)
_YEAR_FIRST = re.compile(
    r"(\d{4})([-/:.])(\d{1,2})\2(\d{1,2})"
    r"(?:[ T]+(\d{1,2})((?::\d{2}){0,2}(?:[.,]\d+)?\s*(?:Z|[+-]\d{2}(?::?\d{2})?)?))?$"
)
_YEARS = (1900, 2200)  # others are mistakes, or what an empty cell becomes
_LARGEST_DRIFT_S_PER_DAY = 120.0
_DAY_S = 86_400.0
EXAMPLE_ZONES = "Europe/Berlin, or +01:00 for a clock that is never changed"


def utc_text(at: float | datetime) -> str:
    """ISO 8601 with microseconds and `Z`, as events have it. at: Unix seconds, or with a zone."""
    moment = at if isinstance(at, datetime) else datetime.fromtimestamp(at, UTC)
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


@lru_cache(maxsize=1024)
def zone_named(text: str) -> tzinfo:
    """A zone by its name (`Europe/Berlin`) or offset (`+02:00`, `UTC`). Raises SettingError."""
    name = text.strip()
    if name.upper() in ("Z", "UTC", "GMT"):
        return UTC
    offset = _OFFSET.match(name)
    if offset:
        hours, minutes = int(offset[2]), int(offset[3] or 0)
        if hours <= 14 and minutes < 60:
            away = timedelta(hours=hours, minutes=minutes)
            return timezone(away if offset[1] == "+" else -away)
    known = known_zones()
    if name not in known:
        name = next((one for one in known if one.lower() == name.lower()), name)
    if name in known:
        return zoneinfo.ZoneInfo(name)
    hint = closest(name, known)
    if re.fullmatch("[A-Z]{2,5}", name):
        hint = "such short names stand for several"
    raise SettingError(f"{text!r} is no zone of time; {hint}; write one like {EXAMPLE_ZONES}")


@cache
def known_zones() -> list[str]:
    """The names of all zones of time, sorted; they are looked for on the disk once."""
    return sorted(zoneinfo.available_timezones())


@dataclass(frozen=True)
class Moment:
    """A time of a clock, placed. utc: without tzinfo. offset_s: of local time from UTC.

    issue: `ambiguous` where the clock shows this time twice, when it is set back, and the first is
    taken; `missing` where it is never shown, since it is set forward, and what it would be
    without that is taken; else None.
    """

    utc: datetime
    offset_s: int
    issue: TimestampIssue | None = None


def placed(local: datetime, zone: tzinfo) -> Moment:
    """What a clock in a zone says, in UTC. local: without tzinfo. Raises SettingError."""
    first = local.replace(tzinfo=zone, fold=0)
    before, after = first.utcoffset(), first.replace(fold=1).utcoffset()
    if before is None or after is None:
        raise SettingError(f"{zone} has no offset from UTC at {local}; name another zone")
    issue: TimestampIssue | None = None
    if before != after:
        issue = "ambiguous" if before > after else "missing"
    try:
        utc = local - before
    except OverflowError:
        raise SettingError(f"{local} is out of range for UTC; check the year") from None
    return Moment(utc, round(before.total_seconds()), issue)


def parse_time(text: str) -> datetime:
    """A date and time in ISO 8601, with or without an offset from UTC. Raises SettingError.

    24:00 is the end of its day. Also with / or : between year, month and day, and with single
    digits, as spreadsheets and cameras write them: the year comes first, so that nothing is in
    doubt.
    """
    word, hour = text.strip(), None
    found = _YEAR_FIRST.match(word)
    if found is not None:
        year, _, month, day, hour, rest = found.groups()
        word = f"{year}-{month:0>2}-{day:0>2}"
        if hour is not None:
            word += f"T{'00' if hour == '24' else hour.rjust(2, '0')}{rest.replace(' ', '')}"
    at = _of_iso(word)
    if at is None or (hour == "24" and at.time() != time()):
        raise SettingError(f"{text!r} is no date and time; {_hint(text)}")
    if not _YEARS[0] <= at.year <= _YEARS[1]:
        raise SettingError(f"{text!r} has the year {at.year}; correct it")
    return at + timedelta(days=1) if hour == "24" else at


def _of_iso(word: str) -> datetime | None:
    try:
        return datetime.fromisoformat(word)
    except ValueError:
        return None


def is_date(text: str) -> bool:
    """Whether a text that `parse_time` takes is a date alone."""
    found = _YEAR_FIRST.match(text.strip())
    return found is not None and found[5] is None


def _hint(text: str) -> str:
    write = "write 2026-05-01T06:00:00+02:00 (year, month, day)"
    if re.fullmatch(r"\d{5}([.,]\d+)?", text.strip()):
        return f"spreadsheets keep days as such numbers: format the cells as dates, or {write}"
    if re.match(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b", text.strip()):
        return f"which number is the day and which the month is in doubt: {write}"
    return write


@dataclass(frozen=True, order=True)
class Anchor:
    """A moment at which both the camera's clock and the true time are known.

    camera_local: what the clock of the camera said. true_utc: when that was. Both without tzinfo.
    """

    camera_local: datetime
    true_utc: datetime


def check_anchors(anchors: Sequence[Anchor], zone: tzinfo) -> list[str]:
    """Warnings on anchors of one camera. Raises SettingError for what no clock can do."""
    ordered = sorted(anchors)
    warnings = []
    for one, other in pairwise(ordered):
        if one.camera_local == other.camera_local:
            raise SettingError(
                f"two anchors at {one.camera_local.isoformat()} of the camera's clock, with true "
                f"times {_z(one.true_utc)} and {_z(other.true_utc)}; remove one"
            )
        if other.true_utc <= one.true_utc:
            raise SettingError(
                f"the camera's clock goes from {one.camera_local.isoformat()} to "
                f"{other.camera_local.isoformat()}, but true time from {_z(one.true_utc)} back to "
                f"{_z(other.true_utc)}; correct one of the anchors"
            )
        days = (other.true_utc - one.true_utc).total_seconds() / _DAY_S
        drift_s = _offset_s(other, zone) - _offset_s(one, zone)
        if abs(drift_s) > _LARGEST_DRIFT_S_PER_DAY * days:
            warnings.append(
                f"anchors {one.camera_local.isoformat()} and {other.camera_local.isoformat()} say "
                f"that the clock drifted by {drift_s:+,.0f} s in {days:.1f} days; is an anchor "
                f"wrong, or does the camera's clock not change with {zone}? Then give the "
                "deployment a fixed offset, such as +01:00"
            )
    return warnings


def correction_s(anchors: Sequence[Anchor], zone: tzinfo, camera_utc: datetime) -> float:
    """What to add to the camera's time so that it is true, in seconds.

    One anchor gives an offset. Two give offset and linear drift, also before and after them. Of
    more, the two around a time count. camera_utc: the camera's time in its zone, as UTC.
    """
    ordered = sorted(anchors)
    first = _offset_s(ordered[0], zone)
    if len(ordered) == 1:
        return first
    after = next(
        (
            i
            for i, a in enumerate(ordered[1:-1], 1)
            if placed(a.camera_local, zone).utc >= camera_utc
        ),
        len(ordered) - 1,
    )
    one, other = ordered[after - 1], ordered[after]
    begin, end = (placed(a.camera_local, zone).utc for a in (one, other))
    share = (camera_utc - begin) / (end - begin)
    low, high = _offset_s(one, zone), _offset_s(other, zone)
    return low + share * (high - low)


def _offset_s(anchor: Anchor, zone: tzinfo) -> float:
    return (anchor.true_utc - placed(anchor.camera_local, zone).utc).total_seconds()


def _z(utc: datetime) -> str:
    return utc.isoformat() + "Z"
