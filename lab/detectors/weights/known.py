"""The models that are known by name: what each finds, where it comes from, whether it is here."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lab.detectors.weights.catalogue import Entry, catalogue
from lab.detectors.weights.download import redact_url
from lab.detectors.weights.find import default_place

_SHAPES = {"segment": ", segmentation", "obb": ", rotated boxes"}
_EVERYDAY = "80 everyday things (COCO)"
_AERIAL = "15 things seen from the air (DOTA)"
_OWN_NAMES = "some 4,600 names of its own"
_TYPED = "whatever is typed"
_MOST_LABELS = 6


@dataclass(frozen=True)
class KnownModel:
    """One model.

    finds: in words. publisher: the site that it comes from, such as github.com/ultralytics.
    size_bytes: of the file that is here, else as published; None if not known.
    place: where the file is, or belongs. address: where it can be fetched, without any secret;
    empty for the default model, which came with the installation.
    entry: of the catalogue; None for the default model.
    """

    name: str
    finds: str
    licence: str
    publisher: str
    size_bytes: int | None
    is_here: bool
    place: Path
    address: str
    entry: Entry | None


def known_models(folder: Path) -> list[KnownModel]:
    """The default model and those of the catalogue; first those that are here.

    folder: the models folder. Raises DetectorError if its `catalogue.toml` has a mistake.
    """
    found = [_of_entry(entry, folder) for entry in catalogue(folder).values()]
    return [*_default(), *sorted(found, key=lambda model: not model.is_here)]


def finds(entry: Entry) -> str:
    """What the model finds, in words."""
    name = entry.name.removesuffix(".pt")
    if entry.labels:
        few = ", ".join(entry.labels[:_MOST_LABELS])
        return few + (", …" if len(entry.labels) > _MOST_LABELS else "")
    if publisher_of(entry.url) != "github.com/ultralytics":
        return "as its file says" + _SHAPES.get(entry.task, "")
    if name.startswith("yoloe"):
        words = _OWN_NAMES if name.endswith("-pf") else _TYPED
    elif "-world" in name:
        words = _TYPED
    else:
        words = _AERIAL if entry.task == "obb" else _EVERYDAY
    return words + _SHAPES.get(entry.task, "")


def publisher_of(url: str) -> str:
    """The host of an address; of GitHub with the owner."""
    parts = urlsplit(url)
    owner = parts.path.split("/")[1:2] if parts.hostname == "github.com" else []
    return "/".join([parts.hostname or "", *owner])


def _of_entry(entry: Entry, folder: Path) -> KnownModel:
    place = folder / entry.name
    size_bytes, is_here = entry.size_bytes, False
    with contextlib.suppress(OSError):
        if place.is_file():
            size_bytes, is_here = place.stat().st_size, True
    return KnownModel(
        name=entry.name,
        finds=finds(entry),
        licence=entry.licence,
        publisher=publisher_of(entry.url),
        size_bytes=size_bytes,
        is_here=is_here,
        place=place,
        address=redact_url(entry.url),
        entry=entry,
    )


def _default() -> list[KnownModel]:
    place = default_place()
    if place is None or not place.is_file():
        return []
    return [
        KnownModel(
            name=place.name,
            finds=_EVERYDAY,
            licence="AGPL-3.0",
            publisher="the installation",
            size_bytes=place.stat().st_size,
            is_here=True,
            place=place,
            address="",
            entry=None,
        )
    ]
