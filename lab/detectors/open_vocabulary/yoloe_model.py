"""YOLOE checkpoints on torch: pictures and text features in, scores out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lab.detectors.open_vocabulary.mobileclip import DEFAULT_ENCODER
from lab.detectors.yolo.torch_model import UltralyticsModel
from lab.errors import DetectorError

# Prompt-free heads name only what their filter of proposals scores higher (Ultralytics' default).
PROPOSAL_FLOOR = 0.001


class YoloeModel(UltralyticsModel):
    """A YOLOE checkpoint.

    has_own_vocabulary: the names are built into its head (prompt-free, or trained for them);
    else `ask` says what to look for. encoder: name of its text encoder. dimensions: of a text's
    features. Raises DetectorError if the checkpoint is another model's.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        from ultralytics.nn.modules.head import YOLOEDetect

        head = self._network.model[-1]
        if not isinstance(head, YOLOEDetect):
            raise DetectorError(
                f"{path} has the head {type(head).__name__}, not YOLOE's; {_EXPECTED}"
            )
        self.path, self.proposal_floor = path, PROPOSAL_FLOOR
        setattr(head, "conf", PROPOSAL_FLOOR)  # noqa: B010 - a float, which torch's types forbid
        self.is_prompt_free = hasattr(head, "lrpc")
        self.has_own_vocabulary = self.is_prompt_free or bool(head.is_fused)
        self.encoder: str = getattr(self._network, "text_model", None) or DEFAULT_ENCODER
        self.dimensions = int(head.embed)
        if self.has_own_vocabulary:
            # Only its length is used.
            self._network.pe = self._torch.zeros(
                1, len(self.names), self.dimensions, device=self.device
            )

    def ask(self, names: tuple[str, ...], text: np.ndarray) -> None:
        """Set the prompts. text: (n, dimensions), as the encoder gave it."""
        features = self._torch.from_numpy(text)[:, None, None].to(self.device)
        head = self._network.model[-1]
        with self._torch.inference_mode():
            # The head's own layer (reprta), as in `get_text_pe`; each text by itself, since
            # together they would be rounded otherwise.
            self._network.pe = self._torch.cat([head.get_tpe(one) for one in features], dim=1)
        self.names = names

    def close(self) -> None:
        """Release the network."""
        self._network = None

    def _unfit(self, path: Path, facts: Any) -> str | None:
        if facts.network.startswith("YOLOE"):
            return None
        other = "yolo-world" if facts.network.startswith("World") else "yolo"
        return f"{path} is a {facts.network}, not YOLOE; use detector {other!r} for it"


_EXPECTED = "expected a checkpoint such as yoloe-11s-seg.pt"
