"""What anchors of a camera's clock do to the clips of its deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from lab.clock import Anchor, check_anchors, correction_s, parse_time, placed, zone_named
from lab.deployment import Deployment
from lab.errors import SettingError, printable
from lab.store.store import Store


@dataclass(frozen=True, kw_only=True)
class ClockEffect:
    """A clip before and after. camera: what the clock said at its start; corrected: when that was,
    both local, as ISO 8601 (the second with the offset). correction_s: added to the camera's time.
    is_outside: it then begins outside of the deployment's period.
    """

    clip: str
    camera: str
    corrected: str
    correction_s: float
    is_outside: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def clock_effect(store: Any, deployment_id: str, anchors: Sequence[Anchor]) -> list[ClockEffect]:
    """What anchors would do to the first and the last clip of a deployment; nothing is saved.

    A correction that was entered for a clip itself stays. Raises NotFoundError for an unknown
    deployment, SettingError for anchors that contradict each other.
    """
    store = Store.coerce(store)
    one = store.deployment(deployment_id)
    check_anchors(anchors, zone_named(one.zone))
    clips = store.clips(deployment_id=deployment_id, order="start")
    clips = [clip for clip in clips if clip["start_utc"] is not None]
    ends = clips[:1] if len(clips) < 2 else [clips[0], clips[-1]]
    return [_effect(clip, one, anchors) for clip in ends]


def _effect(clip: Mapping[str, Any], one: Deployment, anchors: Sequence[Anchor]) -> ClockEffect:
    start: datetime = clip["start_utc"]
    zone = zone_named(one.zone)
    own = clip["clock_correction_s"] or 0.0
    if clip["correction_source"] == "anchors":
        own = 0.0
    added = correction_s(anchors, zone, start) if anchors and not own else own
    corrected = start + timedelta(seconds=added)
    camera = clip["camera_local"] or start.replace(tzinfo=UTC).astimezone(zone)
    return ClockEffect(
        clip=printable(clip["shown"]),
        camera=camera.replace(tzinfo=None, microsecond=0).isoformat(),
        corrected=one.local(corrected.replace(microsecond=0)),
        correction_s=round(added, 3),
        is_outside=not one.contains(corrected),
    )


def anchor_of(camera: str, true: str, zone: str) -> Anchor:
    """An anchor of two texts. camera: what the clock said, without an offset. true: when that was;
    without an offset it is in the zone, of the deployment. Raises SettingError.
    """
    at = parse_time(camera)
    if at.utcoffset() is not None:
        raise SettingError(
            f"the camera's time is as its clock shows it, without an offset from UTC, got "
            f"{camera!r}; it is read in the deployment's zone"
        )
    when = parse_time(true)
    if when.utcoffset() is None:
        moment = placed(when, zone_named(zone))
        if moment.issue is not None:
            words = "twice" if moment.issue == "ambiguous" else "never"
            raise SettingError(
                f"the true time {true!r} is there {words} in {zone}, where the clock changes; "
                "write it with its offset, such as 2026-10-25T02:30:00+02:00"
            )
        return Anchor(at, moment.utc)
    return Anchor(at, when.astimezone(UTC).replace(tzinfo=None))
