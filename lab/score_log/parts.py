"""The parts of a score log: which count, and whether each is what was written."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from lab.score_log.manifest import ADDED, NAME, read_manifest

SAMPLES = pa.schema(
    [
        ("frame_index", pa.int64()),
        ("pts_us", pa.int64()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("wall_time", pa.float64()),
        ("camera_time", pa.float64()),
    ]
)
DETECTIONS = pa.schema(
    [
        ("pts_us", pa.int64()),
        ("label", pa.string()),
        ("confidence", pa.float32()),
        ("x1_px", pa.float32()),
        ("y1_px", pa.float32()),
        ("x2_px", pa.float32()),
        ("y2_px", pa.float32()),
        ("text", pa.string()),
    ]
)
_MANY_BYTES = 1 << 20  # of a part, for which threads pay
KINDS = ("samples", "detections")
# What came later: camera_time, and text.
_ALWAYS = {"samples": SAMPLES.names[:-1], "detections": DETECTIONS.names[:-1]}
_PART_NAME = re.compile(r"(?:samples|detections)-(c?)([0-9]+)\.(?:parquet|part)")
_SET_ASIDE = re.compile(r"(?:samples|detections)-c?([0-9]+)(?:\.[0-9]+)?\.damaged")


class PartProblem(Exception):
    """A part's file is missing, or not what was written. The text begins with its name."""


@dataclass(frozen=True)
class Part:
    """A part of a log: two files. facts: of each kind of file, if the manifest knows them."""

    samples: Path
    detections: Path
    facts: Mapping[str, Mapping[str, Any]] | None = None

    @property
    def files(self) -> tuple[Path, Path]:
        return self.samples, self.detections

    @property
    def name(self) -> str:
        """What the names of both files have in common, such as c00012."""
        return self.samples.stem.removeprefix("samples-")

    @property
    def number(self) -> int:
        return int(self.name.removeprefix("c"))

    def read(self, coded: Sequence[str] = ()) -> tuple[pa.Table, pa.Table]:
        """Its samples and detections. Raises PartProblem.

        coded: columns of the detections to read as dictionary and codes, which takes less memory.
        """
        return self._table("samples"), self._table("detections", coded)

    def read_samples(self) -> pa.Table:
        """Its samples alone. Raises PartProblem."""
        return self._table("samples")

    def read_detections(self) -> pa.Table:
        """Its detections alone. Raises PartProblem."""
        return self._table("detections")

    def check(self) -> None:
        """Whether both files are what was written. Raises PartProblem.

        Reads every byte where the manifest knows the checksums, else every value.
        """
        for kind in KINDS:
            if self.facts is None:
                self._table(kind)
            else:
                self._content(kind)

    def quick_problem(self) -> str | None:
        """Whether a file is missing or has another size, without reading it."""
        for kind in KINDS:
            path = self._path(kind)
            try:
                size = path.stat().st_size
            except OSError:
                return f"{path.name}: it is missing"
            if self.facts is not None and size != self.facts[kind]["bytes"]:
                return f"{path.name}: {size} bytes, not as written"
        return None

    def facts_now(self) -> dict[str, Any]:
        """What the manifest keeps of it. Raises PartProblem."""
        known: dict[str, Any] = {"name": self.name}
        for kind in KINDS:
            content = self._content(kind)
            known[kind] = {
                "rows": self._table(kind).num_rows,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        return known

    def _table(self, kind: str, coded: Sequence[str] = ()) -> pa.Table:
        content = self._content(kind)
        try:
            # In memory, without mapping: parts may be replaced under us.
            file = pq.ParquetFile(
                pa.BufferReader(content),
                page_checksum_verification=self.facts is None,
                read_dictionary=list(coded),
            )
            table = file.read(use_threads=len(content) > _MANY_BYTES)
        except (OSError, pa.ArrowException) as error:
            why = str(error).splitlines()[0][:160]
            raise PartProblem(f"{self._path(kind).name}: {why}") from None
        except KeyError:  # a coded column is not there
            table = pa.table({})
        if not set(_ALWAYS[kind]) <= set(table.column_names):
            raise PartProblem(f"{self._path(kind).name}: it is not of a score log")
        if self.facts is not None and table.num_rows != self.facts[kind]["rows"]:
            raise PartProblem(f"{self._path(kind).name}: {table.num_rows} rows, not as written")
        return table

    def _content(self, kind: str) -> bytes:
        path = self._path(kind)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise PartProblem(f"{path.name}: it is missing") from None
        except OSError as error:
            raise PartProblem(f"{path.name}: {error.strerror or error}") from None
        if self.facts is None:
            return content
        known = self.facts[kind]
        if len(content) != known["bytes"]:
            raise PartProblem(
                f"{path.name}: it has {len(content)} bytes, {known['bytes']} were written"
            )
        if hashlib.sha256(content).hexdigest() != known["sha256"]:
            raise PartProblem(f"{path.name}: its content is not what was written")
        return content

    def _path(self, kind: str) -> Path:
        return self.samples if kind == "samples" else self.detections


def part_number(file: Path) -> tuple[bool, int] | None:
    """Whether a part's file is of a compacted part, and its number, of any number of digits.

    None for a file that is not a part's.
    """
    name = _PART_NAME.fullmatch(file.name)
    return None if name is None else (bool(name[1]), int(name[2]))


def parts_of(folder: Path, manifest: Mapping[str, Any] | None = None) -> list[Part]:
    """The parts that count, in order; also those that should be there and are not.

    Raises as `read_manifest` does.
    """
    manifest = read_manifest(folder) if manifest is None else manifest
    # Of parts that were found without a manifest only the names are known.
    facts = {one["name"]: one if "samples" in one else None for one in manifest.get("parts", ())}
    listed = [part_of(folder, name, known) for name, known in facts.items()]
    if "parts" in manifest and not manifest.get("is_open"):
        return listed
    through = max([0, *(part.number for part in listed)])
    if "parts" not in manifest and (through := manifest.get("compacted_through", 0)):
        name = f"c{through:05d}"
        compacted = {_number(f): f.stem.removeprefix("samples-") for f in _samples(folder, True)}
        if through in compacted or through not in _set_aside(folder):
            listed = [part_of(folder, compacted.get(through, name))]
    # Earlier versions did not reuse the numbers of parts that were set aside.
    skipped = frozenset() if "parts" in manifest else _set_aside(folder)
    return listed + _later_parts(folder, through, skipped)


def _later_parts(folder: Path, through: int, skipped: frozenset[int]) -> list[Part]:
    """Parts that the manifest does not list. They are numbered without gaps: the first part of a
    gap is among them, too.
    """
    names = {
        number: file.stem.removeprefix("samples-")
        for file in _samples(folder, False)
        if (number := _number(file)) > through
    }
    parts, expected = [], through + 1 if through else min(names, default=0)
    for number in sorted(names):
        if number > expected and not skipped.intersection(range(expected, number)):
            parts.append(part_of(folder, f"{expected:05d}"))
        parts.append(part_of(folder, names[number]))
        expected = number + 1
    return parts


def part_of(folder: Path, name: str, facts: Mapping[str, Any] | None = None) -> Part:
    """The part of this name. facts: as the manifest has them."""
    samples, detections = (folder / f"{kind}-{name}.parquet" for kind in KINDS)
    return Part(samples, detections, facts)


def _samples(folder: Path, compacted: bool) -> list[Path]:
    numbers = {file: part_number(file) for file in folder.glob("samples-*.parquet")}
    return [file for file, found in numbers.items() if found is not None and found[0] == compacted]


def _number(file: Path) -> int:
    found = part_number(file)
    return -1 if found is None else found[1]


def _set_aside(folder: Path) -> frozenset[int]:
    """Numbers of parts that an earlier resumption took out of the log."""
    names = (_SET_ASIDE.fullmatch(file.name) for file in folder.glob("*.damaged"))
    return frozenset(int(name[1]) for name in names if name is not None)


def is_set_aside(file: Path) -> bool:
    """Whether it is a damaged part's file that was taken out of a log."""
    return _SET_ASIDE.fullmatch(file.name) is not None


def part_files(folder: Path, manifest: Mapping[str, Any] | None = None) -> list[tuple[Path, Path]]:
    """(samples, detections) of the parts that count, in order; see `parts_of`."""
    return [part.files for part in parts_of(folder, manifest)]


def added_folders(folder: Path, manifest: Mapping[str, Any] | None = None) -> list[Path]:
    """The logs of labels that were added later, in order; also those that should be there.

    manifest: of the run's log, if it was read already.
    """
    begun = (f.parent for f in (folder / ADDED).glob(f"*/{NAME}") if f.parent.name.isdigit())
    listed = (folder / ADDED / name for name in (manifest or {}).get(ADDED, {}))
    return sorted({*begun, *listed})
