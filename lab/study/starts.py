"""When clips began: from their files, their names, or a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from lab.clock import parse_time, placed, zone_named
from lab.errors import LabError, SettingError, printable
from lab.formats.placing import place
from lab.store.clocks import START_SOURCES, ClipStart
from lab.store.store import Store
from lab.study.patterns import pattern_of
from lab.study.table_file import need_columns, read_table_file
from lab.video.recorded import recorded_at

_CALLED = {"media": ("clip", "file", "filename", "filepath", "path"),
           "start": ("time", "timestamp", "datetime")}  # fmt: skip
NO_ZONE = "it names no zone, and the clip is in no deployment; join it to one, or give --zone"


@dataclass(frozen=True, kw_only=True)
class FoundStart:
    """The start of a clip. camera: as its source gives it. start: in UTC, None while no zone is
    known. issue: `ambiguous` or `missing` at a change of the clock, else None.
    """

    media_id: str
    clip: str
    camera: str
    start: str | None
    source: str
    issue: str | None


@dataclass(frozen=True, kw_only=True)
class Starts:
    """What `read_starts` did, or would do. kept: clips whose start is from a better source.

    left_out: clip and reason. notes: lines on the whole.
    """

    found: tuple[FoundStart, ...]
    left_out: tuple[tuple[str, str], ...]
    kept: int
    notes: tuple[str, ...]
    is_preview: bool

    def to_dict(self) -> dict[str, Any]:
        """What `lab starts --json` prints."""
        return asdict(self) | {"saved": not self.is_preview}


Times = Iterable[tuple[Mapping[str, Any], datetime | str]]


def read_starts(
    store: Any,
    source: Literal["metadata", "name", "table"],
    given: str | Path | None = None,
    *,
    raw: bytes | None = None,
    zone: str | None = None,
    metadata_clock: Literal["utc", "local"] = "utc",
    replace: bool = False,
    preview: bool = False,
    progress: Callable[[int, int], None] | None = None,
    file_of: Callable[[Mapping[str, Any]], str | Path] | None = None,
) -> Starts:
    """Read the starts of the store's clips, and keep them in one transaction.

    source: `metadata` of the files, their `name` with a pattern such as
    `*_{time:%Y%m%d_%H%M%S}*` as `given`, or a `table` with the columns media and start, whose path
    is `given`, or only what it is called where `raw` is its content. zone: of times that name
    none, for clips that are in no deployment; others are in the zone of theirs. metadata_clock:
    `local` where the camera writes local time and calls it UTC. file_of: gives the file of a clip,
    or raises LabError; by default its path.
    replace: also starts that are from a better source; entered is better than a table, that than a
    name, and that than metadata. preview: only say what would change. Raises SettingError.
    """
    store = Store.coerce(store)
    default = zone_named(zone) if zone is not None else None
    zones = {one.deployment_id: zone_named(one.zone) for one in store.deployments()}
    clips = store.all_media()
    notes: list[str] = []
    if source == "metadata":
        times = _of_files(clips, metadata_clock, progress, file_of or _path_of)
    elif given is None:
        raise SettingError(
            f"starts from a {source} need {'a pattern' if source == 'name' else 'its file'}"
        )
    elif source == "name":
        times = _of_names(clips, str(given))
    elif source == "table":
        times, notes = _of_table(clips, given, raw)
    else:
        raise SettingError(f"unknown source {source!r}; known: metadata, name, table")
    found, left_out, kept, starts = [], [], 0, {}
    for clip, time in times:
        if isinstance(time, str):
            left_out.append((printable(clip["path"]), time))
            continue
        if not replace and _is_better(clip, source):
            kept += 1
            continue
        one = _start(source, time, zones.get(clip["deployment_id"], default))
        if one.utc is None and clip["start_utc"] is not None:
            left_out.append((printable(clip["path"]), f"{time.isoformat()}: {NO_ZONE}"))
            continue
        starts[clip["media_id"]] = one
        found.append(_found(clip, time, one))
    if starts and not preview:
        store.set_starts(starts)
    return Starts(
        found=tuple(found),
        left_out=tuple(left_out),
        kept=kept,
        notes=tuple(notes),
        is_preview=preview,
    )


def _is_better(clip: Mapping[str, Any], source: str) -> bool:
    """Whether a clip has a start from a source before this one."""
    if clip["start_utc"] is None and clip["camera_local"] is None:
        return False
    has = clip["start_source"]
    return START_SOURCES.index(has if has in START_SOURCES else "entered") < START_SOURCES.index(
        source
    )


def _start(source: str, time: datetime, zone: Any) -> ClipStart:
    away = time.utcoffset()
    if away is not None:
        utc = time.astimezone(UTC).replace(tzinfo=None)
        if zone is not None:
            away = utc.replace(tzinfo=UTC).astimezone(zone).utcoffset() or away
        return ClipStart(source=source, utc=utc, offset_s=round(away.total_seconds()))
    if zone is None:
        return ClipStart(source=source, camera_local=time)
    moment = placed(time, zone)
    return ClipStart(
        source=source,
        camera_local=time,
        utc=moment.utc,
        offset_s=moment.offset_s,
        issue=moment.issue,
    )


def _found(clip: Mapping[str, Any], time: datetime, one: ClipStart) -> FoundStart:
    return FoundStart(
        media_id=clip["media_id"],
        clip=printable(clip["path"]),
        camera=time.isoformat(),
        start=None if one.utc is None else one.utc.isoformat() + "Z",
        source=one.source,
        issue=one.issue,
    )


def _path_of(clip: Mapping[str, Any]) -> str:
    return str(clip["path"])


def _of_files(
    clips: list[dict[str, Any]],
    clock: str,
    progress: Callable[[int, int], None] | None,
    file_of: Callable[[Mapping[str, Any]], str | Path],
) -> Times:
    if clock not in ("utc", "local"):
        raise SettingError(f"metadata_clock must be 'utc' or 'local', got {clock!r}")
    for done, clip in enumerate(clips, 1):
        try:
            found = recorded_at(file_of(clip))
        except LabError as error:
            yield clip, str(error)
        else:
            if found is None:
                yield clip, "its file says no time; take its name or a table"
            elif clock == "local" and not found.time.utcoffset():
                yield clip, found.time.replace(tzinfo=None)
            else:
                yield clip, found.time
        if progress is not None:
            progress(done, len(clips))


def _of_names(clips: list[dict[str, Any]], text: str) -> Times:
    pattern = pattern_of(text, needs=("time",))
    for clip in clips:
        named = pattern.matches(clip["path"])
        if not named:
            yield clip, "its name does not fit the pattern"
            continue
        try:
            yield clip, pattern.time(named[-1])
        except ValueError:
            yield clip, f"{named[-1]['time']!r} in its name is no date and time"


def _of_table(
    clips: list[dict[str, Any]], path: str | Path, raw: bytes | None
) -> tuple[Times, list[str]]:
    rows, columns = read_table_file(path, _CALLED, raw)
    need_columns(path, columns, ("media", "start"))
    given = []
    for row in rows:
        try:
            time = parse_time(row["start"])
        except SettingError as error:
            raise row.error(str(error)) from None
        named = {"media": row["media"], "media_id": None, "where": row.where, "start_us": None}
        given.append(named | {"time": time})
    placed_rows, notes = place(given, clips)
    twice: dict[str, Any] = {}
    for clip, given_row in placed_rows:
        other = twice.setdefault(clip["media_id"], given_row)
        if other["time"] != given_row["time"]:
            raise SettingError(
                f"{given_row['where']}: {given_row['media']!r} begins at {other['time']} in "
                f"{other['where']}; keep one of the two"
            )
    return [(clip, row["time"]) for clip, row in placed_rows], notes
