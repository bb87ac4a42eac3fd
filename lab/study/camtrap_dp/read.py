"""A package of Camtrap DP from elsewhere: its deployments, and which clips are in them."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from lab.clock import parse_time, placed, zone_named
from lab.deployment import Deployment, Failure
from lab.errors import SettingError, printable
from lab.store.clocks import ClipStart
from lab.store.store import Store
from lab.study.deployment_file import read_deployments
from lab.study.joining import ClipJoin, ClipNotJoined, Joined, with_new
from lab.study.table_file import TableRow, read_table_file

_ABOUT = "datapackage.json"
_LARGEST_BYTES = 512 * 2**20  # of one table
# Of a zip: what is missing, cut off, packed in another way, or has a password.
_UNREADABLE = (OSError, EOFError, KeyError, RuntimeError, zipfile.BadZipFile, zlib.error)
_MEDIA = ("mediaID", "deploymentID", "timestamp", "filePath", "fileName")
_FAILURES = ("deploymentID", "failureStart", "failureEnd", "failureReason")


@dataclass(frozen=True, kw_only=True)
class Package:
    """What a package says. media: its rows, by the ends of their paths. warnings: a line each."""

    name: str
    deployments: tuple[Deployment, ...]
    media: tuple[TableRow, ...]
    warnings: tuple[str, ...]


def is_package(path: str | Path) -> bool:
    """Whether a path is a folder, a zip, or a `datapackage.json`, and not a table."""
    path = Path(path)
    return path.is_dir() or path.suffix.lower() == ".zip" or path.name == _ABOUT


def read_package(path: str | Path, zone: str | None = None, raw: bytes | None = None) -> Package:
    """The deployments and media of a package: a folder, a zip of one, or its `datapackage.json`.

    zone: of times without an offset. raw: a zip's content, where the path is only what it is
    called. Raises SettingError for what is no package, and as `read_deployments`.
    """
    name = printable(path)
    files = _Files(Path(path), raw)
    about = files.about()
    listed = about.get("resources")
    tables = {
        str(one.get("name")): one.get("path")
        for one in (listed if isinstance(listed, list) else [])
        if isinstance(one, dict)
    }
    if "deployments" not in tables:
        raise SettingError(f"{name}: {_ABOUT} names no table of deployments; is it Camtrap DP?")
    read = read_deployments(
        f"{name}: deployments", zone, files.table("deployments", tables["deployments"])
    )
    deployments = list(read.deployments)
    if "deployment-failures" in tables:
        raw_failures = files.table("deployment-failures", tables["deployment-failures"])
        deployments = _with_failures(deployments, name, raw_failures)
    media: list[TableRow] = []
    if "media" in tables and (raw_media := files.table("media", tables["media"])).count(b"\n") > 1:
        media, _ = read_table_file(f"{name}: media", dict.fromkeys(_MEDIA, ()), raw_media)
    return Package(
        name=name,
        deployments=tuple(deployments),
        media=tuple(media),
        warnings=read.warnings,
    )


class _Files:
    """The files of a package, in a folder or a zip; nothing outside of it is opened."""

    def __init__(self, path: Path, raw: bytes | None) -> None:
        self._name = printable(path)
        self._archive: zipfile.ZipFile | None = None
        self._folder = path.parent if path.name == _ABOUT else path
        if raw is not None or (path.suffix.lower() == ".zip" and not path.is_dir()):
            try:
                self._archive = zipfile.ZipFile(path if raw is None else io.BytesIO(raw))
            except (OSError, zipfile.BadZipFile) as error:
                why = getattr(error, "strerror", None) or "it is no zip, or damaged"
                raise SettingError(f"{self._name} cannot be read: {why}") from None
            inside = [n for n in self._archive.namelist() if PurePosixPath(n).name == _ABOUT]
            inside.sort(key=lambda n: (n.count("/"), n))
            self._inside = PurePosixPath(inside[0]).parent if inside else PurePosixPath()

    def about(self) -> dict[str, Any]:
        try:
            found = json.loads(self._read(_ABOUT))
        except (ValueError, RecursionError) as error:
            raise SettingError(f"{self._name}: {_ABOUT} is not JSON ({error})") from None
        if not isinstance(found, dict):
            raise SettingError(f"{self._name}: {_ABOUT} is no description of a data package")
        return found

    def table(self, name: str, path: Any) -> bytes:
        """The content of a table. path: as the description gives it."""
        if isinstance(path, list) and len(path) == 1:
            path = path[0]
        if not isinstance(path, str) or "://" in path:
            raise SettingError(
                f"{self._name}: the table {name} is not in the package, but at {path!r}; download "
                "it, and name its file in datapackage.json"
            )
        parts = PurePosixPath(path)
        if parts.is_absolute() or ".." in parts.parts:
            raise SettingError(f"{self._name}: the table {name} lies outside of it, at {path!r}")
        raw = self._read(path)
        if path.endswith(".gz"):
            raise SettingError(f"{self._name}: unpack {path!r}, and name the CSV in {_ABOUT}")
        return raw

    def _read(self, path: str) -> bytes:
        try:
            if self._archive is None:
                return _inside(self._folder, path).read_bytes()
            member = self._archive.getinfo(str(self._inside / path))
            if member.file_size > _LARGEST_BYTES:
                raise SettingError(f"{self._name}: {path} has more than 512 MiB")
            return self._archive.read(member)
        except _UNREADABLE as error:
            why = getattr(error, "strerror", None) or "it is not there, or damaged"
            raise SettingError(f"{self._name}: {path} cannot be read: {why}") from None


def _inside(folder: Path, path: str) -> Path:
    found = (folder / path).resolve()
    if not found.is_relative_to(folder.resolve()):
        raise SettingError(f"{printable(folder)}: {path!r} leads out of the package")
    return found


def _with_failures(deployments: Sequence[Deployment], name: str, raw: bytes) -> list[Deployment]:
    rows, _ = read_table_file(f"{name}: deployment-failures", dict.fromkeys(_FAILURES, ()), raw)
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


@dataclass(frozen=True, kw_only=True)
class PackageJoin:
    """What `join_package` did, or would do. starts: clips whose start is taken from the package."""

    joined: Joined
    starts: int

    def to_dict(self) -> dict[str, Any]:
        return self.joined.to_dict() | {"starts": self.starts}


def join_package(
    store: Any, package: Package, *, again: bool = False, preview: bool = False
) -> PackageJoin:
    """Put the store's clips into the deployments that the package's media table names.

    A clip is one of its media if it has its id, or a path or name that ends alike. Clips without a
    start take that of the package. again, preview: as of `lab.join_deployments`; the deployments
    of the package must be in the store unless it is a preview.
    """
    store = Store.coerce(store)
    known = {d.deployment_id: d for d in with_new(store.deployments(), package.deployments)}
    rows = _Index(package.media)
    joins: list[ClipJoin] = []
    not_joined: list[ClipNotJoined] = []
    starts: dict[str, ClipStart] = {}
    unmatched = kept = 0
    clips = store.all_media()
    found = {clip["media_id"]: rows.of(clip) for clip in clips}
    named = _times_named(found)
    for clip in clips:
        row = found[clip["media_id"]]
        if clip["deployment_id"] is not None and not again:
            kept += 1
        elif row is None:
            unmatched += 1
        elif reason := _refused(row, named, known):
            not_joined.append(
                ClipNotJoined(
                    media_id=clip["media_id"], clip=printable(clip["path"]), reason=reason
                )
            )
        else:
            assert isinstance(row, TableRow)
            one = known[row["deploymentID"]]
            start = _start(row, clip, one)
            if start is not None:
                starts[clip["media_id"]] = start
            joins.append(_join(clip, one, start))
    if joins and not preview:
        store.set_starts(starts)
        store.join_clips({one.media_id: one.deployment_id for one in joins})
    joined = Joined(
        joins=tuple(joins),
        not_joined=tuple(not_joined),
        unmatched=unmatched,
        kept=kept,
        is_preview=preview,
    )
    return PackageJoin(joined=joined, starts=len(starts))


Found = TableRow | str | None


class _Index:
    """Media rows by their id, and by the ends of their paths."""

    def __init__(self, media: Sequence[TableRow]) -> None:
        self._by_id = {row["mediaID"]: row for row in media if row["mediaID"]}
        self._by_end: dict[str, dict[str, TableRow]] = {}
        for row in media:
            parts = row["filePath"].replace("\\", "/").split("/")
            ends = {"/".join(parts[-n:]) for n in range(1, len(parts) + 1)}
            for end in (ends | {row["fileName"]}) - {""}:
                self._by_end.setdefault(end, {})[row.where] = row

    def of(self, clip: Mapping[str, Any]) -> Found:
        """Its row; why it is not clear which; or None if there is none."""
        if clip["media_id"] in self._by_id:
            return self._by_id[clip["media_id"]]
        parts = Path(clip["path"]).parts
        for n in range(len(parts), 0, -1):
            rows = list(self._by_end.get("/".join(parts[-n:]), {}).values())
            if len(rows) == 1:
                return rows[0]
            if rows:
                lines = ", ".join(row.where.rpartition(", ")[2] for row in rows[:3])
                return (
                    f"{len(rows)} media of the package are called {parts[-1]!r} ({lines}); keep "
                    "the package's folders"
                )
        return None


def _times_named(found: Mapping[str, Found]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in found.values():
        if isinstance(row, TableRow):
            counts[row.where] = counts.get(row.where, 0) + 1
    return counts


def _refused(
    row: TableRow | str, named: Mapping[str, int], known: Mapping[str, Deployment]
) -> str | None:
    if isinstance(row, str):
        return row
    if row["deploymentID"] not in known:
        return f"{row.where}: no deployment is called {row['deploymentID']!r}"
    if named[row.where] > 1:
        return (
            f"{named[row.where]} clips here are called like {row['filePath'] or row['fileName']!r} "
            "of the package; join them by a pattern"
        )
    if row["timestamp"]:
        try:
            parse_time(row["timestamp"])
        except SettingError as error:
            return f"{row.where}: {error}"
    return None


def _start(row: TableRow, clip: Mapping[str, Any], one: Deployment) -> ClipStart | None:
    """The start that a clip takes; None where it has one, or the package gives none."""
    if not row["timestamp"] or clip["start_utc"] is not None or clip["camera_local"] is not None:
        return None
    time = parse_time(row["timestamp"])
    if time.utcoffset() is None:
        return ClipStart(source="table", camera_local=time)
    utc = time.astimezone(UTC).replace(tzinfo=None)
    away = utc.replace(tzinfo=UTC).astimezone(zone_named(one.zone)).utcoffset()
    return ClipStart(
        source="table", utc=utc, offset_s=round(away.total_seconds()) if away is not None else None
    )


def _join(clip: Mapping[str, Any], one: Deployment, start: ClipStart | None) -> ClipJoin:
    local = start.camera_local if start else clip["camera_local"]
    utc = start.utc if start else clip["start_utc"]
    if local is not None:
        utc = placed(local, zone_named(one.zone)).utc
    return ClipJoin(
        media_id=clip["media_id"],
        clip=printable(clip["path"]),
        deployment_id=one.deployment_id,
        site=one.site,
        before=clip["site"],
        is_outside=utc is not None and not one.contains(utc),
    )
