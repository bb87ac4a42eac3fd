"""The rows of Camtrap DP's tables, from what the store knows."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from os.path import commonpath
from pathlib import Path
from typing import Any

from lab.clock import zone_named
from lab.deployment import Deployment
from lab.errors import printable
from lab.store.taxa import Taxon
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


def taxon_columns(label: str, taxa: Mapping[str, Taxon]) -> Row:
    """What a label stands for; without a taxon that is unknown."""
    taxon = taxa.get(label)
    return {
        "observationType": taxon.observation_type if taxon else "unknown",
        "scientificName": taxon.scientific_name if taxon else None,
        "observationTags": f"label:{label.replace('|', '/')}",
    }


def sighting_row(
    one: Mapping[str, Any],
    clip: Mapping[str, Any],
    zone: str,
    event_id: str,
    box: tuple[float, float, float, float] | None,
    taxa: Mapping[str, Taxon],
) -> Row:
    """A sighting as an observation of its clip. box: x, y, width, height in fractions."""
    start = corrected_start(clip)
    return {
        "observationID": one["sighting_id"],
        "deploymentID": clip["deployment_id"],
        "mediaID": one["media_id"],
        "eventID": event_id,
        "eventStart": floored(start + timedelta(microseconds=one["onset_us"]), zone),
        "eventEnd": ceiled(start + timedelta(microseconds=one["offset_us"]), zone),
        "observationLevel": "media",
        "count": one["most_at_once"],
        **dict(zip(("bboxX", "bboxY", "bboxWidth", "bboxHeight"), box or ())),
        "classificationMethod": "machine",
        "classifiedBy": classifier(one),
        "classificationTimestamp": one["saved_utc"].replace(microsecond=0).isoformat() + "Z",
        "classificationProbability": _probability(one["peak_confidence"]),
        **taxon_columns(one["label"], taxa),
    }


def classifier(row: Mapping[str, Any]) -> str:
    return " ".join(filter(None, (row["detector"], row["weights"])))


def _probability(value: float) -> float | None:
    # Scores of some detectors are no probabilities.
    return round(value, 6) if 0 <= value <= 1 and math.isfinite(value) else None


def video_row(one: Mapping[str, Any]) -> Row:
    """A sighting's exact times, in seconds of its clip."""
    left, right = one["censored_left"], one["censored_right"]
    kind = {(False, False): "complete", (True, True): "both"}
    return {
        "observationID": one["sighting_id"],
        **{f"{name}_s": one[f"{name}_us"] / 1e6
           for name in ("onset", "offset", "onset_earliest", "offset_latest", "peak")},
        "censored_left": left,
        "censored_right": right,
        "stayingTimeCensoringtype": kind.get((left, right), "left" if left else "right"),
        "recipe_hash": one["recipe_hash"],
        "rule_hash": one["rule_hash"],
        "analysed_s": one["analysed_s"],
    }  # fmt: skip


def event_row(
    event: Mapping[str, Any], event_id: str, deployment: Deployment, taxa: Mapping[str, Taxon]
) -> Row:
    """An event as an observation; its count is the largest number at one time."""
    first, last = (event[n].astimezone(UTC).replace(tzinfo=None) for n in ("first_utc", "last_utc"))
    return {
        "observationID": event_id,
        "deploymentID": deployment.deployment_id,
        "eventID": event_id,
        "eventStart": floored(first, deployment.zone),
        "eventEnd": ceiled(last, deployment.zone),
        "observationLevel": "event",
        "count": event["max_n"],
        "classificationMethod": "machine",
        **taxon_columns(event["label"], taxa),
    }


def blank_row(clip: Mapping[str, Any], look: Mapping[str, Any] | None, zone: str) -> Row:
    """A clip without sightings: blank where a rule has decided on all of it, else unclassified.

    look: as of `Store.looks_at`, None for a clip that was never analysed.
    """
    start = corrected_start(clip)
    is_blank = look is not None and look["is_whole"] and look["has_rule"]
    row = {
        "observationID": f"{clip['media_id']}-{'blank' if is_blank else 'unclassified'}",
        "deploymentID": clip["deployment_id"],
        "mediaID": clip["media_id"],
        "eventStart": floored(start, zone),
        "eventEnd": ceiled(start + timedelta(seconds=clip["duration_s"]), zone),
        "observationLevel": "media",
        "observationType": "blank" if is_blank else "unclassified",
    }
    if is_blank and look is not None:
        searched = ", ".join(json.loads(look["labels"] or "[]")).replace("|", "/")
        row |= {
            "classificationMethod": "machine",
            "classifiedBy": classifier(look),
            "observationTags": f"searched:{searched}",
        }
    return row
