"""ELAN (`.eaf`): one tier per label, one annotation per presence, times in ms; one file per media.

Format: EAF 3.0 of the Max Planck Institute for Psycholinguistics.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from xml.etree import ElementTree as ET

from lab.errors import SettingError
from lab.formats.annotations.table import annotation_row

_SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


def read(text: str, name: str) -> list[dict[str, Any]]:
    """Rows; the media is the file's media descriptor, if it has one.

    A label is the annotation's value, or its tier's name where the value is empty. Raises
    SettingError if it is not an EAF, or declares entities.
    """
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise SettingError(
            f"{name} declares entities, which an EAF does not; save it from ELAN again"
        )
    try:
        root = ET.fromstring(text.encode())
    except ET.ParseError as error:
        raise SettingError(
            f"{name} is not a whole EAF ({error}); save it from ELAN again"
        ) from None
    if root.tag != "ANNOTATION_DOCUMENT":
        raise SettingError(f"{name} is not an EAF: its root is {root.tag!r}")
    descriptor = root.find("./HEADER/MEDIA_DESCRIPTOR")
    address = (
        ""
        if descriptor is None
        else descriptor.get("RELATIVE_MEDIA_URL") or descriptor.get("MEDIA_URL") or ""
    )
    slots = {
        s.get("TIME_SLOT_ID"): s.get("TIME_VALUE") for s in root.iterfind("./TIME_ORDER/TIME_SLOT")
    }
    out = []
    for tier in root.iterfind("./TIER"):
        for mark in tier.iter("ALIGNABLE_ANNOTATION"):
            where = f"{name}, annotation {mark.get('ANNOTATION_ID')}"
            times = [slots.get(mark.get(f"TIME_SLOT_REF{i}")) for i in (1, 2)]
            if any(t is None or not t.isdigit() for t in times):
                raise SettingError(f"{where}: it is not aligned to a time; align it in ELAN")
            start, end = (int(str(t)) * 1000 for t in times)
            if end < start:
                raise SettingError(f"{where}: ends before it begins; fix it in ELAN")
            label = (mark.findtext("ANNOTATION_VALUE") or "").strip() or (
                tier.get("TIER_ID") or ""
            ).strip()
            who = tier.get("ANNOTATOR") or "me"
            media = address.rsplit("/", 1)[-1]
            out.append(annotation_row(media, label, start, end, where, annotator=who))
    return out


def write(rows: Iterable[Mapping[str, Any]]) -> str:
    """Of one media."""
    marks = [row for row in rows if row["start_us"] is not None]
    ET.register_namespace("xsi", _XSI)
    root = ET.Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "",
            "DATE": datetime.now(UTC).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            f"{{{_XSI}}}noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    header = ET.SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    for media in sorted({row["media"] for row in marks}):
        ET.SubElement(
            header,
            "MEDIA_DESCRIPTOR",
            MEDIA_URL=media,
            RELATIVE_MEDIA_URL=f"./{media}",
            MIME_TYPE="video/mp4",
        )
    order = ET.SubElement(root, "TIME_ORDER")
    for i, row in enumerate(marks):
        for j, name in enumerate(("start_us", "end_us")):
            ET.SubElement(
                order,
                "TIME_SLOT",
                TIME_SLOT_ID=f"ts{2 * i + j + 1}",
                TIME_VALUE=str(round(row[name] / 1000)),
            )
    for label in sorted({row["label"] for row in marks}):
        tier = ET.SubElement(root, "TIER", LINGUISTIC_TYPE_REF="default-lt", TIER_ID=label)
        for i, row in enumerate(marks):
            if row["label"] != label:
                continue
            holder = ET.SubElement(tier, "ANNOTATION")
            mark = ET.SubElement(
                holder, "ALIGNABLE_ANNOTATION", ANNOTATION_ID=f"a{i + 1}",
                TIME_SLOT_REF1=f"ts{2 * i + 1}", TIME_SLOT_REF2=f"ts{2 * i + 2}",
            )  # fmt: skip
            ET.SubElement(mark, "ANNOTATION_VALUE").text = label
    ET.SubElement(
        root,
        "LINGUISTIC_TYPE",
        GRAPHIC_REFERENCES="false",
        LINGUISTIC_TYPE_ID="default-lt",
        TIME_ALIGNABLE="true",
    )
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
