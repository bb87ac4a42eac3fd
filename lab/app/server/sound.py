"""The waveform of a clip: made once by the media worker, kept beside the clip's pictures."""

from __future__ import annotations

import threading

import numpy as np

from lab.app.server.binary import pack
from lab.app.server.state import AppState
from lab.errors import NotFoundError
from lab.jobs.job import Job
from lab.video.sound import FILE_NAME, SoundPeaks

_MAX_WAIT_S = 5.0  # then the page asks again


class Sounds:
    """Returns waveforms, waiting a little where a worker has to make one."""

    def __init__(self, app_state: AppState) -> None:
        self._app_state = app_state
        self._jobs: dict[str, Job] = {}
        self._guard = threading.Lock()

    def get(self, media_id: str) -> tuple[bytes, bool]:
        """The packed waveform of a clip, and whether it is final.

        Header: media_id, state (`done`, `making`), has_sound, problem, from_us, to_us. Arrays:
        `low` and `high`, float32, as those of `SoundPeaks`.

        Raises NotFoundError if there is no such clip or its file cannot be used, ForbiddenError.
        """
        media = self._app_state.media(media_id)
        self._app_state.clip_file(media)  # whether the app may open it
        peaks = self._load(media_id)
        if peaks is None:
            job = self._job(media_id)
            job.finished.wait(_MAX_WAIT_S)
            if job.state == "failed":
                raise NotFoundError(job.error or "the sound cannot be read")
            peaks = self._load(media_id)
        state = "making" if peaks is None else "done"
        if peaks is None:
            none = np.zeros(0, np.float32)
            peaks = SoundPeaks(media["first_pts_us"], media["end_us"], none, none)
        header = {"media_id": media_id, "state": state, **peaks.to_dict()}
        return pack(header, {"low": peaks.low, "high": peaks.high}), state == "done"

    def _load(self, media_id: str) -> SoundPeaks | None:
        """None where it is not made yet, or the file is damaged: then it is made again."""
        try:
            return SoundPeaks.load(self._app_state.store.pictures_folder(media_id) / FILE_NAME)
        except (FileNotFoundError, ValueError):
            return None

    def _job(self, media_id: str) -> Job:
        """The job that makes a waveform; one that ended without it is not repeated at once."""
        with self._guard:
            job = self._jobs.get(media_id)
            if self._app_state.may_request(job):
                job = self._jobs[media_id] = self._app_state.engine.submit(
                    "sound",
                    "the sound of a clip",
                    store=str(self._app_state.store.folder),
                    media_id=media_id,
                )
        assert job is not None
        return job
