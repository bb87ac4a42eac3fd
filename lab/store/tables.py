"""Sightings and effort as flat rows, and as CSV."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Unpack

from lab.errors import DamagedLogWarning
from lab.score_log.seal import quick_damage
from lab.store.run_queries import RunFilter
from lab.store.sighting_batches import STORED_SIGHTING_COLUMNS
from lab.store.store import Store

__all__ = ["EFFORT_COLUMNS", "STORED_SIGHTING_COLUMNS", "effort_rows", "sighting_rows"]

EFFORT_COLUMNS = [
    "media", "site", "run_id", "state", "detector", "weights", "runtime", "every_s",
    "score_floor", "labels", "samples", "failed", "gated", "gaps", "analysed_s", "failed_s",
    "gap_s", "elapsed_s", "sightings", "recipe_hash", "protocol_hash", "media_id", "media_path",
    "created_utc", "error", "log_removed_utc",
]  # fmt: skip


def sighting_rows(
    store: Store, rows: Iterable[Mapping[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Stored sightings with times in seconds. rows: as `Store.sightings` gives them."""
    return [_sighting(row) for row in (store.sightings() if rows is None else rows)]


def _sighting(row: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(row)
    for name in list(out):
        if name.endswith("_us"):
            out[name[:-3] + "_s"] = None if out[name] is None else out[name] / 1e6
    out["media"] = Path(row["path"]).name if row["path"] else None
    out["media_path"] = row["path"]
    out["duration_s"] = (row["offset_us"] - row["onset_us"]) / 1e6
    out["onset_utc"] = None
    if row["start_utc"] is not None:
        after = timedelta(microseconds=row["onset_us"], seconds=row["clock_correction_s"] or 0)
        out["onset_utc"] = (row["start_utc"] + after).isoformat() + "Z"
    return {name: out.get(name) for name in STORED_SIGHTING_COLUMNS}


def effort_rows(store: Store, **wanted: Unpack[RunFilter]) -> list[dict[str, Any]]:
    """One row a run, also where nothing was seen. wanted: of which runs.

    sightings: of the current rule of its protocol, or all that were saved where it has none.
    """
    runs = store.runs(**wanted)
    media_ids = sorted({run["media_id"] for run in runs})
    media = {row["media_id"]: row for row in store.media_rows(media_id=media_ids)}
    counts = store.sighting_counts("run_id", current=True)
    out, damaged = [], []
    for run in runs:
        clip, recipe = media.get(run["media_id"], {}), run["recipe"]
        row = {**recipe, **(run["effort"] or {}), **run}
        problem = _damage(store, run)
        if problem is not None:
            damaged.append(run["run_id"])
            row |= {"state": "damaged", "error": problem}
        row |= {
            "media": clip.get("name"),
            "media_path": clip.get("path"),
            "site": clip.get("site"),
            "labels": ",".join(recipe["labels"]),
            "sightings": counts.get(run["run_id"], 0),
        }
        out.append({name: row.get(name) for name in EFFORT_COLUMNS})
    if damaged:
        few = ", ".join(damaged[:3]) + (f" and {len(damaged) - 3} more" if damaged[3:] else "")
        warnings.warn(
            f"the effort of damaged runs is not whole: {few}; lab doctor says what is missing",
            DamagedLogWarning,
            stacklevel=2,
        )
    return out


def _damage(store: Store, run: Mapping[str, Any]) -> str | None:
    """What is missing of the log of a finished run, as far as sizes tell."""
    if run["state"] != "done":
        return None
    return quick_damage(store.log_folder(run["run_id"]), run["run_id"])
