"""One upload: its file, what is known of it, and the analysis that goes on meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from lab.access.asker import RefusedError
from lab.app.server.uploads.record import KEPT_S, UploadRecord
from lab.errors import JobError, SourceError, StreamError
from lab.jobs.engine import Engine
from lab.jobs.followed_upload import EVENTS, NOTES, runs_of
from lab.jobs.job import Job
from lab.store.store import Store
from lab.video.followed_file import Announcement
from lab.video.streaming_buffer import StreamingBuffer

State = Literal["receiving", "interrupted", "complete", "failed"]
_TRIES = 3  # to go on with an analysis
_PAUSE_S = 0.5
# Its worker died; what came had broken off; or the run is still held by one that is ending.
_AGAIN = (None, "StreamError", "StoreError", "StoreBusyError")


class NotAVideoError(SourceError):
    """Who reads an upload can make nothing of it."""


class Upload:
    """Its methods may be called from any thread, and `append` waits for a slow reader.

    folder: where what is known of it is kept. file: where the clip lies once it is whole.
    is_deleted: whether it is no more, and its id, with these places, may be that of another one.
    """

    def __init__(
        self, record: UploadRecord, folder: Path, store: Store, engine: Engine, follower: int
    ) -> None:
        self.record, self.folder = record, folder
        self.file = store.uploads_folder / record.upload_id / record.name
        self.part = self.file.with_name(record.name + ".part")
        self._store, self._engine, self._follower = store, engine, follower
        self._guard = threading.RLock()
        self._buffer: StreamingBuffer | None = None
        self._announced: Announcement | None = None
        self._job: Job | None = None
        self._tries = 0
        self._watch: threading.Thread | None = None
        self._is_written_now = self.is_deleted = False
        self.heard_at = time.monotonic()

    # What is known

    @property
    def offset(self) -> int:
        """Bytes that are there."""
        with self._guard:
            if self._buffer is not None:
                return self._buffer.written
        try:
            return (self.file if self.record.is_whole else self.part).stat().st_size
        except OSError:
            return 0

    @property
    def events_file(self) -> Path:
        return self.folder / EVENTS

    @property
    def state(self) -> State:
        if self.record.is_whole:
            return "complete"
        if self.record.error is not None:
            return "failed"
        return "interrupted" if self._buffer is None else "receiving"

    @property
    def is_left(self) -> bool:
        """Whether it is whole, and an earlier process has not seen its analysis to the end."""
        return self.record.is_whole and (self.folder / NOTES).exists() and self._job is None

    @property
    def _is_watched(self) -> bool:
        return self._watch is not None and self._watch.is_alive()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be told of it, unless it is gone on with."""
        with self._guard:
            is_working = (self._job is not None and self._job.is_active) or self._is_watched
            return self.state != "receiving" and not is_working

    def to_dict(self) -> dict[str, Any]:
        record, job = self.record, self._job
        state = None if job is None else job.state
        if state == "failed" and self._is_watched:
            state = "queued"  # it is about to be gone on with
        samples = 0 if job is None else (job.result or {}).get("samples", job.done)
        return {
            "upload_id": record.upload_id,
            "name": record.name,
            "state": self.state,
            "bytes": self.offset,
            "size": record.size_bytes,
            "sha256": record.sha256,
            "path": str(self.file) if record.is_whole else None,
            "error": record.error,
            "run_ids": runs_of(self.folder),
            "analysis": None
            if not record.analyses
            else {
                "state": state,
                "samples": samples,
                "error": None if job is None else job.error,
            },
        }

    # Writing

    @contextmanager
    def writing(self, silence_s: float, max_bytes: int, max_ahead: int | None) -> Iterator[None]:
        """The one connection that writes it now; the analysis begins, or goes on.

        Raises RefusedError: 409 if another connection does, or nothing can follow.
        """
        with self._guard:
            if self.is_deleted:
                raise RefusedError(409, "the upload was deleted; nothing can follow")
            if self._is_written_now:
                raise RefusedError(409, "another connection is sending this upload")
            if self.record.is_whole or self.record.error is not None:
                raise RefusedError(409, f"the upload is {self.state}; nothing can follow")
            self._is_written_now = True
            try:
                self._open(silence_s, max_bytes, max_ahead)
            except BaseException:
                self._is_written_now = False
                raise
        try:
            yield
        finally:
            with self._guard:
                self._is_written_now = False
                self.heard_at = time.monotonic()

    def append(self, data: bytes) -> None:
        """Raises NotAVideoError if the analysis says so, StreamError if it was given up, OSError as
        of a full disk.
        """
        buffer = self._buffer
        if buffer is None:
            raise StreamError("the upload was given up")
        try:
            buffer.append(data)
        except StreamError:
            self._check_refused()
            raise
        self.heard_at = time.monotonic()

    def _check_refused(self) -> None:
        announced = self._announced
        if announced is not None and announced.refused is not None:
            raise NotAVideoError(announced.refused)

    def finish(self) -> None:
        """All is there. Raises StreamError if that is less than was declared, OSError."""
        with self._guard:
            buffer = self._buffer
            if buffer is None:
                raise StreamError("the upload was given up")
            self._check_refused()
            size = self.record.size_bytes
            if size is not None and buffer.written != size:
                raise StreamError(f"it ended after {buffer.written} of {size} bytes")
            buffer.keep(self.file)
            self.record.sha256, self.record.is_whole = buffer.sha256, True
            self.record.size_bytes = buffer.written
            buffer.close_writer()
            self.record.write(self.folder)
            self._close()
            self._see_to_the_end()

    def break_off(self, reason: str) -> None:
        """Nothing comes for now; who reads it gives up, and the upload can be gone on with."""
        with self._guard:
            if self._buffer is not None:
                self._buffer.abort(reason)
                self._close()
                self.record.expires = time.time() + KEPT_S

    def fail(self, reason: str) -> None:
        """It can never be what it should be: its file goes."""
        with self._guard:
            self.break_off(reason)
            self.record.error = reason
            self.part.unlink(missing_ok=True)
            self.record.write(self.folder)

    def give_up_silent(self, silence_s: float) -> None:
        """For the one who looks after all of them."""
        with self._guard:
            is_silent = time.monotonic() - self.heard_at > silence_s
            if is_silent and not self._is_written_now and self._buffer is not None:
                self.break_off(f"nothing came for {silence_s:g} s")

    def stop(self) -> None:
        """No more of it, and no analysis. Raises RefusedError, 409, while somebody writes it."""
        with self._guard:
            if self._is_written_now:
                raise RefusedError(409, "a connection is sending this upload; close it first")
            self.is_deleted = True
            self.break_off("the upload was deleted")
            if self._job is not None:
                self._engine.cancel(self._job.job_id)

    # Under the guard

    def _open(self, silence_s: float, max_bytes: int, max_ahead: int | None) -> None:
        if self._buffer is not None:
            return
        buffer = StreamingBuffer(
            path=self.part,
            size_bytes=self.record.size_bytes,
            silence_s=silence_s,
            max_bytes=max_bytes,
            max_ahead_bytes=max_ahead,
        )
        try:
            if self.record.analyses:
                self._announced = Announcement(buffer, self.folder / NOTES)
        except OSError:
            buffer.close()
            raise
        self._buffer, self._tries = buffer, 0
        if self.record.analyses:
            self._submit(silence_s)

    def _submit(self, silence_s: float = 60.0) -> None:
        record = self.record
        self._tries += 1
        self._job = self._engine.submit(
            "follow",
            f"{record.name} while it comes",
            store=str(self._store.folder),
            folder=str(self.folder),
            part=str(self.part),
            path=str(self.file),
            media_id=record.media_id,
            is_whole=record.is_whole,
            silence_s=silence_s,
            analyses=record.analyses,
            rules=record.rules,
            follower=self._follower,
        )

    def _close(self) -> None:
        buffer, self._buffer = self._buffer, None
        announced, self._announced = self._announced, None
        if announced is not None:
            announced.close()
        if buffer is not None:
            buffer.close()

    def go_on(self) -> None:
        """Of a whole upload whose analysis has not come to its end, as after a restart."""
        with self._guard:
            self._submit()
            self._see_to_the_end()

    def _see_to_the_end(self) -> None:
        if self._job is not None:
            self._watch = threading.Thread(target=self._until_done, daemon=True)
            self._watch.start()

    def _until_done(self) -> None:
        """All is there: an analysis that ended before that, or whose worker dies, is gone on with;
        what was seen by one that ended for good becomes that of the clip.
        """
        while True:
            job = self._job
            assert job is not None
            job.finished.wait()
            if job.state != "failed" or job.error_type not in _AGAIN or self._tries > _TRIES:
                break
            time.sleep(_PAUSE_S)
            try:
                with self._guard:
                    self._submit()
            except JobError:  # the app ends; the next one goes on
                return
        if job.state != "done" and runs_of(self.folder):
            with suppress(JobError):
                self._engine.submit(
                    "settle",
                    f"what was seen of {self.record.name}",
                    store=str(self._store.folder),
                    path=str(self.file),
                    media_id=self.record.media_id,
                )
        (self.folder / NOTES).unlink(missing_ok=True)
