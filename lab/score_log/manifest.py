"""The manifest of a score log: what it is of, and, once it is finished, what it consists of.

run_id, labels, recipe   of the run, or of labels that were added to it
compacted_through        the number of the last part that a compacted one replaces
parts                    of a log that was finished: each part with the rows, bytes and SHA-256
                         of its two files (the names alone where the manifest had been lost)
is_open                  the log is being continued: parts after those listed count as well
complete, added          of added labels: whether they cover every sample; of a run: the
                         folders of complete added labels, with these
removed                  of a log that was removed: when, and the parts that it had
checksum                 of all the rest
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.atomic_file import write_atomically
from lab.errors import StoreError

FORMAT = 1
ADDED = "added"  # the subfolder of labels that were added later, a log each
NAME = "manifest.json"


class DamagedManifest(StoreError):
    """A manifest that is missing or not what was written. What it said is in the catalog, too."""


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a log, without its checksum.

    Raises DamagedManifest if there is none, or it is not what was written; StoreError if it is of
    a newer format.
    """
    path = folder / NAME
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        why = "is missing" if folder.is_dir() else "is missing with its folder"
        raise DamagedManifest(f"{path} {why}; {_way_out(folder)}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedManifest(f"{path} cannot be read ({error}); {_way_out(folder)}") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("labels"), list):
        raise DamagedManifest(f"{path} is not a run's manifest; {_way_out(folder)}")
    written = manifest.pop("checksum", None)
    # Logs of older versions have neither parts nor a checksum.
    if (written is not None or "parts" in manifest) and written != _checksum(manifest):
        raise DamagedManifest(f"{path} is not what was written; {_way_out(folder)}")
    if manifest.get("format", 0) > FORMAT:
        raise StoreError(
            f"{path} has format {manifest['format']}, this version knows {FORMAT}; update"
        )
    return manifest


def check_run(folder: Path, manifest: Mapping[str, Any], run_id: str | None) -> None:
    """Raises DamagedManifest if a log is of another run; run_id: None leaves that open."""
    found = manifest.get("run_id", run_id)
    if run_id is not None and found != run_id:
        raise DamagedManifest(
            f"{folder / NAME} is of run {found}; restore it from a copy, or {way_out(run_id)}"
        )


def write_manifest(folder: Path, manifest: Mapping[str, Any], *, is_durable: bool = True) -> None:
    """Write a log's manifest, whole or not at all; if durable, it survives a loss of power.

    Raises OSError.
    """
    content = json.loads(json.dumps(manifest))
    text = json.dumps({**content, "checksum": _checksum(content)}, indent=1)
    write_atomically(folder / NAME, text, is_durable=is_durable)


def _checksum(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def run_of(folder: Path) -> str:
    """The id of the run that a log's folder, or that of its added labels, belongs to."""
    return folder.parent.parent.name if folder.parent.name == ADDED else folder.name


def way_out(run_id: str) -> str:
    """The words of a message about a damaged log."""
    return f"analyse what is missing again with: lab analyze --resume {run_id}"


def _way_out(folder: Path) -> str:
    return f"restore it from a copy, or {way_out(run_of(folder))}"
