"""Clips join the deployments of a package, by its media."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from lab.clock import parse_time, placed, zone_named
from lab.counted import counted
from lab.deployment import Deployment
from lab.errors import SettingError, printable
from lab.store.clocks import ClipStart
from lab.store.store import Store
from lab.study.camtrap_dp.read import Package
from lab.study.camtrap_dp.verdicts import verdict_changes
from lab.study.joining import ClipJoin, ClipNotJoined, Joined, with_new
from lab.study.table_file import TableRow


@dataclass(frozen=True, kw_only=True)
class PackageJoin:
    """What `join_package` did, or would do. starts: clips whose start is taken from the package.
    verdicts: on sightings, that are new; verdicts_left_out: those of clips that are not here.
    """

    joined: Joined
    starts: int
    verdicts: int = 0
    verdicts_left_out: int = 0

    def to_dict(self) -> dict[str, Any]:
        return self.joined.to_dict() | {
            "starts": self.starts,
            "verdicts": self.verdicts,
            "verdicts_left_out": self.verdicts_left_out,
        }

    def words(self) -> list[str]:
        """What came besides, in words."""
        words = [f"{counted(self.starts, 'start')} taken"]
        if self.verdicts or self.verdicts_left_out:
            words.append(f"{counted(self.verdicts, 'verdict')} taken")
        if self.verdicts_left_out:
            words.append(f"{counted(self.verdicts_left_out, 'verdict')} of clips that are not here")
        return words


def join_package(
    store: Any, package: Package, *, again: bool = False, preview: bool = False
) -> PackageJoin:
    """Put the store's clips into the deployments that the package's media table names.

    A clip is one of its media if it has its id, or a path or name that ends alike. Clips without a
    start take that of the package. Verdicts on sightings are taken where a clip has the same id,
    unless the same person gave a later one here. again, preview: as of `lab.join_deployments`; the
    deployments of the package must be in the store unless it is a preview.
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
    judged = verdict_changes(store, package.verdicts, clips)
    if joins and not preview:
        store.set_starts(starts)
        store.join_clips({one.media_id: one.deployment_id for one in joins})
    if not preview:
        store.change_records(add=judged.add, delete=judged.delete)
    joined = Joined(
        joins=tuple(joins),
        not_joined=tuple(not_joined),
        unmatched=unmatched,
        kept=kept,
        is_preview=preview,
    )
    return PackageJoin(
        joined=joined,
        starts=len(starts),
        verdicts=judged.verdicts,
        verdicts_left_out=judged.left_out,
    )


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
