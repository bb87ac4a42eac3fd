"""The analysis of an upload: a job, another one if its worker dies, and what is due at its end."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from lab.app.server.uploads.record import UploadRecord
from lab.errors import JobError
from lab.jobs.engine import Engine
from lab.jobs.followed_upload import EVENTS, NOTES, runs_of
from lab.jobs.job import Job
from lab.jobs.upload_events import UploadEvents
from lab.video.followed_file import Announcement

_TRIES = 3  # to go on with it
_PAUSE_S = 0.5
_SILENCE_S = 60.0
# Its worker died; what came had broken off; or the run is still held by one that is ending.
_AGAIN = (None, "StreamError", "StoreError", "StoreBusyError")
_LAST_BYTES = 64 << 10


class UploadAnalysis:
    """`look` is called now and then by the one who looks after all uploads; the rest by anybody.

    folder: of what is known of the upload. part, file: where it lies until it is whole, and then.
    job: the last one; None before the first. is_working: whether more will be told of it.
    """

    def __init__(
        self,
        record: UploadRecord,
        folder: Path,
        part: Path,
        file: Path,
        store: Path,
        engine: Engine,
        follower: int,
    ) -> None:
        self._record, self._folder, self._part, self._file = record, folder, part, file
        self._store, self._engine, self._follower = store, engine, follower
        self._guard = threading.Lock()
        self.job: Job | None = None
        self.is_working = False
        self._settling: Job | None = None
        self._silence_s, self._tries = _SILENCE_S, 0
        self._next_try_s: float | None = None  # of the monotonic clock
        self._is_given_up = False

    @property
    def is_left(self) -> bool:
        """Whether an earlier process has not seen it to the end, and the upload is whole."""
        return self._record.is_whole and (self._folder / NOTES).exists() and self.job is None

    @property
    def state(self) -> str | None:
        job = self.job
        if job is not None and job.state == "failed" and self.is_working and not self._settling:
            return "queued"  # it is about to be gone on with
        return None if job is None else job.state

    @property
    def error(self) -> str | None:
        """Why it failed, unless it is about to be gone on with."""
        job = self.job
        return None if job is None or self.state == "queued" else job.error

    def begin(self, silence_s: float = _SILENCE_S) -> None:
        """Begin, or go on. Nothing if no analysis is asked for. Raises JobError as the app ends."""
        if not self._record.analyses:
            return
        with self._guard:
            self._silence_s, self._tries, self._settling = silence_s, 0, None
            self._next_try_s = None
            self._submit()
            self.is_working = True

    def arrived(self) -> None:
        """All is there: what ended before that, or ends now, is gone on with."""
        with self._guard:
            self._tries = 0
            self.is_working = self.job is not None
            self._record.is_whole = True

    def end(self) -> None:
        """No more of it; what was seen becomes that of the clip, if that is whole."""
        with self._guard:
            self._is_given_up = True
            if self.job is not None:
                self._engine.cancel(self.job.job_id)
            elif self._record.is_whole and runs_of(self._folder):
                self.is_working = True
                self._settle()

    def look(self, announced: Announcement | None) -> None:
        """announced: of an upload that is being received."""
        with self._guard:
            job = self.job
            if not self.is_working or (job is not None and job.is_active):
                return
            try:
                if self._settling is not None:
                    self._look_at_settling(self._settling)
                elif job is not None:
                    self._look_at_ended(job, announced)
            except JobError:  # the app ends; the next one goes on
                self.is_working = False

    # Under the guard

    def _look_at_ended(self, job: Job, announced: Announcement | None) -> None:
        is_whole = self._record.is_whole
        if announced is not None:
            announced.forget_readers()
        if (is_whole or announced is not None) and self._is_to_be_tried_again(job):
            if self._is_time():
                self._submit()
            return
        if job.state == "failed" and not self._is_given_up:
            self._tell(job.error or "the analysis failed")
        if is_whole and job.state != "done" and runs_of(self._folder):
            self._tries = 0
            self._settle()
            return
        self.is_working = False
        if is_whole:
            (self._folder / NOTES).unlink(missing_ok=True)

    def _look_at_settling(self, job: Job) -> None:
        if job.is_active:
            return
        if self._is_to_be_tried_again(job):
            if self._is_time():
                self._settle()
            return
        self.is_working = False
        if job.state == "done" or job.error_type not in _AGAIN:  # else the next app tries
            (self._folder / NOTES).unlink(missing_ok=True)

    def _is_to_be_tried_again(self, job: Job) -> bool:
        may_be = job.state == "failed" and job.error_type in _AGAIN and self._tries <= _TRIES
        return may_be and not (self._is_given_up and job is self.job)

    def _is_time(self) -> bool:
        """After a pause."""
        now = time.monotonic()
        if self._next_try_s is None:
            self._next_try_s = now + _PAUSE_S
        if now < self._next_try_s:
            return False
        self._next_try_s = None
        return True

    def _tell(self, error: str) -> None:
        """To who follows it, unless its worker has."""
        events = self._folder / EVENTS
        try:
            with events.open("rb") as file:
                file.seek(max(0, file.seek(0, 2) - _LAST_BYTES))
                last = file.read().splitlines()[-1:]
        except OSError:
            last = []
        if last and last[0].startswith(b'{"type":"error"'):
            return
        try:
            told = UploadEvents(events)
        except OSError:
            return
        try:
            told.failed(error, runs_of(self._folder))
        except OSError:  # a full disk: the upload itself says it
            return
        finally:
            told.close()

    def _submit(self) -> None:
        record = self._record
        self._tries += 1
        self.job = self._engine.submit(
            "follow",
            f"{record.name} while it comes",
            store=str(self._store),
            folder=str(self._folder),
            part=str(self._part),
            path=str(self._file),
            media_id=record.media_id,
            is_whole=record.is_whole,
            silence_s=self._silence_s,
            analyses=record.analyses,
            rules=record.rules,
            follower=self._follower,
        )

    def _settle(self) -> None:
        self._tries += 1
        self._settling = self._engine.submit(
            "settle",
            f"what was seen of {self._record.name}",
            store=str(self._store),
            path=str(self._file),
            media_id=self._record.media_id,
        )
