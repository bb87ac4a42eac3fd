"""Positive controls: a clip with known answers is played into a feed's own path.

Silence of a feed then means that nothing came: the detector, the rule and the sinks were seen to
work. What is played goes into no log and no sightings of the feed, and tells the sinks one marked
event.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import SimpleNamespace

from lab.errors import SettingError
from lab.evaluation.matching import Matching
from lab.evaluation.truth import Truth
from lab.feeds.control_settings import (
    DELIVER_WITHIN_S,
    EVERY_S,
    MIN_RECALL,
    ControlSettings,
    interval_s,
)
from lab.video.registered import open_source


@dataclass(frozen=True, kw_only=True, eq=False)
class Control:
    """What is played, and what must be found.

    clip: of the feed's own camera, so that zones fit. truth: of the clip, whose id is `media_id`.
    first_us: the presentation time of its first frame. every_s: seconds between two plays.
    first_after_s: how long a feed runs until it is tried the first time.
    min_recall: the least share of the annotations that must be found. deliver_within_s: how long
    sinks may take. feeds: ids of those that are tried; all of them if None.
    """

    clip: Path
    truth: Truth
    media_id: str
    first_us: int
    every_s: float = EVERY_S
    first_after_s: float = 10.0
    min_recall: float = MIN_RECALL
    deliver_within_s: float = DELIVER_WITHIN_S
    feeds: tuple[str, ...] | None = None
    matching: Matching = field(default_factory=Matching)


def control_of(
    clip: str | Path,
    labels: str | Path,
    every: str | float = EVERY_S,
    *,
    min_recall: float = MIN_RECALL,
    deliver_within_s: float = DELIVER_WITHIN_S,
    feeds: tuple[str, ...] | None = None,
) -> Control:
    """The control of a clip and a file with its annotations.

    labels: a CSV with columns `media`, `label`, `start_s` and `end_s`. every: seconds, or a text
    such as `6h`, `30m` or `1d`.

    Raises SettingError for a value out of range or a file that does not fit, SourceError for a clip
    that cannot be read.
    """
    every_s = interval_s(every)
    if not 0 < min_recall <= 1:
        raise SettingError(f"min_recall must be in (0, 1], got {min_recall}")
    if not 0 < deliver_within_s < math.inf:
        raise SettingError(f"deliver_within_s must be above 0, got {deliver_within_s}")
    with open_source(Path(clip)) as source:
        media = source.media()
    known = {**asdict(media), "relative_path": None, "path": str(Path(clip).absolute())}
    try:
        truth = Truth.coerce(labels, [SimpleNamespace(media=known)])  # type: ignore[list-item]
    except OSError as error:
        raise SettingError(f"{labels} cannot be read: {error.strerror or error}") from None
    if not any(len(truth.of(media.media_id, label).present) for label in truth.labels):
        raise SettingError(f"{labels} has no annotation of {clip}: a control must show something")
    lasts_s = (media.end_us - media.first_pts_us) / 1e6
    if every_s <= lasts_s:
        raise SettingError(
            f"the control {Path(clip).name} lasts {lasts_s:.0f} s, which is not less than the "
            f"{every_s:g} s after which it is to be played again; play it less often"
        )
    return Control(
        clip=Path(clip).absolute(),
        truth=truth,
        media_id=media.media_id,
        first_us=media.first_pts_us,
        every_s=every_s,
        min_recall=min_recall,
        deliver_within_s=deliver_within_s,
        feeds=feeds,
    )


def control_from(settings: ControlSettings) -> Control:
    """Raises SettingError and SourceError as `control_of` does."""
    return control_of(
        settings.clip,
        settings.labels,
        settings.every_s,
        min_recall=settings.min_recall,
        deliver_within_s=settings.deliver_within_s,
    )
