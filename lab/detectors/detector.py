"""The contract of a detector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from lab.detection import Detections
from lab.frame import Frame


class Detector(Protocol):
    """Looks at frames. Made once per worker; holds its model until `close`.

    default_score_floor: detections below it are not kept. default_threshold: where a rule starts.
    labels: the labels it was asked for, in the model's order; empty if any may come.
    batch_size: how many frames at a time are fastest.

    A detector may also have:

    is_stateful: what it says of a frame depends on the frames before it (False unless given); a
        resumed run then shows it the clip from the beginning.
    takes_windows: `detect` is called with one window of frames and answers with one result, for
        the last of them (False unless given).
    """

    default_score_floor: float
    default_threshold: float
    labels: tuple[str, ...]
    batch_size: int

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One result per frame, in order; all frames have one shape and a picture.

        A frame at which it could not look gives `Detections.failed(reason)`, one that it held
        back on purpose `Detections.held_back(reason)`. A label's detections do not depend on
        which other labels were asked for, nor on the batch.
        """
        ...

    def recipe(self) -> dict[str, Any]:
        """Everything that its scores depend on, as JSON values.

        `detector`, `labels` and `score_floor` are always there. `whole_frame`: true where scores
        are of the whole picture and the boxes mean nothing.
        """
        ...

    def close(self) -> None:
        """Let go of the model; calling it twice is fine."""
        ...


def own_pictures(detector: Detector, frames: Sequence[Frame]) -> Sequence[Frame]:
    """Copies for a detector that is not of the lab: what it draws on them stays its own."""
    if type(detector).__module__.startswith("lab.detectors."):
        return frames
    return [f if f.image_bgr is None else replace(f, image_bgr=f.image_bgr.copy()) for f in frames]
