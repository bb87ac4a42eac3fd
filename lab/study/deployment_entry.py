"""A deployment as a person types it, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lab.deployment import Deployment
from lab.errors import SettingError
from lab.study.deployment_file import deployment_of_row
from lab.study.table_file import TableRow

_FIELDS = {
    "deploymentID": "deployment_id",
    "deploymentStart": "start",
    "deploymentEnd": "end",
    "latitude": "latitude",
    "longitude": "longitude",
    "cameraID": "camera",
    "zone": "zone",
}
_NAMES = {"deploymentStart": "the start", "deploymentEnd": "the end"}


def texts_of_deployment(one: Deployment | None) -> dict[str, str]:
    """The fields of a form: deployment_id, site, camera, start, end, zone, latitude, longitude,
    failures (one a line); all empty without a deployment.
    """
    if one is None:
        return dict.fromkeys((*_FIELDS.values(), "site", "failures"), "")

    def local(utc: object) -> str:
        return one.local(utc).replace("T", " ")  # type: ignore[arg-type]

    return {
        "deployment_id": one.deployment_id,
        "site": one.location_name or one.location_id or "",
        "camera": one.camera_id or "",
        "start": local(one.start_utc),
        "end": local(one.end_utc),
        "zone": one.zone,
        "latitude": "" if one.latitude is None else f"{one.latitude:.10g}",
        "longitude": "" if one.longitude is None else f"{one.longitude:.10g}",
        "failures": "\n".join(
            f"{one.local(f.start_utc)}/{one.local(f.end_utc)} {f.reason}".strip()
            for f in one.failures
        ),
    }


def deployment_of_texts(texts: Mapping[str, str], known: Deployment | None = None) -> Deployment:
    """The deployment of such fields. known: of which the rest is kept: id, location_id, details.

    Raises SettingError for what is missing or not valid.
    """
    for name, what in (("deployment_id", "a name"), ("start", "a start"), ("end", "an end")):
        if not texts[name].strip():
            raise SettingError(f"a deployment needs {what}; fill in the field")
    if not texts["zone"].strip():
        raise SettingError("the clock needs its zone, such as Europe/Berlin, or +01:00")
    values = {column: texts[name].strip() for column, name in _FIELDS.items()}
    values["failures"] = "|".join(texts["failures"].splitlines())
    values["locationName"] = texts["site"].strip()
    made = deployment_of_row(TableRow("", values))
    if known is None:
        return made
    is_same_site = made.location_name == (known.location_name or known.location_id)
    return replace(
        made,
        deployment_id=known.deployment_id,
        location_id=known.location_id if is_same_site else None,
        location_name=known.location_name if is_same_site else made.location_name,
        details=known.details,
    )
