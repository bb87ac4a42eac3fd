"""The formats in which annotations are exported."""

from __future__ import annotations

from collections.abc import Sequence

from lab.formats.annotations import audacity, boris, elan, table, webvtt
from lab.formats.export import Export, Row


class Table(Export):
    """CSV: media, label, start_s, end_s and who said it; it is read back as it is."""

    content = "annotations"
    suffix = ".csv"
    media_type = "text/csv"

    def write(self, rows: Sequence[Row]) -> str:
        return table.write_table(rows)


class Boris(Export):
    """The table of aggregated events of BORIS."""

    content = "annotations"
    suffix = ".csv"
    media_type = "text/csv"

    def write(self, rows: Sequence[Row]) -> str:
        return boris.write(rows)


class Audacity(Export):
    """A label track of Audacity."""

    content = "annotations"
    suffix = ".txt"
    is_of_one_media = True

    def write(self, rows: Sequence[Row]) -> str:
        return audacity.write(rows)


class Elan(Export):
    """A document of ELAN, one tier a label and annotator."""

    content = "annotations"
    suffix = ".eaf"
    media_type = "application/xml"
    is_of_one_media = True

    def write(self, rows: Sequence[Row]) -> str:
        return elan.write(rows)


class WebVtt(Export):
    """Captions of a video."""

    content = "annotations"
    suffix = ".vtt"
    media_type = "text/vtt"
    is_of_one_media = True

    def write(self, rows: Sequence[Row]) -> str:
        return webvtt.write(rows)
