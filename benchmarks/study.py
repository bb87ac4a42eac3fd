"""A store like that of a large study, made in seconds: clips, runs, logs, sightings, annotations.

    python benchmarks/study.py FOLDER [--clips N]

Every clip is 5 minutes long, sampled each half second by one detector with four labels: 5,000
detections, 20 sightings of one rule, 20 annotations, watched from start to end. The clips are
nowhere, as after an import of detections. Their logs are those of 64 random clips, linked.
"""

import argparse
import json
import os
import shutil
import uuid
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lab.rules.rule import Debounce, LabelRule, Rule
from lab.score_log.manifest import FORMAT, write_manifest
from lab.score_log.parts import DETECTIONS, KINDS, SAMPLES, Part
from lab.score_log.recipe import environment, protocol_hash, recipe_hash
from lab.store.migrations import MIGRATIONS

LABELS = ("animal", "bird", "person", "vehicle")
SAMPLES_A_CLIP, EVERY_US, VISITS = 600, 500_000, 20
DETECTIONS_A_CLIP = 5_000
DIFFERENT_LOGS = 64
# The schema that the rows are written in: later migrations fill what they add.
_SCHEMA = 3
_BEGUN = datetime(2026, 1, 1)
_DETECTOR = {
    "detector": "made",
    "weights": "made.onnx",
    "labels": list(LABELS),
    "score_floor": 0.05,
    "every_s": EVERY_US / 1e6,
    "start_s": 0.0,
    "end_s": None,
    "gate": None,
    "decoder_version": 2,
}
RULE = Rule(default=LabelRule(debounce=Debounce(enter_threshold=0.5)))


def make_study(folder: Path, clips: int) -> Path:
    """A store with this many clips; an existing one of the same size is left as it is."""
    ready = folder / f"made-{clips}"
    if ready.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    logs = folder / "made"
    logs.mkdir(parents=True)
    visits = [_make_log(logs / f"{i:02d}", np.random.default_rng(i)) for i in range(DIFFERENT_LOGS)]
    known = [_facts(logs / f"{i:02d}") for i in range(DIFFERENT_LOGS)]
    media_ids = [f"{i:016x}" for i in range(1, clips + 1)]
    run_ids = [f"20260101-{i:06d}-made00" for i in range(clips)]
    recipes = [{"media_id": media_id, **_DETECTOR} for media_id in media_ids]
    for i, run_id in enumerate(run_ids):
        which = i % DIFFERENT_LOGS
        _link_log(logs / f"{which:02d}", folder / "logs" / run_id, recipes[i], known[which])
    with duckdb.connect(str(folder / "catalog.duckdb")) as db:
        db.execute("CREATE TABLE schema_version (version INTEGER)")
        for number, migration in enumerate(MIGRATIONS[:_SCHEMA], 1):
            migration(db)
            db.execute("INSERT INTO schema_version VALUES (?)", [number])
        _insert(db, "media", _media(media_ids))
        _insert(db, "runs", _runs(run_ids, recipes))
        _insert(db, "sightings", _sightings(run_ids, media_ids, visits))
        _insert(db, "annotations", _annotations(media_ids, visits))
        _insert(db, "coverage", _coverage(media_ids))
    ready.touch()
    return folder


def _make_log(folder: Path, random: np.random.Generator) -> list[tuple[int, int, str]]:
    """The parts of one clip; returns its visits as (first sample, last sample, label)."""
    folder.mkdir()
    pts_us = np.arange(SAMPLES_A_CLIP, dtype=np.int64) * EVERY_US
    sample = np.sort(random.integers(0, SAMPLES_A_CLIP, DETECTIONS_A_CLIP))
    label = random.integers(0, len(LABELS), DETECTIONS_A_CLIP)
    confidence = random.uniform(0.05, 0.45, DETECTIONS_A_CLIP).astype(np.float32)
    visits = []
    for k in range(VISITS):
        first = k * (SAMPLES_A_CLIP // VISITS) + int(random.integers(0, 10))
        last, which = first + int(random.integers(6, 14)), int(random.integers(0, len(LABELS)))
        visits.append((first, last, LABELS[which]))
        inside = (sample >= first) & (sample <= last)
        label[inside], confidence[inside] = which, random.uniform(0.6, 0.99, inside.sum())
    corner = random.uniform(0, 400, (DETECTIONS_A_CLIP, 2)).astype(np.float32)
    far = corner + random.uniform(20, 200, (DETECTIONS_A_CLIP, 2)).astype(np.float32)
    detections = pa.table(
        [
            pts_us[sample],
            pa.array(np.array(LABELS)[label]),
            confidence,
            *corner.T.copy(),
            *far.T.copy(),
            pa.nulls(DETECTIONS_A_CLIP, pa.string()),
        ],
        schema=DETECTIONS,
    )
    samples = pa.table(
        [
            np.arange(SAMPLES_A_CLIP, dtype=np.int64),
            pts_us,
            pa.array(["ok"] * SAMPLES_A_CLIP),
            pa.nulls(SAMPLES_A_CLIP, pa.string()),
            np.zeros(SAMPLES_A_CLIP),
            pa.nulls(SAMPLES_A_CLIP, pa.float64()),
        ],
        schema=SAMPLES,
    )
    for kind, table in (("detections", detections), ("samples", samples)):
        path = folder / f"{kind}-c00001.parquet"
        pq.write_table(table, path, compression="zstd", write_page_checksum=True)
    return visits


def _facts(folder: Path) -> dict:
    """What the manifest of a finished log keeps of its part."""
    return Part(*(folder / f"{kind}-c00001.parquet" for kind in KINDS)).facts_now()


def _link_log(made: Path, folder: Path, recipe: dict, facts: dict) -> None:
    folder.mkdir(parents=True)
    for kind in ("detections", "samples"):
        os.link(made / f"{kind}-c00001.parquet", folder / f"{kind}-c00001.parquet")
    (folder / "lock").touch()
    manifest = {
        "format": FORMAT,
        "compacted_through": 1,
        "run_id": folder.name,
        "labels": list(LABELS),
        "recipe": recipe,
        "parts": [facts],
    }
    write_manifest(folder, manifest, is_durable=False)


def _insert(db: duckdb.DuckDBPyConnection, table: str, columns: dict) -> None:
    db.register("given", pa.table(columns))
    db.execute(f"INSERT INTO {table} ({', '.join(columns)}) SELECT * FROM given")
    db.unregister("given")


def _ids(n: int) -> list[str]:
    return [uuid.uuid4().hex[:16] for _ in range(n)]


def _media(media_ids: list[str]) -> dict:
    n = len(media_ids)
    paths = [f"/study/site-{i % 40:02d}/IMG_{i:05d}.MP4" for i in range(n)]
    facts = {
        "container": "mp4",
        "codec": "h264",
        "width_px": 640,
        "height_px": 480,
        "rotation_deg": 0,
        "frames": 9000,
        "frame_rate": 30.0,
        "is_variable_rate": False,
        "first_pts_us": 0,
        "end_us": SAMPLES_A_CLIP * EVERY_US,
        "is_browser_playable": True,
        "warning": None,
    }
    return {
        "media_id": media_ids,
        "path": paths,
        "relative_path": [path.removeprefix("/study/") for path in paths],
        "size_bytes": [50_000_000 + i for i in range(n)],
        "facts": [
            json.dumps({"media_id": m, "path": p, "size_bytes": 50_000_000 + i, **facts})
            for i, (m, p) in enumerate(zip(media_ids, paths, strict=True))
        ],
        "site": [f"site-{i % 40:02d}" for i in range(n)],
        "start_utc": [_BEGUN + timedelta(minutes=10 * i) for i in range(n)],
        "utc_offset_s": pa.array([7200] * n, pa.int32()),
        "start_source": ["entered"] * n,
        "clock_correction_s": [0.0] * n,
        "added_utc": [_BEGUN + timedelta(seconds=i) for i in range(n)],
    }


def _runs(run_ids: list[str], recipes: list[dict]) -> dict:
    n = len(run_ids)
    seconds = SAMPLES_A_CLIP * EVERY_US / 1e6
    effort = {"samples": SAMPLES_A_CLIP, "failed": 0, "gated": 0, "gaps": 0}
    effort |= {"analysed_s": seconds, "failed_s": 0.0, "gated_s": 0.0, "gap_s": 0.0}
    return {
        "run_id": run_ids,
        "media_id": [recipe["media_id"] for recipe in recipes],
        "recipe": [json.dumps(recipe) for recipe in recipes],
        "recipe_hash": [recipe_hash(recipe) for recipe in recipes],
        "protocol_hash": [protocol_hash(recipe) for recipe in recipes],
        "environment": [json.dumps(environment())] * n,
        "default_threshold": [0.4] * n,
        "state": ["done"] * n,
        "effort": [json.dumps(effort)] * n,
        "elapsed_s": [30.0] * n,
        "created_utc": [_BEGUN + timedelta(seconds=i) for i in range(n)],
        "finished_utc": [_BEGUN + timedelta(seconds=i + 30) for i in range(n)],
    }


def _sightings(run_ids: list[str], media_ids: list[str], visits: list[list]) -> dict:
    runs, media, found = [], [], []
    for i, (run_id, media_id) in enumerate(zip(run_ids, media_ids, strict=True)):
        here = visits[i % DIFFERENT_LOGS]
        runs += [run_id] * len(here)
        media += [media_id] * len(here)
        found += here
    n = len(found)
    first = np.array([v[0] for v in found], np.int64) * EVERY_US
    last = np.array([v[1] for v in found], np.int64) * EVERY_US
    return {
        "sighting_id": _ids(n),
        "run_id": runs,
        "media_id": media,
        "rule_hash": [RULE.rule_hash] * n,
        "rule": [json.dumps(RULE.to_dict())] * n,
        "rule_name": ["made"] * n,
        "label": [v[2] for v in found],
        "onset_us": first,
        "confirmed_us": first + 2 * EVERY_US,
        "offset_us": last,
        "closed_us": last + 5 * EVERY_US,
        "onset_earliest_us": first - EVERY_US,
        "offset_latest_us": last + EVERY_US,
        "peak_us": first + EVERY_US,
        "peak_confidence": np.full(n, 0.9),
        "close_reason": ["exit"] * n,
        "censored_left": [False] * n,
        "censored_right": [False] * n,
        "alert_us": first + 2 * EVERY_US,
        "saved_utc": [_BEGUN] * n,
    }


def _annotations(media_ids: list[str], visits: list[list]) -> dict:
    media, found = [], []
    for i, media_id in enumerate(media_ids):
        here = visits[i % DIFFERENT_LOGS]
        media += [media_id] * len(here)
        found += here
    n = len(found)
    return {
        "annotation_id": _ids(n),
        "media_id": media,
        "label": [v[2] for v in found],
        "start_us": np.array([v[0] for v in found], np.int64) * EVERY_US,
        "end_us": np.array([v[1] for v in found], np.int64) * EVERY_US,
        "annotator": ["me"] * n,
        "origin": ["independent"] * n,
        "created_utc": [_BEGUN] * n,
    }


def _coverage(media_ids: list[str]) -> dict:
    n = len(media_ids) * len(LABELS)
    return {
        "coverage_id": _ids(n),
        "media_id": [media_id for media_id in media_ids for _ in LABELS],
        "label": list(LABELS) * len(media_ids),
        "start_us": np.zeros(n, np.int64),
        "end_us": np.full(n, SAMPLES_A_CLIP * EVERY_US, np.int64),
        "annotator": ["me"] * n,
        "origin": ["independent"] * n,
        "created_utc": [_BEGUN] * n,
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("folder", type=Path)
    options.add_argument("--clips", type=int, default=10_000)
    args = options.parse_args()
    print(make_study(args.folder, args.clips))


if __name__ == "__main__":
    main()
