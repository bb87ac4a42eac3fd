"""Gates: which frames are worth an expensive detector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from lab.errors import SettingError, closest
from lab.frame import Frame

KINDS = ("motion",)


class Gate(Protocol):
    """Decides which frames are worth an expensive detector.

    It is given every frame of a pass, in order, since it may learn from all of them.
    """

    def check(self, frame: Frame) -> str | None:
        """Why the frame is gated; None if it goes to the detector."""
        ...

    def settings(self) -> Mapping[str, Any]:
        """Everything that it decides by, as JSON values, with its `kind`."""
        ...

    def reset(self) -> None:
        """Forget every frame that it was given. Called before the first frame of every pass."""
        ...


def make_gate(wanted: str | Mapping[str, Any] | None) -> Gate | None:
    """A gate by name, or by its settings with `kind`; None for none.

    What `gate_recipe` gave makes the same gate again. Raises SettingError for an unknown kind or
    setting, or settings of another processing version.
    """
    if wanted is None:
        return None
    if not isinstance(wanted, str | Mapping):
        raise SettingError(
            f"gate must be a name, or settings with a kind, got {wanted!r:.80}; "
            f"{closest('', list(KINDS))}"
        )
    settings = {"kind": wanted} if isinstance(wanted, str) else dict(wanted)
    kind = settings.pop("kind", None)
    if kind not in KINDS:
        raise SettingError(f"unknown gate {kind!r}; {closest(str(kind), list(KINDS))}")
    from lab.detectors.motion import PROCESSING_VERSION, MotionGate

    version = settings.pop("processing_version", PROCESSING_VERSION)
    if version != PROCESSING_VERSION:
        raise SettingError(
            f"these settings of gate {kind!r} are for its version {version!r}, "
            f"this is version {PROCESSING_VERSION}; start a new run"
        )
    try:
        return MotionGate(**settings)
    except TypeError as error:
        raise SettingError(f"gate {kind!r} does not take these settings: {error}") from None


def gate_recipe(gate: Gate | None) -> dict[str, Any] | None:
    """Everything that the gate's decisions depend on, as JSON values."""
    return None if gate is None else dict(gate.settings())
