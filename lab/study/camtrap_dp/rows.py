"""Rows of deployments and of clips."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from os.path import commonpath
from pathlib import Path
from typing import Any

from lab.clock import zone_named
from lab.deployment import Deployment
from lab.errors import printable
from lab.study.camtrap_dp.columns import LIMITS

Row = dict[str, Any]
_MEDIA_TYPES = {
    ".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".avi": "video/x-msvideo",
    ".mkv": "video/x-matroska", ".webm": "video/webm", ".mpg": "video/mpeg", ".mpeg": "video/mpeg",
    ".ts": "video/mp2t", ".mts": "video/mp2t", ".m2ts": "video/mp2t", ".wmv": "video/x-ms-wmv",
    ".ogv": "video/ogg", ".3gp": "video/3gpp", ".flv": "video/x-flv", ".gif": "image/gif",
}  # fmt: skip
_EPOCH = datetime(1970, 1, 1)


def floored(utc: datetime, zone: str) -> str:
    """A time, in UTC without tzinfo, at a place: ISO 8601 with the offset, down to the second."""
    at = utc.replace(tzinfo=UTC, microsecond=0).astimezone(zone_named(zone))
    return at.isoformat()


def ceiled(utc: datetime, zone: str) -> str:
    """The same, up to the second."""
    return floored(utc + timedelta(seconds=1) if utc.microsecond else utc, zone)


def at_us(us: int) -> datetime:
    """Microseconds since 1970 as UTC without tzinfo."""
    return _EPOCH + timedelta(microseconds=us)


def corrected_start(clip: Mapping[str, Any]) -> datetime:
    """When a clip began by the corrected clock, in UTC without tzinfo."""
    start: datetime = clip["start_utc"]
    return start + timedelta(seconds=clip["clock_correction_s"] or 0.0)


def deployment_rows(
    deployments: Iterable[Deployment], with_issues: Iterable[str]
) -> tuple[list[Row], list[Row], list[str]]:
    """Rows of deployments and of their failures, and notes on what the standard does not take.

    with_issues: ids of those that have a clip whose time is in doubt.
    """
    doubtful = set(with_issues)
    rows, failures, notes = [], [], []
    for one in deployments:
        details, comments = dict(one.details), []
        values = {n: limits.value(details[n]) for n, limits in LIMITS.items() if n in details}
        for name, value in values.items():
            if value is None:
                text = details.pop(name)
                comments.append(f"{name}:{text}")
                notes.append(
                    f"deployment {one.deployment_id!r}: {name} {text!r} is none of the standard's "
                    "values; it stands in deploymentComments"
                )
        is_doubtful = one.deployment_id in doubtful
        said = bool(values.pop("timestampIssues", False))
        tags = [part for part in (details.pop("deploymentTags", ""), f"zone:{one.zone}") if part]
        comments.insert(0, details.pop("deploymentComments", ""))
        rows.append(
            {
                **details,
                **values,
                "deploymentID": one.deployment_id,
                "locationID": one.location_id,
                "locationName": one.location_name,
                "latitude": one.latitude,
                "longitude": one.longitude,
                "deploymentStart": floored(one.start_utc, one.zone),
                "deploymentEnd": ceiled(one.end_utc, one.zone),
                "cameraID": one.camera_id,
                "timestampIssues": is_doubtful or said,
                "deploymentTags": " | ".join(tags),
                "deploymentComments": " | ".join(filter(None, comments)),
            }
        )
        failures += [
            {
                "deploymentID": one.deployment_id,
                "failureStart": floored(f.start_utc, one.zone),
                "failureEnd": ceiled(f.end_utc, one.zone),
                "failureReason": f.reason,
            }
            for f in one.failures
        ]
    return rows, failures, notes


def file_paths(clips: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Paths by media_id as the standard takes them: below the folder that all have in common."""
    folders = {str(Path(clip["path"]).parent) for clip in clips}
    common = commonpath(folders) if folders else ""
    return {clip["media_id"]: _as_allowed(clip["path"], common) for clip in clips}


def _as_allowed(path: str, common: str) -> str:
    below = printable(Path(path).relative_to(common).as_posix()).replace("..", "%2E%2E")
    # The standard refuses the first three, and spreadsheets would run what begins with the others.
    return f"media/{below}" if below[:1] in "./~=+-@" else below


def media_rows(
    clips: Iterable[Mapping[str, Any]],
    deployments: Mapping[str, Deployment],
    paths: Mapping[str, str],
    capture_method: str,
    *,
    is_public: bool,
) -> Iterator[Row]:
    """A row a clip. paths: by media_id, as of `file_paths`."""
    for clip in clips:
        zone = deployments[clip["deployment_id"]].zone
        yield {
            "mediaID": clip["media_id"],
            "deploymentID": clip["deployment_id"],
            "captureMethod": capture_method,
            "timestamp": floored(corrected_start(clip), zone),
            "filePath": paths[clip["media_id"]],
            "filePublic": is_public,
            "fileName": printable(clip["name"]),
            "fileMediatype": _MEDIA_TYPES.get(Path(clip["path"]).suffix.lower(), "video/mp4"),
            "mediaComments": " | ".join(_of_clock(clip)),
        }


def _of_clock(clip: Mapping[str, Any]) -> Iterator[str]:
    """What the camera said, where that is not what is exported, and what is in doubt."""
    if clip["clock_correction_s"]:
        said = clip["camera_local"] or clip["start_utc"]
        end = "" if clip["camera_local"] else "Z"
        yield f"cameraClock:{said.isoformat()}{end}"
        yield f"clockCorrection:{clip['clock_correction_s']:+.3f} s"
    if clip["timestamp_issue"]:
        yield f"timestampIssue:{clip['timestamp_issue']}"
