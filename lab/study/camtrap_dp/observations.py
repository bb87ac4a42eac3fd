"""What was seen, as observations: events, sightings as they were judged, clips without any."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from lab.annotation import Verdict
from lab.counted import counted
from lab.deployment import Deployment
from lab.errors import LabError
from lab.runs.run import Run
from lab.store.store import Store
from lab.study.camtrap_dp import observation_rows as make
from lab.study.camtrap_dp.boxes import Box, peak_box
from lab.study.camtrap_dp.columns import some_of
from lab.study.events import FoundEvents

_BATCH = 500  # runs that are looked up at a time
Row = dict[str, Any]
Rows = list[Row]


@dataclass(frozen=True)
class Observed:
    """Rows of observations, of the exact times of those that are sightings, and of verdicts."""

    observations: Rows
    videos: Rows
    verdicts: Rows


def observe(
    store: Store,
    found: FoundEvents,
    clips: Mapping[str, Row],
    deployments: Mapping[str, Deployment],
    notes: list[str],
) -> Observed:
    """clips: by media_id, all of them in one of the deployments. notes: gets a line for each thing
    that is not as one might expect.
    """
    taxa = store.taxa()
    by_id = {one["sighting_id"]: one for one in found.sightings.to_pylist()}
    details = [
        one | _judgement(by_id[one["sighting_id"]]) for one in store.sighting_details(list(by_id))
    ]
    events = found.table.to_pylist()
    ids = {event["event"]: _event_id(event) for event in events}
    members: dict[int, Rows] = {}
    for one in details:
        members.setdefault(one["event"], []).append(one)
    out: Rows = []
    for event in events:
        of_event = members[event["event"]]
        first = next(o for o in of_event if o["sighting_id"] == event["first_sighting_id"])
        deployment = deployments[clips[first["media_id"]]["deployment_id"]]
        out.append(make.event_row(event, ids[event["event"]], deployment, of_event, taxa))
    sightings: Rows = []
    for one, box in _with_boxes(store, details, notes):
        clip = clips[one["media_id"]]
        zone = deployments[clip["deployment_id"]].zone
        sightings.append(make.sighting_row(one, clip, zone, ids[one["event"]], box, taxa))
    out += sorted(sightings, key=itemgetter("deploymentID", "eventStart", "observationID"))
    seen = {one["media_id"] for one in details}
    without = {media_id: clip for media_id, clip in clips.items() if media_id not in seen}
    out += _without_sightings(store, found, without, deployments, notes)
    lacking = sorted({one["judged_label"] for one in details} - set(taxa))
    if lacking:
        notes.append(
            f"{counted(len(lacking), 'label')} without a taxon, so of unknown type: "
            f"{some_of(lacking)}; see: lab taxa import"
        )
    verdicts = [make.verdict_row(one) for one in _verdicts(store, clips)]
    return Observed(out, [make.video_row(one) for one in details], verdicts)


def _judgement(on_calendar: Row) -> Row:
    names = ("event", "verdict", "judged_by", "judged_utc")
    return {name: on_calendar[name] for name in names} | {"judged_label": on_calendar["label"]}


def _without_sightings(
    store: Store,
    found: FoundEvents,
    clips: Mapping[str, Row],
    deployments: Mapping[str, Deployment],
    notes: list[str],
) -> Rows:
    """Rows of clips in which no sighting is true, or may be."""
    false = {one["media_id"]: one for one in sorted(found.false.to_pylist(), key=_judged_at)}
    looks = store.looks_at(list(clips))
    annotated = {one.media_id for one in store.all_records(list(clips))[0]} if clips else set()
    if annotated:
        notes.append(
            f"{counted(len(annotated), 'clip')} in which somebody annotated what no sighting is "
            "of: as unclassified"
        )
    rows = []
    for media_id, clip in clips.items():
        zone = deployments[clip["deployment_id"]].zone
        look = looks.get(media_id) if media_id not in annotated else None
        rows.append(make.blank_row(clip, look, zone, false.get(media_id)))
    return rows


def _judged_at(one: Row) -> Any:
    return one["judged_utc"]


def _verdicts(store: Store, clips: Mapping[str, Row]) -> list[Verdict]:
    return store.all_records(list(clips))[2] if clips else []


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
