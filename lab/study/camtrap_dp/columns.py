"""The tables of Camtrap DP 1.0.2 and the custom ones beside them: their columns, in their order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lab.annotation import ANSWERS

VERSION = "1.0.2"
_PLACE = f"https://raw.githubusercontent.com/tdwg/camtrap-dp/{VERSION}"
PROFILE = f"{_PLACE}/camtrap-dp-profile.json"

DEPLOYMENTS = (
    "deploymentID", "locationID", "locationName", "latitude", "longitude", "coordinateUncertainty",
    "deploymentStart", "deploymentEnd", "setupBy", "cameraID", "cameraModel", "cameraDelay",
    "cameraHeight", "cameraDepth", "cameraTilt", "cameraHeading", "detectionDistance",
    "timestampIssues", "baitUse", "featureType", "habitat", "deploymentGroups", "deploymentTags",
    "deploymentComments",
)  # fmt: skip
MEDIA = (
    "mediaID", "deploymentID", "captureMethod", "timestamp", "filePath", "filePublic", "fileName",
    "fileMediatype", "exifData", "favorite", "mediaComments",
)  # fmt: skip
OBSERVATIONS = (
    "observationID", "deploymentID", "mediaID", "eventID", "eventStart", "eventEnd",
    "observationLevel", "observationType", "cameraSetupType", "scientificName", "count",
    "lifeStage", "sex", "behavior", "individualID", "individualPositionRadius",
    "individualPositionAngle", "individualSpeed", "bboxX", "bboxY", "bboxWidth", "bboxHeight",
    "classificationMethod", "classifiedBy", "classificationTimestamp", "classificationProbability",
    "observationTags", "observationComments",
)  # fmt: skip
STANDARD = {"deployments": DEPLOYMENTS, "media": MEDIA, "observations": OBSERVATIONS}

FAILURES = ("deploymentID", "failureStart", "failureEnd", "failureReason")
VIDEO_SIGHTINGS = (
    "observationID", "onset_s", "offset_s", "onset_earliest_s", "offset_latest_s", "censored_left",
    "censored_right", "stayingTimeCensoringtype", "peak_s", "recipe_hash", "rule_hash",
    "analysed_s",
)  # fmt: skip
VERDICTS = (
    "verdictID", "mediaID", "label", "start_s", "end_s", "verdict", "newLabel", "judgedBy",
    "judgedAt", "ruleHash",
)  # fmt: skip
CUSTOM = {
    "deployment-failures": FAILURES,
    "video-sightings": VIDEO_SIGHTINGS,
    "sighting-verdicts": VERDICTS,
}
SAMPLING_DESIGNS = ("simpleRandom", "systematicRandom", "clusteredRandom", "experimental",
                    "targeted", "opportunistic")  # fmt: skip
CAPTURE_METHODS = ("activityDetection", "timeLapse")
TAXON_RANKS = ("kingdom", "phylum", "class", "order", "family", "genus", "species", "subspecies")
_MOST_NAMED = 5
_TIME = "%Y-%m-%dT%H:%M:%S%z"


def schema_url(table: str) -> str:
    """Where the standard's schema of one of its tables lies."""
    return f"{_PLACE}/{table}-table-schema.json"


def custom_schema(table: str) -> dict[str, Any]:
    """The Table Schema of one of `CUSTOM`."""
    schemas: dict[str, dict[str, Any]] = {
        "deployment-failures": {
            "fields": [_field(name, _FAILURE_TYPES.get(name, "string")) for name in FAILURES],
            "foreignKeys": [_key("deploymentID", "deployments")],
        },
        "video-sightings": {
            "fields": [
                _field(name, _SIGHTING_TYPES.get(name, "number")) for name in VIDEO_SIGHTINGS
            ],
            "primaryKey": "observationID",
            "foreignKeys": [_key("observationID", "observations")],
        },
        "sighting-verdicts": {
            "fields": [_VERDICT_FIELDS.get(n) or _field(n, "string") for n in VERDICTS],
            "primaryKey": "verdictID",
            "foreignKeys": [_key("mediaID", "media")],
        },
    }
    return schemas[table]


_FAILURE_TYPES = {"failureStart": "datetime", "failureEnd": "datetime"}
_SIGHTING_TYPES = {
    **dict.fromkeys(("observationID", "stayingTimeCensoringtype"), "string"),
    **dict.fromkeys(("recipe_hash", "rule_hash"), "string"),
    **dict.fromkeys(("censored_left", "censored_right"), "boolean"),
}


def _field(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "type": kind} | ({"format": _TIME} if kind == "datetime" else {})


_VERDICT_FIELDS = {
    "start_s": _field("start_s", "number"),
    "end_s": _field("end_s", "number"),
    "verdict": _field("verdict", "string") | {"constraints": {"enum": list(ANSWERS)}},
    "judgedAt": _field("judgedAt", "datetime") | {"format": "%Y-%m-%dT%H:%M:%S.%f%z"},
}


def _key(column: str, resource: str) -> dict[str, Any]:
    return {"fields": column, "reference": {"resource": resource, "fields": column}}


def some_of(names: Iterable[str]) -> str:
    """The first of them, and how many more there are."""
    ids = list(names)
    more = f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
    return ", ".join(ids[:_MOST_NAMED]) + more


@dataclass(frozen=True)
class Limits:
    """What a column of `deployments.csv` takes: a number within limits, or one of some
    words."""

    low: float = 0
    high: float = float("inf")
    is_whole: bool = False
    words: tuple[str, ...] = ()

    def value(self, text: str) -> str | float | bool | None:
        """What a text says; None if the column does not take it."""
        if self is _BOOLEAN:
            return {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
        if self.words:
            return text if text in self.words else None
        try:
            value = int(text) if self.is_whole else float(text)
        except ValueError:
            return None
        return value if self.low <= value <= self.high and abs(value) != float("inf") else None


_BOOLEAN = Limits(words=("true", "false"))
LIMITS = {
    "coordinateUncertainty": Limits(1, is_whole=True),
    "cameraDelay": Limits(is_whole=True),
    "cameraHeight": Limits(),
    "cameraDepth": Limits(),
    "cameraTilt": Limits(-90, 90, is_whole=True),
    "cameraHeading": Limits(0, 360, is_whole=True),
    "detectionDistance": Limits(),
    "timestampIssues": _BOOLEAN,
    "baitUse": _BOOLEAN,
    "featureType": Limits(words=(
        "roadPaved", "roadDirt", "trailHiking", "trailGame", "roadUnderpass", "roadOverpass",
        "roadBridge", "culvert", "burrow", "nestSite", "carcass", "waterSource", "fruitingTree")),
}  # fmt: skip
