"""Where the sightings of a job go."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TextIO

from lab.atomic_file import write_atomically
from lab.errors import LabError, SettingError
from lab.formats.csv import to_csv
from lab.rules.rule import Rule
from lab.runs.run import Run
from lab.sighting import Sighting
from lab.store.tables import STORED_SIGHTING_COLUMNS, sighting_rows

Row = dict[str, Any]
# Those of the store's rows are left out: a sink need not have put them there.
COLUMNS = [
    "analysis",
    *(c for c in STORED_SIGHTING_COLUMNS if c not in ("sighting_id", "saved_utc")),
]


def rows_of(
    run: Run, analysis: str, rule: Rule, rule_name: str | None, found: Sequence[Sighting]
) -> list[Row]:
    """The sightings of a run as `lab export sightings` shows them, with their `analysis`."""
    facts = {
        **{
            name: run.media[name]
            for name in ("media_id", "path", "site", "start_utc", "clock_correction_s")
        },
        "run_id": run.run_id,
        "recipe_hash": run.recipe_hash,
        "protocol_hash": run.protocol_hash,
        "rule_hash": rule.rule_hash,
        "rule_name": rule_name,
    }
    rows = sighting_rows(run.store, [{**facts, **asdict(sighting)} for sighting in found])
    return [{name: {**row, "analysis": analysis}.get(name) for name in COLUMNS} for row in rows]


def prepare(sinks: Sequence[Mapping[str, Any]], clips: Sequence[Path]) -> None:
    """Make the folders of files that will be written.

    Raises SettingError for a folder that cannot be created, or a path that is one of the clips.
    """
    inputs = {os.path.realpath(clip) for clip in clips}
    for i, sink in enumerate(sinks):
        if "path" not in sink:
            continue
        path = Path(sink["path"])
        if os.path.realpath(path) in inputs:
            raise SettingError(
                f"sinks[{i}].path: {path} is a clip of the source; name another file"
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingError(
                f"sinks[{i}].path: {path.parent} cannot be created: {error.strerror}"
            ) from None
        if path.is_dir():
            raise SettingError(f"sinks[{i}].path: {path} is a folder; name a file")


def write(sinks: Sequence[Mapping[str, Any]], rows: Sequence[Row], console: TextIO) -> list[Path]:
    """Write all rows to each sink but the store; returns the files that were written.

    Raises LabError for a file that cannot be written.
    """
    written = []
    for sink in sinks:
        if sink["type"] == "console":
            console.write(_table(rows))
        elif sink["type"] in ("csv", "json"):
            text = (
                to_csv(rows, COLUMNS)
                if sink["type"] == "csv"
                else json.dumps(rows, indent=1) + "\n"
            )
            written.append(_replace(Path(sink["path"]), text))
    return written


def _replace(path: Path, text: str) -> Path:
    try:
        return write_atomically(path, text)
    except OSError as error:
        raise LabError(
            f"{path} cannot be written: {error.strerror}; the runs are in the store"
        ) from None


def _table(rows: Sequence[Row]) -> str:
    lines = [
        f"{'media':<28} {'analysis':<16} {'label':<16} {'onset_s':>10} {'offset_s':>10} {'peak':>6}"
    ]
    for row in rows:
        lines.append(
            f"{row['media']:<28} {row['analysis']:<16} {row['label']:<16} {row['onset_s']:>10.2f} "
            f"{row['offset_s']:>10.2f} {row['peak_confidence']:>6.2f}"
        )
    return "\n".join(lines) + "\n"
