"""Detectors handed over as objects that keep their own recipe, completed to the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.plugins.calls import third_party_call
from lab.detectors.plugins.memory import PluginMemory
from lab.detectors.plugins.pictures import copied
from lab.detectors.plugins.results import close_if_possible
from lab.frame import Frame


class ReadyMadeDetector(Detector):
    """A third-party object with `detect(frames)` and `recipe()`, with defaults for the rest.

    Its results are passed on as they are. It is given copies of the pictures, since it may draw
    on them.
    """

    def __init__(self, made: Any) -> None:
        self._made = made
        self._memory = PluginMemory(f"the detector {type(made).__name__}", made, None)
        for member in _MEMBERS:
            value = getattr(made, member, getattr(Detector, member))
            setattr(self, member, value)
        self.labels, self.is_stateful = tuple(self.labels), bool(self.is_stateful)
        self.takes_prompts = callable(getattr(made, "ask_for", None))

    @property
    def name(self) -> str:
        return str((self.made_from or {}).get("name") or type(self._made).__name__)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """What the object returns; raises what it raises."""
        self._memory.note_use()
        with third_party_call() as call:
            found: list[Detections] = self._made.detect(copied(frames))
        if call.failure:
            expected = frames[-1:] if self.takes_windows else frames
            return [Detections.failed(call.failure) for _ in expected]
        return found

    def recipe(self) -> dict[str, Any]:
        own: dict[str, Any] = self._made.recipe()
        return own

    def reset(self) -> None:
        """See `lab.detectors.detector.Detector`."""
        self._memory.forget()

    def ask_for(self, labels: Sequence[str] | None, prompt_mode: str | None = None) -> None:
        """See `lab.detectors.detector.Detector`."""
        if not self.takes_prompts:
            super().ask_for(labels, prompt_mode)
        self._made.ask_for(labels, prompt_mode)
        self.labels = tuple(self._made.labels)

    def close(self) -> None:
        close_if_possible(self._made)


_MEMBERS = (
    "default_score_floor",
    "default_threshold",
    "labels",
    "batch_size",
    "is_stateful",
    "takes_windows",
    "made_from",
    "weights_path",
    "device",
)
