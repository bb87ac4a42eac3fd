"""A package of Camtrap DP from elsewhere: its deployments, media and verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from lab.annotation import Verdict
from lab.clock import parse_time, placed, zone_named
from lab.deployment import Deployment, Failure
from lab.errors import SettingError, printable
from lab.study.camtrap_dp.package_files import ABOUT, PackageFiles
from lab.study.camtrap_dp.verdicts import read_verdicts
from lab.study.deployment_file import read_deployments
from lab.study.table_file import TableRow, read_table_file

_MEDIA = ("mediaID", "deploymentID", "timestamp", "filePath", "fileName")
_FAILED = "deployment-failures"
_VERDICTS = "sighting-verdicts"
_FAILURES = ("deploymentID", "failureStart", "failureEnd", "failureReason")


@dataclass(frozen=True, kw_only=True)
class Package:
    """What a package says. media: its rows. verdicts: on sightings in its media, if it is of this
    program. warnings: a line each.
    """

    name: str
    deployments: tuple[Deployment, ...]
    media: tuple[TableRow, ...]
    verdicts: tuple[Verdict, ...]
    warnings: tuple[str, ...]


def is_package(path: str | Path) -> bool:
    """Whether a path is a folder, a zip, or a `datapackage.json`, and not a table."""
    path = Path(path)
    return path.is_dir() or path.suffix.lower() == ".zip" or path.name == ABOUT


def read_package(path: str | Path, zone: str | None = None, raw: bytes | None = None) -> Package:
    """The deployments, media and verdicts of a package.

    path: a folder, a zip of one, or its `datapackage.json`. zone: of times without an offset. raw:
    a zip's content, where the path is only what it is called. Raises SettingError for what is no
    package, and as `read_deployments`.
    """
    name = printable(path)
    files = PackageFiles(Path(path), raw)
    about = files.about()
    listed = about.get("resources")
    tables = {
        str(one.get("name")): one.get("path")
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict)
    }
    if "deployments" not in tables:
        raise SettingError(f"{name}: {ABOUT} names no table of deployments; is it Camtrap DP?")
    read = read_deployments(
        f"{name}: deployments", zone, files.table("deployments", tables["deployments"])
    )
    deployments = list(read.deployments)
    if _FAILED in tables and has_rows(raw_failures := files.table(_FAILED, tables[_FAILED])):
        deployments = _with_failures(deployments, name, raw_failures)
    media: list[TableRow] = []
    if "media" in tables and has_rows(raw_media := files.table("media", tables["media"])):
        media, _ = read_table_file(f"{name}: media", dict.fromkeys(_MEDIA, ()), raw_media)
    verdicts: list[Verdict] = []
    if _VERDICTS in tables and has_rows(raw_verdicts := files.table(_VERDICTS, tables[_VERDICTS])):
        verdicts = read_verdicts(f"{name}: {_VERDICTS}", raw_verdicts)
    return Package(
        name=name,
        deployments=tuple(deployments),
        media=tuple(media),
        verdicts=tuple(verdicts),
        warnings=read.warnings,
    )


def has_rows(raw: bytes) -> bool:
    """Whether a table has more than its first line: one without is no error in a package."""
    return raw.rstrip().count(b"\n") > 0


def _with_failures(deployments: Sequence[Deployment], name: str, raw: bytes) -> list[Deployment]:
    rows, _ = read_table_file(f"{name}: {_FAILED}", dict.fromkeys(_FAILURES, ()), raw)
    by_id: dict[str, list[Failure]] = {}
    zones = {one.deployment_id: one.zone for one in deployments}
    for row in rows:
        one = row["deploymentID"]
        if one not in zones:
            raise row.error(f"no deployment of the package is called {one!r}")
        begin, end = (_utc(row[name], zones[one]) for name in ("failureStart", "failureEnd"))
        by_id.setdefault(one, []).append(Failure(begin, end, row["failureReason"]))
    return [
        replace(one, failures=tuple(sorted({*one.failures, *by_id.get(one.deployment_id, [])})))
        for one in deployments
    ]


def _utc(text: str, zone: str) -> datetime:
    time = parse_time(text)
    if time.utcoffset() is None:
        return placed(time, zone_named(zone)).utc
    return time.astimezone(UTC).replace(tzinfo=None)
