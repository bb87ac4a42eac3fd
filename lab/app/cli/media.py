"""`media`: the clips of a store; where and when they were recorded."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from lab.config import load_config
from lab.counted import counted
from lab.errors import SettingError
from lab.video.identity import identity_problem

_MAX_CLOCK_S = 3_155_760_000
Command = Callable[..., argparse.ArgumentParser]
_START_EXAMPLE = "2026-05-01T06:00:00+02:00"


def _media(args: argparse.Namespace) -> int:
    from lab.store.store import Store

    store = Store(args.store)
    values = {
        name: value
        for name, value in (
            ("site", args.site),
            ("start", args.start),
            ("deployment", args.deployment),
            ("clock_correction_s", args.clock_correction_s),
        )
        if value is not None
    }
    if args.action == "set":
        row = _set(store, args.clip, values)
        print(json.dumps(row, indent=1) if args.json else _line(row))
        return 0
    if args.action == "relink":
        return _relink(store, args)
    if args.action == "remove":
        return _remove(store, args)
    if args.clip is not None or values:
        raise SettingError("to set values of a clip, use: lab media set CLIP --site ...")
    rows = [media_row(media) for media in store.all_media()]
    if args.json:
        print(json.dumps(rows, indent=1))
    for row in [] if args.json else rows:
        print(_line(row))
    return 0


def _set(store: Any, clip: str | None, values: dict[str, Any]) -> dict[str, Any]:
    if clip is None:
        raise SettingError("no clip named; name one: lab media set CLIP --site ...")
    if not values:
        raise SettingError(
            "nothing to set; give --site, --start, --clock-correction-s or --deployment"
        )
    media = store.find_media(clip)
    changes: dict[str, Any] = {}
    if "site" in values:
        changes["site"] = values["site"].strip() or None
    if "start" in values:
        changes |= parse_start(values["start"], "--start")
    if "clock_correction_s" in values:
        if not abs(values["clock_correction_s"]) <= _MAX_CLOCK_S:
            raise SettingError(
                f"--clock-correction-s must be within {_MAX_CLOCK_S} seconds (100 years), "
                f"got {values['clock_correction_s']}"
            )
        changes["clock_correction_s"] = values["clock_correction_s"]
    if "deployment" in values:
        store.join_clips({media["media_id"]: values["deployment"].strip() or None})
    if changes:
        store.edit_media(media["media_id"], **changes)
    return media_row(store.media(media["media_id"]))


def _relink(store: Any, args: argparse.Namespace) -> int:
    """Look for clips in the places that were named, or else under the media roots."""
    from lab.runs.relink import relink

    if args.clip is None:
        raise SettingError("no clip named; name one: lab media relink CLIP [FILE or FOLDER]")
    media = store.find_media(args.clip)
    row = relink(store, media["media_id"], args.places or load_config().media_roots)
    print(json.dumps(media_row(row), indent=1) if args.json else _line(media_row(row)))
    return 0


def _remove(store: Any, args: argparse.Namespace) -> int:
    """Say what goes with clips; with --yes, remove them."""
    from lab.runs.remove import in_words, remove_clips

    if args.clip is None:
        raise SettingError("no clip named; name one or more: lab media remove CLIP ... [--yes]")
    media = {row["media_id"]: row for row in map(store.find_media, [args.clip, *args.places])}
    goes = store.what_goes_with(list(media))
    words = in_words(goes)
    moved = remove_clips(store, list(media)) if args.yes else []
    if args.json:
        names = ("media_id", "name", "path")
        clips = [{name: row[name] for name in names} for row in media.values()]
        report = {"is_removed": args.yes, "clips": clips, "goes": goes}
        print(json.dumps(report | {"moved": [str(file) for file in moved]}, indent=1))
    else:
        for row in media.values():
            print(f"{row['media_id']}  {row['path']}")
        done = "removed" if args.yes else "would be removed"
        what = f", and with {'it' if len(media) == 1 else 'them'} {words}" if words else ""
        print(f"{counted(len(media), 'clip')} {done}{what}; no video file is deleted")
        for file in moved:
            print(f"the upload is now {file}")
    if not args.yes:
        print("lab: nothing was removed; add --yes to do it; it cannot be undone", file=sys.stderr)
    return 0


def parse_start(text: str, name: str = "start") -> dict[str, Any]:
    """The columns of the store for a start time; an empty text clears them.

    text: ISO 8601 with the UTC offset of the place. name: of the setting, as whoever gave it knows
    it. Raises SettingError.
    """
    if not text.strip():
        return {"start_utc": None, "utc_offset_s": None, "start_source": None}
    try:
        local = datetime.fromisoformat(text.strip())
    except ValueError:
        raise SettingError(f"{name} must be like {_START_EXAMPLE}, got {text!r}") from None
    offset = local.utcoffset()
    if offset is None:
        raise SettingError(f"{name} must have a UTC offset, like {_START_EXAMPLE}, got {text!r}")
    try:
        start_utc = local.astimezone(UTC).replace(tzinfo=None)
    except OverflowError:
        raise SettingError(
            f"{name} is out of range for UTC, got {text!r}; check the year"
        ) from None
    return {
        "start_utc": start_utc,
        "utc_offset_s": round(offset.total_seconds()),
        "start_source": "entered",
    }


def media_row(media: dict[str, Any]) -> dict[str, Any]:
    """A clip as JSON. start: local time with its UTC offset, as the camera had it."""
    start = None
    if media["start_utc"] is not None:
        offset = timezone(timedelta(seconds=media["utc_offset_s"] or 0))
        start = media["start_utc"].replace(tzinfo=UTC).astimezone(offset).isoformat()
    return {
        "media_id": media["media_id"],
        "name": media["name"],
        "path": media["path"],
        "relative_path": media["relative_path"],
        "duration_s": media["duration_s"],
        "site": media["site"],
        "start": start,
        "start_source": media["start_source"],
        "clock_correction_s": media["clock_correction_s"] or 0.0,
        "correction_source": media["correction_source"],
        "deployment_id": media["deployment_id"],
        "camera_time": None if media["camera_local"] is None else media["camera_local"].isoformat(),
        "timestamp_issue": media["timestamp_issue"],
        "is_present": Path(media["path"]).exists(),
        "problem": identity_problem(media, reads=False),
    }


def _line(row: dict[str, Any]) -> str:
    facts = [
        f"{row['duration_s']:.1f} s",
        f"site {row['site'] or 'unknown'}",
        f"start {row['start'] or 'unknown'}",
    ]
    if row["start"] is None and row["camera_time"] is not None:
        facts[-1] = f"start unknown: camera time {row['camera_time']}, in no zone yet"
    if row["timestamp_issue"]:
        facts[-1] += f" ({row['timestamp_issue']})"
    if row["clock_correction_s"]:
        facts.append(f"clock {row['clock_correction_s']:+g} s")
    if not row["is_present"]:
        facts.append("file missing")
    elif row["problem"]:
        facts.append("another file has its name")
    return f"{row['media_id']}  {row['path']}: {', '.join(facts)}"


def add(command: Command) -> list[argparse.ArgumentParser]:
    m = command(
        "media",
        _media,
        "The clips of the store; set a clip's site, start and clock; say where it lies; remove it.",
        f"lab media set IMG_0001.MP4 --site creek --start {_START_EXAMPLE}",
    )
    m.add_argument("action", nargs="?", choices=["list", "set", "relink", "remove"], default="list")
    m.add_argument("clip", nargs="?", metavar="CLIP", help="its id, name or path")
    m.add_argument(
        "places",
        nargs="*",
        metavar="PLACE",
        help="of relink: the clip's file, or folders to look in; default: the media_roots. "
        "Of remove: more clips",
    )
    m.add_argument("--deployment", metavar="ID", help="the one that it is of; '' for none")
    m.add_argument("--site", help="where it was recorded; '' clears it")
    m.add_argument(
        "--start", metavar="TIME", help=f"at media time 0, like {_START_EXAMPLE}; '' clears it"
    )
    m.add_argument(
        "--clock-correction-s",
        type=float,
        metavar="SECONDS",
        help="added to the camera's clock: 3.5 if it was 3.5 s slow",
    )
    m.add_argument(
        "--yes", action="store_true", help="of remove: do it; without it, only say what would go"
    )
    return [m]
