"""Reads an upload that is analysed while it comes, for those who follow it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from lab.app.server.live_results.topic import News
from lab.app.server.uploads.events import check_there, lines_of
from lab.app.server.uploads.upload import Upload
from lab.feeds.newest_samples import Sample

_PAUSE_S = 0.05
_REST_S = 0.5
_STATE_EVERY_S = 1.0
Row = dict[str, Any]


class UploadReader:
    """See `lab.app.server.live_results.topic.Reader`. Raises NotFoundError once it is deleted.

    Its samples and sightings are told as the analysis writes them down; how it is once a second,
    and at the end with the summary of each run.
    """

    def __init__(self, upload: Upload) -> None:
        self._upload, self._place = upload, 0
        self._sizes_px: dict[str, tuple[int, int]] = {}
        self._summaries: list[Row] = []
        self._told_run: str | None = None
        self._told: Row = {}
        self._looked_at = float("-inf")
        self._is_over = False

    @property
    def pause_s(self) -> float:
        return _REST_S if self._is_over else _PAUSE_S

    def open(self) -> News:
        found = self.read()
        return News(
            [sample for one in found if one.run_id == self._told_run for sample in one.samples],
            [event for one in found for event in one.events],
            self._told,
            self._told_run,
        )

    def read(self) -> list[News]:
        is_over = self._upload.is_over  # before its last lines are read
        found = list(self._news(self._lines()))
        now = time.monotonic()
        if is_over != self._is_over or now - self._looked_at >= _STATE_EVERY_S:
            self._is_over, self._looked_at = is_over, now
            state = self._state()
            if state != self._told:
                self._told = state
                found.append(News(state=state, run_id=self._told_run))
        return found

    def close(self) -> None:
        pass

    def _lines(self) -> Iterator[Row]:
        """All that were added."""
        while True:
            lines, self._place = lines_of(self._upload, self._place)
            if not lines:
                return
            yield from (line.event for line in lines)

    def _news(self, lines: Iterable[Row]) -> Iterator[News]:
        for run_id, of_run in groupby(lines, lambda line: line.get("run_id")):
            news = News(run_id=run_id)
            for line in of_run:
                if line["type"] == "started":
                    media = line["media"]
                    self._told_run = self._told_run or run_id
                    self._sizes_px[line["run_id"]] = media["width_px"], media["height_px"]
                elif line["type"] == "sample":
                    news.samples.append(self._sample(line))
                elif line["type"] == "sighting":
                    news.events.append({name: line[name] for name in line if name != "type"})
                elif line["type"] == "summary":
                    self._summaries.append(line)
            if news.samples or news.events:
                self._told_run = run_id
                yield news

    def _sample(self, line: Row) -> Sample:
        width_px, height_px = self._sizes_px.get(line["run_id"], (None, None))
        return {
            "pts_s": line["pts_s"],
            "frame_index": line["frame_index"],
            "wall_utc": None,
            "status": line["state"],
            "reason": line.get("why"),
            "width_px": width_px,
            "height_px": height_px,
            "detections": line["detections"],
        }

    def _state(self) -> Row:
        known = self._upload.to_dict()
        check_there(self._upload)
        analysis = known["analysis"] or {}
        return {
            "state": known["state"],
            "reason": known["error"] or analysis.get("error"),
            **{name: known[name] for name in ("bytes", "size", "run_ids")},
            "is_over": self._is_over,
            "summaries": self._summaries if self._is_over else [],
        }
