"""Sightings and effort as flat rows, and as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from lab.store.store import Store

STORED_SIGHTING_COLUMNS = [
    "media", "site", "label", "onset_s", "offset_s", "duration_s", "onset_earliest_s",
    "offset_latest_s", "onset_utc", "confirmed_s", "closed_s", "peak_s", "peak_confidence",
    "alert_s", "close_reason", "censored_left", "censored_right", "run_id", "recipe_hash",
    "protocol_hash", "rule_hash", "rule_name", "media_id", "media_path", "sighting_id", "saved_utc",
]  # fmt: skip


EFFORT_COLUMNS = [
    "media", "site", "run_id", "state", "detector", "weights", "runtime", "every_s",
    "score_floor", "labels", "samples", "failed", "gated", "gaps", "analysed_s", "failed_s",
    "gap_s", "elapsed_s", "sightings", "recipe_hash", "protocol_hash", "media_id", "media_path",
    "created_utc", "error",
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


def effort_rows(store: Store) -> list[dict[str, Any]]:
    """One row a run, also where nothing was seen."""
    media = {row["media_id"]: row for row in store.all_media()}
    counts: dict[str, int] = {}
    for row in store.sightings():
        counts[row["run_id"]] = counts.get(row["run_id"], 0) + 1
    out = []
    for run in store.runs():
        clip, recipe = media.get(run["media_id"], {}), run["recipe"]
        row = {**recipe, **(run["effort"] or {}), **run}
        row |= {
            "media": clip.get("name"),
            "media_path": clip.get("path"),
            "site": clip.get("site"),
            "labels": ",".join(recipe["labels"]),
            "sightings": counts.get(run["run_id"], 0),
        }
        out.append({name: row.get(name) for name in EFFORT_COLUMNS})
    return out
