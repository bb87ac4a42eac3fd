"""The contract of an export: what the store holds, as a file that another program reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, Literal

from lab.errors import LabError, SettingError
from lab.registry import Registry

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]
Content = Literal["annotations", "sightings", "effort"]


class Export(ABC):
    """One file format. A plugin is a class that is registered in the group `lab.exports`.

    content: what its rows are.
        `annotations`: media (name), label, start_us and end_us (integer microseconds of media
        time; None for a media that was watched with nothing found), annotator, origin, media_id.
        `sightings`, `effort`: the columns of `lab.store.tables`.
    suffix: of the file's name, with its dot. media_type: for the browser.
    is_of_one_media: whether a file can hold one clip only.
    """

    content: ClassVar[Content]
    suffix: ClassVar[str]
    media_type: ClassVar[str] = "text/plain"
    is_of_one_media: ClassVar[bool] = False

    @abstractmethod
    def write(self, rows: Sequence[Row]) -> str | bytes:
        """The whole file, as text where it is one.

        Raises SettingError for rows that the format cannot hold.
        """

    def write_batches(self, batches: Iterable[pa.RecordBatch], out: BinaryIO) -> None:
        """The same of Arrow batches, into a file: for more rows than memory holds at once.

        A format that does not override it holds all rows at once. Raises as `write` does.
        """
        out.write(as_bytes(self.write([row for batch in batches for row in batch.to_pylist()])))


def as_bytes(whole: str | bytes) -> bytes:
    """A file as `Export.write` gives it, as its bytes."""
    return whole.encode() if isinstance(whole, str) else whole


exports = Registry(
    "export format",
    "lab.exports",
    {
        "audacity": "lab.formats.annotations.exports:Audacity",
        "boris": "lab.formats.annotations.exports:Boris",
        "csv": "lab.formats.annotations.exports:Table",
        "effort-csv": "lab.formats.tables:EffortCsv",
        "effort-json": "lab.formats.tables:EffortJson",
        "elan": "lab.formats.annotations.exports:Elan",
        "sightings-csv": "lab.formats.tables:SightingsCsv",
        "sightings-json": "lab.formats.tables:SightingsJson",
        "sightings-parquet": "lab.formats.tables:SightingsParquet",
        "webvtt": "lab.formats.annotations.exports:WebVtt",
    },
)


def formats_of(content: Content) -> dict[str, Export]:
    """The formats for this content, by name; plugins that cannot be loaded are left out."""
    found = {}
    for name in exports.names():
        try:
            made = exports.make(name, Export)  # type: ignore[type-abstract]
        except LabError:
            continue
        if made.content == content:
            found[name] = made
    return found


def export_named(name: str, content: Content) -> Export:
    """The export of that name. Raises SettingError if there is none for this content."""
    made = exports.make(name, Export)  # type: ignore[type-abstract]
    if made.content != content:
        raise SettingError(f"{name!r} is a format for {made.content}, not for {content}")
    return made
