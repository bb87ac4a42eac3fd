"""A study as a package of Camtrap DP 1.0.2: deployments, clips, sightings and events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.counted import counted
from lab.deployment import Deployment
from lab.errors import SettingError, closest
from lab.store.store import Store
from lab.store.study import AboutStudy
from lab.study.camtrap_dp import rows as make
from lab.study.camtrap_dp.columns import (
    CAPTURE_METHODS,
    CUSTOM,
    SAMPLING_DESIGNS,
    STANDARD,
    some_of,
)
from lab.study.camtrap_dp.metadata import Study, datapackage
from lab.study.camtrap_dp.observations import observe
from lab.study.camtrap_dp.package import write_package
from lab.study.events import find_events

Progress = Callable[[int, int], None]
Row = dict[str, Any]


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
    title: str | None = None,
    contributors: Sequence[str] | None = None,
    sampling_design: str | None = None,
    capture_method: str | None = None,
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
    names of people or organisations. sampling_design, capture_method: one of the standard's words,
    the latter by default `activityDetection`. What is not given of these four is as in the last
    export of this store, which remembers them.
    interval_s, rule, protocol: of the events, as of `lab.events`. without_coordinates: leave out
    deployments that have none; else they are an error. public: the files can be had by everybody.
    replace: write over a package that is there. progress: as of `lab.study.events.find_events`.

    A sighting of a current rule is an observation of its clip with its peak box, an event one with
    its largest number at one time, both as they were judged last. Clips in no deployment, or
    without a start, are left out, as are sightings that were judged to be false.
    Raises SettingError for what the standard cannot hold.
    """
    store = Store.coerce(store)
    study = _study(
        store.about_study(),
        AboutStudy(
            title=title,
            contributors=tuple(contributors or ()),
            sampling_design=sampling_design,
            capture_method=capture_method,
        ),
        interval_s,
        rule,
    )
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
    media = make.media_rows(
        clips.values(), deployments, paths, study.capture_method, is_public=public
    )
    observed = observe(store, found, clips, deployments, notes)
    tables = {
        "deployments": (STANDARD["deployments"], sites),
        "media": (STANDARD["media"], list(media)),
        "observations": (STANDARD["observations"], observed.observations),
        "video-sightings": (CUSTOM["video-sightings"], observed.videos),
    }
    for name, more_rows in (
        ("deployment-failures", failures),
        ("sighting-verdicts", observed.verdicts),
    ):
        if more_rows:
            tables[name] = (CUSTOM[name], more_rows)
    names = {row["scientificName"] for row in observed.observations if row.get("scientificName")}
    taxa = {t.scientific_name: t for t in store.taxa().values() if t.scientific_name in names}
    description = datapackage(study, list(tables), deployments.values(), taxa.values())
    written = write_package(path, description, tables, replace=replace)
    if store.catalog.cannot_be_written is None:
        store.put_about_study(
            AboutStudy(
                title=study.title,
                contributors=study.contributors,
                sampling_design=study.sampling_design,
                capture_method=study.capture_method,
            )
        )
    counts = {name: len(rows) for name, (_, rows) in tables.items()}
    return Exported(path=written, rows=counts, notes=tuple(notes))


def _study(known: AboutStudy, given: AboutStudy, interval_s: float, rule: str) -> Study:
    """What is given, or else what is known. Raises SettingError for what is missing or unknown."""
    title = (known.title if given.title is None else given.title) or ""
    names = given.contributors or known.contributors
    design = given.sampling_design or known.sampling_design
    method = given.capture_method or known.capture_method or CAPTURE_METHODS[0]
    if not title.strip():
        raise SettingError("the package needs a title of the project, such as --title 'Creek 2026'")
    if not names or not all(name.strip() for name in names):
        raise SettingError("the package needs who made it, such as --contributor 'Ann Lee'")
    if design is None:
        raise SettingError(
            f"the package needs --sampling-design, one of {', '.join(SAMPLING_DESIGNS)}"
        )
    for what, word, words in (
        ("sampling design", design, SAMPLING_DESIGNS),
        ("capture method", method, CAPTURE_METHODS),
    ):
        if word not in words:
            raise SettingError(f"unknown {what} {word!r}; {closest(word, list(words))}")
    return Study(
        title=title.strip(),
        contributors=tuple(name.strip() for name in names),
        sampling_design=design,
        capture_method=method,
        interval_s=interval_s,
        rule=rule,
    )


def _located(
    deployments: Sequence[Deployment], leave_out: bool, notes: list[str]
) -> dict[str, Deployment]:
    lacking = [d.deployment_id for d in deployments if d.latitude is None or d.longitude is None]
    if lacking:
        text = f"{counted(len(lacking), 'deployment')} without coordinates: {some_of(lacking)}"
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
