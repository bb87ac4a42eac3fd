"""The contract of a detector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from lab.detection import Detections
from lab.errors import DetectorError, SettingError
from lab.frame import Frame


class Detector(ABC):
    """Finds labels in frames. Made once per worker; holds its model until `close`.

    A detector must give `detect` and `recipe`; everything else has the default written here.
    `lab.detectors.make.as_detector` completes an object that has only some of these members, so
    that whatever comes after it uses them all without asking whether they are there.

    default_score_floor: in (0, 1); detections below it are not kept.
    default_threshold: in (0, 1]; where a rule starts.
    labels: the labels it was asked for, in the model's order; empty if any may come.
    batch_size: how many frames at a time are fastest, 1 or more.
    is_stateful: its result for a frame depends on the frames before it. A resumed run then shows
        it the clip from the beginning, and `reset` makes it forget what it was shown.
    takes_windows: `detect` is called with one window of frames, the earliest first, and returns
        one result, for the last of them.
    takes_prompts: `ask_for` gives it other labels without loading its model again.
    uses_store: its constructor takes `store`, where it keeps what it computed.
    example: settings with which `lab doctor` tries whether it is ready.
    made_from: the name and settings that `lab.detectors.make.make_detector` made it of, as JSON
        values; None for a plugin, whose settings can be secrets, and for an object that was made
        elsewhere.
    weights_path: where its weights lie; None if it has no file of its own.
    device: where its model runs, such as `cpu` or `cuda`.
    """

    default_score_floor: float = 0.05
    default_threshold: float = 0.4
    labels: tuple[str, ...] = ()
    batch_size: int = 1
    is_stateful: bool = False
    takes_windows: bool = False
    takes_prompts: bool = False
    uses_store: ClassVar[bool] = False
    example: ClassVar[Mapping[str, Any]] = {}
    made_from: Mapping[str, Any] | None = None
    weights_path: str | None = None
    device: str = "cpu"

    @property
    def name(self) -> str:
        """What it is called where nobody named it."""
        return str((self.made_from or {}).get("name") or type(self).__name__)

    @abstractmethod
    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One result per frame, in order; all frames have one shape and a picture.

        A frame that cannot be analysed gives `Detections.failed(reason)`, one that is skipped on
        purpose `Detections.held_back(reason)`. A label's detections do not depend on which other
        labels were asked for, nor on the batch. The pictures may be shared with other detectors:
        they are read, never written to.
        """

    @abstractmethod
    def recipe(self) -> dict[str, Any]:
        """Everything that its scores depend on, as JSON values.

        `detector`, `labels` and `score_floor` are always there. `whole_frame`: true where scores
        are of the whole picture and the boxes mean nothing.
        """

    def reset(self) -> None:
        """Forget every frame that it was shown; the model stays loaded.

        Called once before the first frame of every pass over a clip, so that the same recipe
        gives the same log whatever was analysed before. Raises DetectorError if it has a memory
        that it cannot clear.
        """
        if self.is_stateful:
            raise DetectorError(
                f"detector {self.name!r} has a memory (is_stateful) and no reset(); "
                "give it a reset() that clears the memory"
            )

    def ask_for(self, labels: Sequence[str] | None, prompt_mode: str | None = None) -> None:
        """Take other labels; only where `takes_prompts`.

        labels: the prompts. prompt_mode: see `lab.detectors.open_vocabulary.prompts`. Raises
        SettingError for prompts that are not valid, with the old ones left as they were.
        """
        raise SettingError(f"detector {self.name!r} takes no other labels; make it again with them")

    def close(self) -> None:  # noqa: B027 (most detectors hold nothing)
        """Release the model; calling it twice is fine."""


def own_pictures(detector: Detector, frames: Sequence[Frame]) -> Sequence[Frame]:
    """The frames as they are; a third-party detector copies its pictures itself."""
    return frames
