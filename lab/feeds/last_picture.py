"""The last picture of a feed that was analysed, as a file."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import numpy as np

from lab.feeds.pictures import jpeg


class LastPicture:
    """folder: of the feed. at: when it was kept last, Unix seconds."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shown_at = 0.0
        self.at: float | None = None

    def show(self, image_bgr: np.ndarray | None, every_s: float = 1.0) -> None:
        """Keep it as `last.jpg`, unless there is none, or the last one is younger than that."""
        now = time.monotonic()
        if image_bgr is None or now - self._shown_at < every_s:
            return
        self._shown_at = now
        part = self._folder / ".last.part"
        with suppress(OSError):  # a full disk is told by the log
            part.write_bytes(jpeg(image_bgr, 80))
            part.replace(self._folder / "last.jpg")
            self.at = time.time()
