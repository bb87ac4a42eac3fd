"""The tables of Camtrap DP 1.0.2 as Table Schemas, from its documentation.

Each column: its type, then what the standard demands of it. They are written once more here, so
that a mistake in what is exported is not one in what it is held against.
"""

from typing import Any

TIME = "%Y-%m-%dT%H:%M:%S%z"
TYPES = ["animal", "human", "vehicle", "blank", "unknown", "unclassified"]
FEATURES = ["roadPaved", "roadDirt", "trailHiking", "trailGame", "roadUnderpass", "roadOverpass",
            "roadBridge", "culvert", "burrow", "nestSite", "carcass", "waterSource",
            "fruitingTree"]  # fmt: skip
KEY = {"required": True, "unique": True}
NEEDED = {"required": True}
FRACTION = {"minimum": 0, "maximum": 1}
SIDE = {"minimum": 1e-15, "maximum": 1}
POSITIVE = {"minimum": 0}

DEPLOYMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "deploymentID": ("string", KEY),
    "locationID": ("string", {}),
    "locationName": ("string", {}),
    "latitude": ("number", {"required": True, "minimum": -90, "maximum": 90}),
    "longitude": ("number", {"required": True, "minimum": -180, "maximum": 180}),
    "coordinateUncertainty": ("integer", {"minimum": 1}),
    "deploymentStart": ("datetime", NEEDED),
    "deploymentEnd": ("datetime", NEEDED),
    "setupBy": ("string", {}),
    "cameraID": ("string", {}),
    "cameraModel": ("string", {}),
    "cameraDelay": ("integer", POSITIVE),
    "cameraHeight": ("number", POSITIVE),
    "cameraDepth": ("number", POSITIVE),
    "cameraTilt": ("integer", {"minimum": -90, "maximum": 90}),
    "cameraHeading": ("integer", {"minimum": 0, "maximum": 360}),
    "detectionDistance": ("number", POSITIVE),
    "timestampIssues": ("boolean", {}),
    "baitUse": ("boolean", {}),
    "featureType": ("string", {"enum": FEATURES}),
    "habitat": ("string", {}),
    "deploymentGroups": ("string", {}),
    "deploymentTags": ("string", {}),
    "deploymentComments": ("string", {}),
}
MEDIA: dict[str, tuple[str, dict[str, Any]]] = {
    "mediaID": ("string", KEY),
    "deploymentID": ("string", NEEDED),
    "captureMethod": ("string", {"enum": ["activityDetection", "timeLapse"]}),
    "timestamp": ("datetime", NEEDED),
    "filePath": ("string", {"required": True, "pattern": r"^(?=^[^./~])(^((?!\.{2}).)*$).*$"}),
    "filePublic": ("boolean", NEEDED),
    "fileName": ("string", {}),
    "fileMediatype": ("string", {"required": True, "pattern": r"^(image|video|audio)/.*$"}),
    "exifData": ("object", {}),
    "favorite": ("boolean", {}),
    "mediaComments": ("string", {}),
}
OBSERVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "observationID": ("string", KEY),
    "deploymentID": ("string", NEEDED),
    "mediaID": ("string", {}),
    "eventID": ("string", {}),
    "eventStart": ("datetime", NEEDED),
    "eventEnd": ("datetime", NEEDED),
    "observationLevel": ("string", {"required": True, "enum": ["media", "event"]}),
    "observationType": ("string", {"required": True, "enum": TYPES}),
    "cameraSetupType": ("string", {"enum": ["setup", "calibration"]}),
    "scientificName": ("string", {}),
    "count": ("integer", {"minimum": 1}),
    "lifeStage": ("string", {"enum": ["adult", "subadult", "juvenile"]}),
    "sex": ("string", {"enum": ["female", "male"]}),
    "behavior": ("string", {}),
    "individualID": ("string", {}),
    "individualPositionRadius": ("number", POSITIVE),
    "individualPositionAngle": ("number", {"minimum": -90, "maximum": 90}),
    "individualSpeed": ("number", POSITIVE),
    "bboxX": ("number", FRACTION),
    "bboxY": ("number", FRACTION),
    "bboxWidth": ("number", SIDE),
    "bboxHeight": ("number", SIDE),
    "classificationMethod": ("string", {"enum": ["human", "machine"]}),
    "classifiedBy": ("string", {}),
    "classificationTimestamp": ("datetime", {}),
    "classificationProbability": ("number", FRACTION),
    "observationTags": ("string", {}),
    "observationComments": ("string", {}),
}
_DEPLOYMENT = ("deploymentID", "deployments")
_TABLES = {
    "deployments": (DEPLOYMENTS, []),
    "media": (MEDIA, [_DEPLOYMENT]),
    "observations": (OBSERVATIONS, [_DEPLOYMENT, ("mediaID", "media")]),
}


def schema(table: str) -> dict[str, Any]:
    """The Table Schema of `deployments`, `media` or `observations`."""
    columns, keys = _TABLES[table]
    return {
        "fields": [
            {"name": name, "type": kind, "constraints": demands}
            | ({"format": TIME} if kind == "datetime" else {})
            for name, (kind, demands) in columns.items()
        ],
        "missingValues": [""],
        "primaryKey": next(iter(columns)),
        "foreignKeys": [
            {"fields": column, "reference": {"resource": other, "fields": column}}
            for column, other in keys
        ],
    }
