"""The store's sightings and effort as CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence

from lab.formats.csv import to_csv
from lab.formats.export import Export, Row
from lab.store.tables import EFFORT_COLUMNS, STORED_SIGHTING_COLUMNS


class SightingsCsv(Export):
    """One row a stored sighting."""

    content = "sightings"
    suffix = ".csv"
    media_type = "text/csv"

    def write(self, rows: Sequence[Row]) -> str:
        return to_csv(rows, STORED_SIGHTING_COLUMNS)


class SightingsJson(Export):
    """A list, one object a stored sighting."""

    content = "sightings"
    suffix = ".json"
    media_type = "application/json"

    def write(self, rows: Sequence[Row]) -> str:
        return json.dumps(list(rows), indent=1, default=str) + "\n"


class EffortCsv(Export):
    """One row a run, also where nothing was found."""

    content = "effort"
    suffix = ".csv"
    media_type = "text/csv"

    def write(self, rows: Sequence[Row]) -> str:
        return to_csv(rows, EFFORT_COLUMNS)


class EffortJson(Export):
    """A list, one object a run."""

    content = "effort"
    suffix = ".json"
    media_type = "application/json"

    def write(self, rows: Sequence[Row]) -> str:
        return json.dumps(list(rows), indent=1, default=str) + "\n"
