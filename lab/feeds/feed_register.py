"""How a run of a feed comes into the catalog."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lab.errors import LabError
from lab.runs.execute import Outcome, PlannedRun
from lab.runs.run_pass import CatalogRegister
from lab.video.sources.recording import keep_recorded_media


@dataclass
class FeedRegister(CatalogRegister):
    """Also keeps when the recording began, and where its camera stands.

    began: Unix seconds. then: called once the run is in the catalog, before anything is logged.
    turn: held meanwhile.
    """

    began: float = 0.0
    site: str | None = None
    recording: Path | None = None
    then: Callable[[], None] = lambda: None
    turn: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, planned: Sequence[PlannedRun]) -> None:
        with self.turn:
            super().begin(planned)
            try:
                self._tell_more()
            except LabError:
                self.withdraw(planned)
                raise
        if self.recording is not None:
            keep_recorded_media(self.recording, self.media)
        self.then()

    def close(self, outcomes: Sequence[Outcome]) -> None:
        with self.turn:
            super().close(outcomes)

    def _tell_more(self) -> None:
        start = datetime.fromtimestamp(self.began, UTC)
        zone = start.astimezone().utcoffset() or timedelta()  # of this computer
        known: dict[str, Any] = {
            "start_utc": start.replace(tzinfo=None),
            "utc_offset_s": round(zone.total_seconds()),
        }
        if self.site is not None:
            known["site"] = self.site
        self.store.edit_media(self.media.media_id, **known)
