"""Deployments from a table: Camtrap DP's `deployments.csv`, camtrapR's table, or one's own."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from lab.clock import EXAMPLE_ZONES, is_date, parse_time, placed, zone_named
from lab.deployment import Deployment, Failure
from lab.errors import SettingError
from lab.study.doubts import doubts_about
from lab.study.table_file import TableRow, need_columns, raise_all, read_table_file

# Camtrap DP's names, in its order, with what else tables call them.
_CALLED = {
    "deploymentID": ("deployment", "deployment_id"),
    "locationID": ("location_id", "station"),
    "locationName": ("site", "location", "location_name"),
    "latitude": ("lat", "y"),
    "longitude": ("lon", "long", "lng", "x"),
    "deploymentStart": ("start", "start_date", "setup_date"),
    "deploymentEnd": ("end", "end_date", "retrieval_date"),
    "cameraID": ("camera", "camera_id"),
    "zone": ("timezone", "time_zone", "tz"),
    "failures": ("failure",),
}
_DETAILS = (
    "coordinateUncertainty", "setupBy", "cameraModel", "cameraDelay", "cameraHeight",
    "cameraDepth", "cameraTilt", "cameraHeading", "detectionDistance", "timestampIssues",
    "baitUse", "featureType", "habitat", "deploymentGroups", "deploymentTags",
    "deploymentComments",
)  # fmt: skip
_PROBLEM = re.compile(r"^problem(\d+)_(from|to)$", re.IGNORECASE)
_NEEDED = ("deploymentID", "deploymentStart", "deploymentEnd")
_NAMES = ("deploymentID", "locationID", "locationName", "cameraID")
_MOST_BYTES = 255


@dataclass(frozen=True)
class ReadDeployments:
    """What a table holds. warnings: a line each, of what can be kept but should be looked at."""

    deployments: tuple[Deployment, ...]
    warnings: tuple[str, ...]


def read_deployments(
    path: str | Path, zone: str | None = None, raw: bytes | None = None
) -> ReadDeployments:
    """The deployments of a table.

    zone: of rows that name none and whose times have no offset. raw: the table's content, where
    the path is only what it is called. Raises SettingError with the rows that cannot be taken; then
    none is.
    """
    if zone is not None:
        zone_named(zone)
    rows, columns = read_table_file(path, _CALLED | dict.fromkeys(_DETAILS, ()), raw)
    rows = [_without_na(row) for row in rows]
    if "deploymentID" not in columns and ("locationID" in columns or "locationName" in columns):
        rows = [_with_id(row) for row in rows]
        columns = ["deploymentID", *columns]
    need_columns(path, columns, _NEEDED)
    read, errors = [], []
    for row in rows:
        try:
            read.append((row, deployment_of_row(row, zone)))
        except SettingError as error:
            errors.append(error if str(error).startswith(row.where) else row.error(str(error)))
    errors += _twice(read)
    raise_all(errors)
    unknown = [c for c in columns if c and c not in (*_CALLED, *_DETAILS) and not _PROBLEM.match(c)]
    where = {one.deployment_id: f"{row.where}: " for row, one in read}
    warnings = [
        where.get(doubt.deployment_id or "", "") + doubt.text
        for doubt in doubts_about([one for _, one in read])
    ]
    warnings += [text for row, one in read for text in _in_doubt(row, one)]
    if unknown:
        warnings.append(f"{path}: columns left out: {', '.join(unknown)[:200]}")
    return ReadDeployments(tuple(one for _, one in read), tuple(warnings))


def _in_doubt(row: TableRow, one: Deployment) -> Iterator[str]:
    """Failures that reach out of the period; ends of it that a clock shows twice, or never."""
    for failure in one.failures:
        if failure.start_utc < one.start_utc or failure.end_utc > one.end_utc:
            yield (
                f"{row.where}: the failure from {one.local(failure.start_utc)} to "
                f"{one.local(failure.end_utc)} reaches out of the deployment; what lies in it "
                "counts"
            )
    zone = one.zone
    for name in ("deploymentStart", "deploymentEnd"):
        time = parse_time(row[name])
        issue = placed(time, zone_named(zone)).issue if time.utcoffset() is None else None
        if issue is not None:
            words = "twice, and the first is taken" if issue == "ambiguous" else "never"
            yield (
                f"{row.where}: {name} {row[name]} is there {words}: the clock changes then in "
                f"{zone}; write it with its offset"
            )


def _with_id(row: TableRow) -> TableRow:
    parts = (row["locationID"] or row["locationName"], row["cameraID"], row["deploymentStart"][:10])
    return TableRow(row.where, {**row.values, "deploymentID": "_".join(p for p in parts if p)})


def deployment_of_row(row: TableRow, default_zone: str | None = None) -> Deployment:
    """The deployment of one row, in the columns of `deployments.csv`. Raises SettingError."""
    for name in _NEEDED:
        if not row[name]:
            still = ", of a camera that is still there the day of the last visit"
            raise row.error(
                f"{name} is empty; each row needs {', '.join(_NEEDED)}"
                f"{still if name == 'deploymentEnd' else ''}"
            )
    for name in _NAMES:
        _check_name(row, name)
    tags = [tag.strip() for tag in row["deploymentTags"].split("|")]
    tagged = next((tag[5:] for tag in tags if tag.startswith("zone:")), None)
    zone = row["zone"] or tagged or default_zone
    if zone is not None:
        zone_named(zone)
    start, _ = (_time_of(row, name) for name in ("deploymentStart", "deploymentEnd"))
    if zone is None:
        if start.utcoffset() is None:
            raise row.error(
                f"deploymentStart {row['deploymentStart']!r} has no offset from UTC and the row no "
                f"zone; add a column zone or --zone, such as {EXAMPLE_ZONES}"
            )
        zone = _as_text(start)
    begin = _utc(row["deploymentStart"], zone)
    end = _utc(row["deploymentEnd"], zone, is_end=True)
    if end <= begin:
        raise row.error(
            f"deploymentEnd {row['deploymentEnd']} is not after deploymentStart "
            f"{row['deploymentStart']}; swap or correct them"
        )
    return Deployment(
        deployment_id=row["deploymentID"],
        location_id=row["locationID"] or None,
        location_name=row["locationName"] or None,
        latitude=_degrees(row, "latitude", 90),
        longitude=_degrees(row, "longitude", 180),
        camera_id=row["cameraID"] or None,
        start_utc=begin,
        end_utc=end,
        zone=zone,
        details=_details(row, [tag for tag in tags if not tag.startswith("zone:")]),
        failures=tuple(sorted(_failures(row, zone, begin, end))),
    )


def _details(row: TableRow, tags: Sequence[str]) -> dict[str, str]:
    """Other columns of the standard as they are, but for the zone, which stands in its place."""
    details = {name: row[name] for name in _DETAILS if row[name]}
    if "deploymentTags" in details:
        details["deploymentTags"] = " | ".join(tags)
    return {name: text for name, text in details.items() if text}


def _utc(text: str, zone: str, *, is_end: bool = False) -> datetime:
    """A time as UTC without tzinfo. A date alone is its beginning, or as an end its end."""
    time = parse_time(text)
    if is_end and is_date(text):
        time += timedelta(days=1)
    if time.utcoffset() is not None:
        return time.astimezone(UTC).replace(tzinfo=None)
    return placed(time, zone_named(zone)).utc


def _time_of(row: TableRow, name: str) -> datetime:
    """Raises SettingError that names the column."""
    try:
        return parse_time(row[name])
    except SettingError as error:
        raise row.error(f"{name} {error}" if row.where else str(error)) from None


def _check_name(row: TableRow, name: str) -> None:
    text = row[name]
    if len(text.encode("utf-8", "surrogatepass")) > _MOST_BYTES:
        raise row.error(f"{name} has more than {_MOST_BYTES} bytes; shorten {text[:20]!r}")
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text):
        raise row.error(f"{name} {text[:40]!r} has a line break or another control; write one line")


def _without_na(row: TableRow) -> TableRow:
    """R writes NA for what is missing; as the name of a site it may be one."""
    keep = ("deploymentID", "locationID", "locationName")
    values = {n: "" if v == "NA" and n not in keep else v for n, v in row.values.items()}
    return TableRow(row.where, values)


def _as_text(time: datetime) -> str:
    text = time.strftime("%z")
    return "UTC" if text in ("+0000", "-0000") else f"{text[:3]}:{text[3:5]}"


def _degrees(row: TableRow, name: str, most: int) -> float | None:
    text = row[name]
    if not text:
        return None
    try:
        number = text.replace("\u2212", "-")  # the minus of typesetters
        value = float(number.replace(",", ".") if "." not in number else number)
    except ValueError:
        value = math.nan
    if not abs(value) <= most:
        raise row.error(
            f"{name} must be decimal degrees between -{most} and {most}, got {text!r}; are "
            "latitude and longitude swapped, or are these metres or minutes?"
        )
    return value


def _failures(row: TableRow, zone: str, begin: datetime, end: datetime) -> Iterator[Failure]:
    """`from/to` separated by `|`, and the pairs ProblemN_from, ProblemN_to."""
    for part in filter(None, (word.strip() for word in row["failures"].split("|"))):
        span, _, reason = part.partition(" ")
        first, slash, last = span.partition("/")
        if not slash:
            raise row.error(
                f"failures: {part!r} is no stretch; write 2026-05-01T06:00/2026-05-02T07:30, "
                "several separated by |"
            )
        first, last = first or row["deploymentStart"], last or row["deploymentEnd"]
        yield _inside(row, first, last, reason.strip(), zone, begin, end)
    for name, value in row.values.items():
        found = _PROBLEM.match(name or "")
        if found and found[2].lower() == "from" and value:
            other = next(
                (v for n, v in row.values.items() if n.lower() == f"problem{found[1]}_to"), ""
            )
            yield _inside(row, value, other or row["deploymentEnd"], "", zone, begin, end)


def _inside(
    row: TableRow, first: str, last: str, reason: str, zone: str, begin: datetime, end: datetime
) -> Failure:
    one = Failure(_utc(first, zone), _utc(last, zone, is_end=True), reason)
    if one.end_utc <= one.start_utc:
        raise row.error(f"a failure ends at {last}, not after its start {first}; swap them")
    if one.end_utc < begin or one.start_utc > end:
        raise row.error(
            f"a failure from {first} to {last} lies outside the deployment, "
            f"{row['deploymentStart']} to {row['deploymentEnd']}; correct one of them"
        )
    return one


Read = Sequence[tuple[TableRow, Deployment]]


def _twice(read: Read) -> list[SettingError]:
    first: dict[str, TableRow] = {}
    errors = []
    for row, one in read:
        known = first.setdefault(one.deployment_id, row)
        if known is not row:
            errors.append(
                row.error(
                    f"deploymentID {one.deployment_id!r} is that of {known.where.split(', ')[-1]}, "
                    "too; give each deployment its own"
                )
            )
    return errors
