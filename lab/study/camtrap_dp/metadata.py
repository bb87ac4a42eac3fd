"""What `datapackage.json` says of a study."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lab.annotation import utc_now
from lab.clock import zone_named
from lab.deployment import Deployment
from lab.store.taxa import Taxon
from lab.study.camtrap_dp.columns import (
    PROFILE,
    STANDARD,
    TAXON_RANKS,
    custom_schema,
    schema_url,
)


@dataclass(frozen=True, kw_only=True)
class Study:
    """What people say of a study, and how its events were made."""

    title: str
    contributors: tuple[str, ...]
    sampling_design: str
    capture_method: str
    interval_s: float
    rule: str


def datapackage(
    study: Study,
    tables: Sequence[str],
    deployments: Iterable[Deployment],
    taxa: Iterable[Taxon],
) -> dict[str, Any]:
    """The content of `datapackage.json`. tables: names of those that are written."""
    places = list(deployments)
    return {
        "resources": [_resource(name) for name in tables],
        "profile": PROFILE,
        "name": _name_of(study.title),
        "id": str(uuid.uuid4()),
        "created": utc_now().replace(microsecond=0).isoformat() + "Z",
        "title": study.title,
        "contributors": [{"title": name, "role": "contributor"} for name in study.contributors],
        "sources": [{"title": "Sighting Lab"}],
        "project": {
            "title": study.title,
            "samplingDesign": study.sampling_design,
            "captureMethod": [study.capture_method],
            "individualAnimals": False,
            "observationLevel": ["media", "event"],
        },
        "eventDefinition": {
            "interval_s": study.interval_s,
            "rule": study.rule,
            "gap": "end of one sighting to start of the next",
            "count": "largest number at one time",
        },
        "spatial": _spatial(places),
        "temporal": {
            "start": min(_date(one.start_utc, one.zone) for one in places),
            "end": max(_date(one.end_utc, one.zone) for one in places),
        },
        "taxonomic": [_taxon(one) for one in taxa],
    }


def _resource(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "path": f"{name}.csv",
        "profile": "tabular-data-resource",
        "format": "csv",
        "mediatype": "text/csv",
        "encoding": "utf-8",
        "schema": schema_url(name) if name in STANDARD else custom_schema(name),
    }


def _name_of(title: str) -> str:
    text = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", text).strip("-") or "study"


def _date(utc: datetime, zone: str) -> str:
    return utc.replace(tzinfo=UTC).astimezone(zone_named(zone)).date().isoformat()


def _spatial(places: Sequence[Deployment]) -> dict[str, Any]:
    """The box around all deployments, as GeoJSON; of one place a point."""
    x = [one.longitude for one in places if one.longitude is not None]
    y = [one.latitude for one in places if one.latitude is not None]
    west, south, east, north = min(x), min(y), max(x), max(y)
    if (west, south) == (east, north):
        return {"type": "Point", "coordinates": [west, south]}
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "bbox": [west, south, east, north], "coordinates": [ring]}


def _taxon(one: Taxon) -> dict[str, Any]:
    found: dict[str, Any] = {"scientificName": one.scientific_name}
    if one.taxon_id:
        found["taxonID"] = one.taxon_id
    if one.taxon_rank in TAXON_RANKS:
        found["taxonRank"] = one.taxon_rank
    if one.english_name:
        found["vernacularNames"] = {"eng": one.english_name}
    return found
