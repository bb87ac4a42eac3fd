"""A study as a package of Camtrap DP 1.0.2: deployments, clips, sightings and events."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

from lab.counted import counted
from lab.deployment import Deployment
from lab.errors import LabError, SettingError, closest
from lab.runs.run import Run
from lab.store.store import Store
from lab.study.camtrap_dp import rows as make
from lab.study.camtrap_dp.boxes import Box, peak_box
from lab.study.camtrap_dp.columns import (
    CAPTURE_METHODS,
    FAILURES,
    SAMPLING_DESIGNS,
    STANDARD,
    VIDEO_SIGHTINGS,
)
from lab.study.camtrap_dp.metadata import Study, datapackage
from lab.study.camtrap_dp.package import write_package
from lab.study.events import FoundEvents, find_events

_MOST_NAMED = 5
_BATCH = 500  # runs that are looked up at a time
Progress = Callable[[int, int], None]
Row = dict[str, Any]
Rows = list[Row]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What `export_camtrap_dp` wrote. rows: of each table. notes: what was left out, and why."""

    path: Path
    rows: Mapping[str, int]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """What `lab export camtrap-dp --json` prints."""
        return {"path": str(self.path), "rows": dict(self.rows), "notes": list(self.notes)}


def export_camtrap_dp(
    store: Any,
    path: str | Path,
    *,
    title: str,
    contributors: Sequence[str],
    sampling_design: str,
    capture_method: str = "activityDetection",
    interval_s: float = 1800,
    rule: str = "lastRecord",
    protocol: str | None = None,
    without_coordinates: bool = False,
    public: bool = False,
    replace: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write the study of a store as Camtrap DP 1.0.2, to a folder or a `.zip`.

    store: a store, what `lab.open_store` gives, or a folder. title: of the project. contributors:
    names of people or organisations. sampling_design, capture_method: one of the standard's words.
    interval_s, rule, protocol: of the events, as of `lab.events`. without_coordinates: leave out
    deployments that have none; else they are an error. public: the files can be had by everybody.
    replace: write over a package that is there. progress: as of `lab.study.events.find_events`.

    A sighting of a current rule is an observation of its clip with its peak box, an event one with
    its largest number at one time. Clips in no deployment, or without a start, are left out.
    Raises SettingError for what the standard cannot hold.
    """
    _check(title, contributors, sampling_design, capture_method)
    store = Store.coerce(store)
    notes: list[str] = []
    deployments = _located(store.deployments(), without_coordinates, notes)
    clips = _placed_clips(store, deployments, notes)
    found = find_events(
        store, interval_s, rule, protocol=protocol, progress=progress, media_id=list(clips)
    )
    notes += found.notes
    doubtful = {c["deployment_id"] for c in clips.values() if c["timestamp_issue"]}
    sites, failures, more = make.deployment_rows(deployments.values(), doubtful)
    notes += more
    paths = make.file_paths(list(clips.values()))
    media = make.media_rows(clips.values(), deployments, paths, capture_method, is_public=public)
    observations, videos = _observations(store, found, clips, deployments, notes)
    tables = {
        "deployments": (STANDARD["deployments"], sites),
        "media": (STANDARD["media"], list(media)),
        "observations": (STANDARD["observations"], observations),
        "video-sightings": (VIDEO_SIGHTINGS, videos),
    }
    if failures:
        tables["deployment-failures"] = (FAILURES, failures)
    study = Study(
        title=title.strip(),
        contributors=tuple(name.strip() for name in contributors),
        sampling_design=sampling_design,
        capture_method=capture_method,
        interval_s=interval_s,
        rule=rule,
    )
    names = {row["scientificName"] for row in observations if row.get("scientificName")}
    taxa = {t.scientific_name: t for t in store.taxa().values() if t.scientific_name in names}
    about = datapackage(study, list(tables), deployments.values(), taxa.values())
    written = write_package(path, about, tables, replace=replace)
    counts = {name: len(rows) for name, (_, rows) in tables.items()}
    return Exported(path=written, rows=counts, notes=tuple(notes))


def _check(
    title: str, contributors: Sequence[str], sampling_design: str, capture_method: str
) -> None:
    if not title.strip():
        raise SettingError("the package needs a title of the project, such as --title 'Creek 2026'")
    if not contributors or not all(name.strip() for name in contributors):
        raise SettingError("the package needs who made it, such as --contributor 'Ann Lee'")
    for what, given, known in (
        ("sampling design", sampling_design, SAMPLING_DESIGNS),
        ("capture method", capture_method, CAPTURE_METHODS),
    ):
        if given not in known:
            raise SettingError(f"unknown {what} {given!r}; {closest(given, list(known))}")


def _named(names: Iterable[str]) -> str:
    ids = list(names)
    more = f" and {len(ids) - _MOST_NAMED} more" if len(ids) > _MOST_NAMED else ""
    return ", ".join(ids[:_MOST_NAMED]) + more


def _located(
    deployments: Sequence[Deployment], leave_out: bool, notes: list[str]
) -> dict[str, Deployment]:
    lacking = [d.deployment_id for d in deployments if d.latitude is None or d.longitude is None]
    if lacking:
        text = f"{counted(len(lacking), 'deployment')} without coordinates: {_named(lacking)}"
        if not leave_out:
            raise SettingError(
                f"{text}; Camtrap DP needs latitude and longitude: enter them, or leave these out "
                "with --without-coordinates"
            )
        notes.append(f"left out {text}")
    found = {d.deployment_id: d for d in deployments if d.deployment_id not in set(lacking)}
    if not found:
        raise SettingError(
            "the store has no deployments with coordinates; first: lab deployments import FILE"
        )
    return found


def _placed_clips(
    store: Store, deployments: Mapping[str, Deployment], notes: list[str]
) -> dict[str, Row]:
    """The clips of the deployments whose start is known, by media_id."""
    placed, elsewhere, unknown = {}, 0, 0
    for clip in store.all_media():
        if clip["deployment_id"] not in deployments:
            elsewhere += 1
        elif clip["start_utc"] is None:
            unknown += 1
        else:
            placed[clip["media_id"]] = clip
    if elsewhere:
        notes.append(
            f"{counted(elsewhere, 'clip')} left out, in none of the deployments; see: lab "
            "deployments join"
        )
    if unknown:
        notes.append(
            f"{counted(unknown, 'clip')} left out, whose start is not known; see: lab starts"
        )
    return placed


def _observations(
    store: Store,
    found: FoundEvents,
    clips: Mapping[str, Row],
    deployments: Mapping[str, Deployment],
    notes: list[str],
) -> tuple[Rows, Rows]:
    """The rows of observations, and of the exact times of those that are sightings."""
    taxa = store.taxa()
    of_sighting = dict(
        zip(found.sightings["sighting_id"].to_pylist(), found.sightings["event"].to_pylist())
    )
    events = found.table.to_pylist()
    ids = {event["event"]: _event_id(event) for event in events}
    details = store.sighting_details(list(of_sighting))
    first_clip = {one["sighting_id"]: clips[one["media_id"]] for one in details}
    out: Rows = []
    for event in events:
        deployment = deployments[first_clip[event["first_sighting_id"]]["deployment_id"]]
        out.append(make.event_row(event, ids[event["event"]], deployment, taxa))
    sightings: Rows = []
    for one, box in _with_boxes(store, details, notes):
        clip = clips[one["media_id"]]
        zone = deployments[clip["deployment_id"]].zone
        event_id = ids[of_sighting[one["sighting_id"]]]
        sightings.append(make.sighting_row(one, clip, zone, event_id, box, taxa))
    out += sorted(sightings, key=itemgetter("deploymentID", "eventStart", "observationID"))
    seen = {one["media_id"] for one in details}
    without = [media_id for media_id in clips if media_id not in seen]
    looks = store.looks_at(without)
    for media_id in without:
        clip = clips[media_id]
        zone = deployments[clip["deployment_id"]].zone
        out.append(make.blank_row(clip, looks.get(media_id), zone))
    lacking = sorted({one["label"] for one in details} - set(taxa))
    if lacking:
        notes.append(
            f"{counted(len(lacking), 'label')} without a taxon, so of unknown type: "
            f"{_named(lacking)}; see: lab taxa import"
        )
    return out, [make.video_row(one) for one in details]


def _event_id(event: Mapping[str, Any]) -> str:
    """The same for the same event, whatever else is exported."""
    text = json.dumps([event["site"], event["label"], event["first_sighting_id"]])
    return "event-" + hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _with_boxes(
    store: Store, details: Sequence[Row], notes: list[str]
) -> Iterable[tuple[Row, Box | None]]:
    """Each sighting with its box at the peak; the log of each run is read once."""
    by_run: dict[str, list[Row]] = {}
    for one in details:
        by_run.setdefault(one["run_id"], []).append(one)
    run_ids = list(by_run)
    for begin in range(0, len(run_ids), _BATCH):
        for run in Run.many(store, run_ids[begin : begin + _BATCH]):
            try:
                log = run.log
            except LabError as error:
                notes.append(f"no boxes of run {run.run_id}: {error}")
                yield from ((one, None) for one in by_run[run.run_id])
                continue
            width_px, height_px = run.size_px
            for one in by_run[run.run_id]:
                yield one, peak_box(one, log, width_px, height_px)
