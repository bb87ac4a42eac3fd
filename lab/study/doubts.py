"""What should be looked at in deployments that can be kept: coordinates, overlaps, names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from lab.deployment import Deployment


@dataclass(frozen=True)
class Doubt:
    """A line of text, and a word or two. deployment_id: of the one that it is about, None if it is
    about several.
    """

    text: str
    short: str
    deployment_id: str | None


def doubts_about(deployments: Sequence[Deployment]) -> list[Doubt]:
    return [
        *_lacking(deployments),
        *_misplaced(deployments),
        *_overlaps(deployments),
        *_shared_names(deployments),
    ]


def _lacking(deployments: Sequence[Deployment]) -> Iterator[Doubt]:
    for one in deployments:
        if one.latitude is None or one.longitude is None:
            yield Doubt(
                f"deployment {one.deployment_id!r} has no coordinates; it is kept, "
                "but Camtrap DP needs latitude and longitude",
                "no coordinates",
                one.deployment_id,
            )


def _misplaced(deployments: Sequence[Deployment]) -> Iterator[Doubt]:
    """At 0, 0, or far from the others and near to them with the two swapped."""
    placed = [
        (one, one.latitude, one.longitude)
        for one in deployments
        if one.latitude is not None and one.longitude is not None
    ]
    if not placed:
        return
    middle = (
        median(latitude for _, latitude, _ in placed),
        median(longitude for _, _, longitude in placed),
    )
    for one, latitude, longitude in placed:
        if latitude == longitude == 0:
            yield Doubt(
                f"deployment {one.deployment_id!r} is at 0, 0, in the Atlantic; leave both empty "
                "where they are not known",
                "at 0, 0",
                one.deployment_id,
            )
        elif (
            len(placed) > 2
            and _away(latitude, longitude, *middle) > 10
            and _away(longitude, latitude, *middle) < 2
        ):
            yield Doubt(
                f"deployment {one.deployment_id!r} is at {latitude:g}, {longitude:g}, far from the "
                "others, and near to them with the two swapped; are latitude and longitude in the "
                "right columns?",
                "coordinates swapped?",
                one.deployment_id,
            )


def _away(latitude: float, longitude: float, *middle: float) -> float:
    return abs(latitude - middle[0]) + abs(longitude - middle[1])


def _overlaps(deployments: Sequence[Deployment]) -> Iterator[Doubt]:
    """Periods of one camera that overlap, each with the one before it that ends last."""
    by_camera: dict[str, list[Deployment]] = {}
    for one in deployments:
        if one.camera_id is not None:
            by_camera.setdefault(one.camera_id, []).append(one)
    for camera, group in by_camera.items():
        group.sort(key=lambda one: (one.start_utc, one.end_utc))
        longest = group[0]
        for other in group[1:]:
            if other.start_utc < longest.end_utc:
                yield Doubt(
                    f"camera {camera!r} is in {longest.deployment_id!r} until "
                    f"{longest.local(longest.end_utc)} and in {other.deployment_id!r} from "
                    f"{other.local(other.start_utc)}; clips of both are not joined by themselves",
                    "period overlaps",
                    other.deployment_id,
                )
            longest = max(longest, other, key=lambda one: one.end_utc)


def _shared_names(deployments: Sequence[Deployment]) -> Iterator[Doubt]:
    ids: dict[str, set[str]] = {}
    for one in deployments:
        if one.location_name and one.location_id:
            ids.setdefault(one.location_name, set()).add(one.location_id)
    for name, known in ids.items():
        if len(known) > 1:
            yield Doubt(
                f"locationName {name!r} is of locations {', '.join(sorted(known))}, which count as "
                "one site; give them different names",
                "name of several sites",
                None,
            )
