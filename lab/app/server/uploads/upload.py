"""One upload: its file, what is known of it, and the analysis that goes on meanwhile."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from lab.access.asker import RefusedError
from lab.app.server.uploads.analysis import UploadAnalysis
from lab.app.server.uploads.bounds import Bounds, check_length, check_room
from lab.app.server.uploads.record import KEPT_S, UploadRecord
from lab.errors import JobError, SettingError, SourceError, StreamError
from lab.jobs.engine import Engine
from lab.jobs.followed_upload import EVENTS, NOTES, runs_of
from lab.store.store import Store
from lab.video.followed_file import Announcement
from lab.video.streaming_buffer import StreamingBuffer

_LOOK_FOR_ROOM_BYTES = 16 << 20
_WRITE_EXPIRES_S = 60.0  # no write for each small part
State = Literal["receiving", "interrupted", "complete", "failed"]


class NotAVideoError(SourceError):
    """Who reads an upload can make nothing of it."""


class Upload:
    """Its methods may be called from any thread; what `begin_writing` and the methods below it do
    can take long, what is above it waits for nothing.

    folder: where what is known of it is kept. file: where the clip lies once it is whole.
    is_awaited: whether it was just begun, and who sends it has not come yet. is_deleted: whether it
    is no more, and its id, with these places, may be that of another one.
    """

    def __init__(
        self, record: UploadRecord, folder: Path, store: Store, engine: Engine, follower: int
    ) -> None:
        self.record, self.folder = record, folder
        self.file = store.uploads_folder / record.upload_id / record.name
        self.part = self.file.with_name(record.name + ".part")
        self.analysis = UploadAnalysis(
            record, folder, self.part, self.file, store.folder, engine, follower
        )
        self._guard = threading.RLock()
        self._buffer: StreamingBuffer | None = None
        self._announced: Announcement | None = None
        self._is_written_now = self.is_deleted = self.is_awaited = False
        self._not_looked_bytes = 0
        self._written_expires = record.expires
        self.heard_at = time.monotonic()

    # What is known

    @property
    def offset(self) -> int:
        """Bytes that are there."""
        buffer = self._buffer
        if buffer is not None:
            return buffer.written
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
    def is_over(self) -> bool:
        """Whether nothing more will be told of it, unless it is gone on with."""
        is_coming = self.is_awaited or self.state == "receiving"
        return not is_coming and not self.analysis.is_working

    @property
    def may_be_dropped(self) -> bool:
        """Whether it has expired."""
        is_needed = self._is_written_now or not self.is_over or self.analysis.is_left
        return not is_needed and time.time() > self.record.expires

    def to_dict(self) -> dict[str, Any]:
        record, job = self.record, self.analysis.job
        samples = 0 if job is None else (job.result or {}).get("samples", job.done)
        return {
            "upload_id": record.upload_id,
            "name": record.name,
            "state": self.state,
            "bytes": self.offset,
            "size": record.size_bytes,
            "sha256": record.sha256 if record.is_whole else None,
            "path": str(self.file) if record.is_whole else None,
            "error": record.error,
            "run_ids": runs_of(self.folder),
            "analysis": None
            if not record.analyses
            else {
                "state": self.analysis.state,
                "samples": samples,
                "error": self.analysis.error,
            },
        }

    # Writing

    def begin_writing(
        self,
        bounds: Bounds,
        *,
        at: int | None = None,
        size_bytes: int | None = None,
        length: int | None = None,
    ) -> None:
        """The one connection that writes it now; the analysis begins, or goes on.

        at: the byte where it begins. size_bytes: how many there will be in all. length: how many
        it has. None for what it does not say. What is there is read for its digest, which takes
        its time.

        Raises RefusedError, 409, if another connection writes, nothing can follow, or not at that
        byte; SettingError for another size than before, or more than is missing; OSError.
        """
        with self._guard:
            if self.is_deleted:
                raise RefusedError(409, "the upload was deleted; nothing can follow")
            if self._is_written_now:
                raise RefusedError(409, "another connection is sending this upload")
            if self.record.is_whole or self.record.error is not None:
                raise RefusedError(409, f"the upload is {self.state}; nothing can follow")
            if at is not None and at != self.offset:
                raise RefusedError(409, f"{self.offset} bytes are there; go on at that byte")
            if size_bytes not in (None, self.record.size_bytes or size_bytes):
                raise SettingError(
                    f"the upload was begun with {self.record.size_bytes} bytes, got {size_bytes}"
                )
            check_length(length, self.offset, self.record.size_bytes)
            self._is_written_now = True
        try:
            if size_bytes is not None and self.record.size_bytes is None:
                self.record.size_bytes = size_bytes
                self.record.write(self.folder)
            self._open(bounds)
        except BaseException:
            self._is_written_now = False
            raise

    def end_writing(self) -> None:
        """Of who has begun it."""
        with self._guard:
            self._is_written_now = self.is_awaited = False
            self.heard_at = time.monotonic()
            self._expire_later()

    def append(self, data: bytes) -> None:
        """Raises NotAVideoError if the analysis says so, StreamError if it was given up, OSError as
        of a full disk.
        """
        buffer = self._buffer
        if buffer is None:
            raise StreamError("the upload was given up")
        self._not_looked_bytes += len(data)
        if self._not_looked_bytes >= _LOOK_FOR_ROOM_BYTES:
            self._not_looked_bytes = 0
            check_room(self.part.parent)
        try:
            buffer.append(data)
        except StreamError:
            self._check_refused()
            raise
        self.heard_at = time.monotonic()

    def wake(self, reason: str) -> None:
        """Let go who waits in `append`; the upload is broken off."""
        if (buffer := self._buffer) is not None:
            buffer.abort(reason)

    def _check_refused(self) -> None:
        announced = self._announced
        if announced is not None and announced.refused is not None:
            raise NotAVideoError(announced.refused)

    def finish(self) -> None:
        """All is there. Raises as `append`, StreamError also if that is less than was declared.

        Once the file has its name it is whole, whatever becomes of this process; see `recover`.
        """
        with self._guard:
            buffer, record = self._buffer, self.record
            if buffer is None:
                raise StreamError("the upload was given up")
            self._check_refused()
            size = record.size_bytes
            if size is not None and buffer.written != size:
                raise StreamError(f"it ended after {buffer.written} of {size} bytes")
            record.sha256, record.size_bytes = buffer.sha256, buffer.written
            try:
                record.write(self.folder)
                buffer.close_writer(keep=self.file)
            except BaseException as error:
                record.sha256, record.size_bytes = None, size
                if isinstance(error, StreamError):
                    self._check_refused()
                raise
            self.analysis.arrived()
            self._close()
            self._expire_later(is_new=True)

    def recover(self) -> None:
        """Of a process that ended before it could write all down."""
        record = self.record
        if record.sha256 and not self.part.exists() and self.file.exists():
            record.is_whole = True
        with suppress(OSError):
            heard = (self.file if record.is_whole else self.part).stat().st_mtime
            record.expires = max(record.expires, heard + KEPT_S)

    def break_off(self, reason: str) -> None:
        """Nothing comes for now; who reads it gives up, and the upload can be gone on with."""
        with self._guard:
            if self._buffer is not None:
                self._buffer.abort(reason)
                self._close()
                self._expire_later(is_new=True)

    def fail(self, reason: str) -> None:
        """It can never be what it should be: its file goes."""
        with self._guard:
            self.record.error = reason
            self.break_off(reason)
            with suppress(OSError):
                self.part.unlink(missing_ok=True)
            self._expire_later(is_new=True)

    def look(self, silence_s: float) -> None:
        """For the one who looks after all of them."""
        is_silent = time.monotonic() - self.heard_at > silence_s
        if is_silent and not self._is_written_now:
            self.is_awaited = False
        if is_silent and not self._is_written_now and self._buffer is not None:
            with self._guard:
                if not self._is_written_now:
                    self.break_off(f"nothing came for {silence_s:g} s")
        self.analysis.look(self._announced)

    def go_on(self) -> None:
        """Of a whole upload whose analysis has not come to its end, as after a restart."""
        if self.analysis.is_left:
            if self.record.is_given_up:
                self.analysis.end()
            else:
                self.analysis.begin()

    def stop(self) -> None:
        """No more of it, and no analysis. Raises RefusedError, 409, while somebody writes it."""
        with self._guard:
            if self._is_written_now:
                raise RefusedError(409, "a connection is sending this upload; close it first")
            self.is_deleted, self.is_awaited = True, False
            self.break_off("the upload was deleted")
            self.analysis.end()

    # Under the guard, or by who writes

    def _open(self, bounds: Bounds) -> None:
        if self._buffer is not None:
            return
        buffer = StreamingBuffer(
            path=self.part,
            size_bytes=self.record.size_bytes,
            silence_s=bounds.silence_s,
            max_bytes=bounds.max_bytes,
            max_ahead_bytes=bounds.max_ahead,
        )
        try:
            if self.record.analyses:
                self._announced = Announcement(buffer, self.folder / NOTES)
            self.analysis.begin(bounds.silence_s)
        except (OSError, JobError):
            self._buffer = buffer
            self._close()
            raise
        self._buffer = buffer

    def _expire_later(self, *, is_new: bool = False) -> None:
        """A day from now. is_new: there is something else to write, too."""
        self.record.expires = time.time() + KEPT_S
        if is_new or self.record.expires - self._written_expires > _WRITE_EXPIRES_S:
            self._written_expires = self.record.expires
            with suppress(OSError):  # a full disk, or it was deleted
                self.record.write(self.folder)

    def _close(self) -> None:
        buffer, self._buffer = self._buffer, None
        announced, self._announced = self._announced, None
        if announced is not None:
            announced.close()
        if buffer is not None:
            buffer.close()
