"""The contract of a detector."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from lab.detection import Detections
from lab.detectors.weights.loaded import LoadedFiles
from lab.errors import DetectorError, SettingError
from lab.frame import Frame


class Detector(ABC):
    """Finds labels in frames. Made once per worker; holds its model until `close`.

    A detector must define `detect` and `recipe`; every other member has the default given here.
    `lab.detectors.make.as_detector` completes an object that has only some of these members, so
    that all other code can rely on them.

    default_score_floor: in (0, 1); detections below it are not kept.
    default_threshold: in (0, 1]; the threshold of its default rule.
    labels: the labels it can give, in the model's order; empty if it may give any. Of a class: all
        that any of its kind can give, where these are known without a model.
    batch_size: how many frames at a time are fastest, 1 or more.
    is_stateful: its result for a frame depends on earlier frames. A resumed run then gives it
        the clip from the beginning, and `reset` clears its memory.
    takes_windows: `detect` is called with one window of frames, the earliest first, and returns
        one result, for the last of them.
    takes_prompts: `ask_for` gives it other labels without loading its model again.
    uses_store: its constructor takes `store`, where it keeps what it computed.
    example: settings with which `lab doctor` checks that it works.
    made_from: the name and settings from which `lab.detectors.make.make_detector` made it, as
        JSON values; None for a plugin, whose settings can be secrets, and for an object that was
        made elsewhere.
    loaded_files: the files that `make_detector` loaded it from; None if it was made elsewhere.
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
    loaded_files: LoadedFiles | None = None
    weights_path: str | None = None
    device: str = "cpu"

    @property
    def name(self) -> str:
        """Its registered name; else that of its class."""
        return str((self.made_from or {}).get("name") or type(self).__name__)

    @abstractmethod
    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """One result per frame, in order; all frames have one shape and a picture.

        A frame that cannot be analysed gives `Detections.failed(reason)`, one that is skipped on
        purpose `Detections.held_back(reason)`. A label's detections depend neither on the other
        labels nor on the batch. The pictures may be shared with other detectors, so they must
        not be written to.
        """

    @abstractmethod
    def recipe(self) -> dict[str, Any]:
        """Everything that its scores depend on, as JSON values.

        `detector`, `labels` and `score_floor` are always there. `whole_frame` is true where
        scores apply to the whole picture and the boxes have no meaning.
        """

    def reset(self) -> None:
        """Forget every earlier frame; the model stays loaded.

        Called once before the first frame of every pass over a clip, so that the same recipe
        gives the same log whatever was analysed before. Raises DetectorError if it has a memory
        that cannot be cleared.
        """
        if self.is_stateful:
            raise DetectorError(
                f"detector {self.name!r} has a memory (is_stateful) and no reset(); "
                "give it a reset() that clears the memory"
            )

    def ask_for(self, labels: Sequence[str] | None, prompt_mode: str | None = None) -> None:
        """Change the labels, where `takes_prompts`.

        labels: the prompts. prompt_mode: see `lab.detectors.open_vocabulary.prompts`. Raises
        SettingError for prompts that are not valid; the labels stay as they were then.
        """
        raise SettingError(f"detector {self.name!r} takes no other labels; make it again with them")

    def close(self) -> None:  # noqa: B027 (most detectors hold nothing)
        """Release the model; calling it twice is fine."""
