"""All uploads of a store: begun, found again, and looked after."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException

from lab.access.asker import Asker, RefusedError
from lab.access.slots import Slots
from lab.app.server.uploads.bounds import check_room_for, not_writable, too_large
from lab.app.server.uploads.record import UploadRecord
from lab.app.server.uploads.upload import Upload
from lab.config import Config
from lab.errors import JobError, LabError, NotFoundError, SettingError
from lab.jobs.engine import Engine
from lab.jobs.followed_upload import runs_of
from lab.jobs.upload_rules import AskedRules
from lab.store.store import Store
from lab.video.sources.streamed import arriving_id

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_LOOK_EVERY_S = 0.25
_FOLLOWERS = max(1, min(4, (os.cpu_count() or 2) // 2))
_UNFINISHED_FOR_EACH = 4  # times max_uploads_per_token


@dataclass(frozen=True)
class Wanted:
    """What is analysed while an upload comes; see `lab.jobs.followed_upload.follow_upload`."""

    analyses: list[dict[str, Any]]
    rules: list[AskedRules]


class Uploads:
    """threads: those that write, so that one who waits for a slow reader holds up nobody else; one
    for each connection, and one to end what another one waits for.
    """

    def __init__(self, store: Store, engine: Engine, config: Config) -> None:
        self._store, self._engine, self._config = store, engine, config
        self.limits, self.max_bytes = config.limits, config.max_upload_bytes
        self.slots = Slots("uploads", self.limits.max_uploads, self.limits.max_uploads_per_token)
        self.threads = ThreadPoolExecutor(2 * self.limits.max_uploads, "upload")
        self._folder = store.uploading_folder
        self._known: dict[str, Upload] = {}
        self._given_up: list[Upload] = []  # whose analysis is still to end
        self._guard = threading.Lock()
        self._follower = 0
        self._looks_after: threading.Thread | None = None
        self._is_closed = threading.Event()

    def begin(
        self,
        upload_id: str,
        name: str,
        asker: Asker,
        *,
        size_bytes: int | None = None,
        wanted: Wanted | None = None,
        metadata: str = "",
    ) -> Upload:
        """A new upload.

        Raises SettingError for an id that is none, RefusedError: 409 if there is one, 413 if it is
        too large, 429 for one unfinished upload or one analysis too many; HTTPException: 403 if the
        store cannot be written, 507 if the disk is full.
        """
        if not _ID.fullmatch(upload_id):
            raise SettingError(
                "the id of an upload has 1 to 100 letters, digits, '-', '_' and '.', "
                f"got {upload_id[:40]!r}"
            )
        if size_bytes is not None and size_bytes > self.max_bytes:
            raise too_large(size_bytes, self.max_bytes)
        owner = asker.key
        kept = wanted or Wanted([], [])
        record = UploadRecord(
            upload_id, name, size_bytes, owner, arriving_id(), kept.analyses, kept.rules, metadata
        )
        folder = self._folder / upload_id
        with self._guard:
            self._check_free(upload_id, asker)
            self._check_unfinished(owner, asker, is_analysed=wanted is not None)
            upload = self._made(record, folder)
            try:
                upload.file.parent.mkdir(parents=True, exist_ok=True)
                folder.mkdir(parents=True, exist_ok=True)
                check_room_for(self._store.folder, size_bytes or 0)
                record.write(folder)
            except OSError as error:
                self._remove(upload)
                raise not_writable(self._store.folder, error) from None
            except HTTPException:
                self._remove(upload)
                raise
            upload.is_awaited = True
            self._known[upload_id] = upload
        self._look_after()
        return upload

    def get(self, upload_id: str, asker: Asker) -> Upload:
        """Of the same token, or for an admin. Raises NotFoundError."""
        if _ID.fullmatch(upload_id):
            with self._guard:
                found = self._find(upload_id)
            if found and _may_see(asker, found):
                return found
        raise NotFoundError(f"no upload {upload_id[:100]!r}; it may have expired")

    def is_analysed_now(self, file: Path) -> bool:
        """Whether a file that has arrived is still being analysed."""
        found = self._known.get(file.parent.name)
        return found is not None and not found.is_over

    def runs_of_file(self, file: Path) -> list[str]:
        """The runs that were begun of a file while it came; none for any other."""
        found = self._known.get(file.parent.name)
        return [] if found is None or found.file.name != file.name else runs_of(found.folder)

    def delete(self, upload: Upload) -> None:
        """No more of it; a clip that is whole stays. Raises RefusedError, 409, while it is sent."""
        upload.stop()
        with self._guard:
            self._known.pop(upload.record.upload_id, None)
            self._remove(upload)

    def close(self) -> None:
        self._is_closed.set()
        for upload in list(self._known.values()):
            upload.break_off("the server was stopped")
        self.threads.shutdown(wait=False, cancel_futures=True)

    # Under the guard

    def _find(self, upload_id: str) -> Upload | None:
        if upload_id in self._known:
            return self._known[upload_id]
        folder = self._folder / upload_id
        record = UploadRecord.read(folder)
        if record is None or record.upload_id != upload_id:
            return None
        found = self._made(record, folder)
        found.recover()
        if record.is_given_up:
            if all(one.record.upload_id != upload_id for one in self._given_up):
                self._given_up.append(found)
            return None
        self._known[upload_id] = found
        return found

    def _made(self, record: UploadRecord, folder: Path) -> Upload:
        self._follower = (self._follower + 1) % _FOLLOWERS
        return Upload(record, folder, self._store, self._engine, self._follower)

    def _remove(self, upload: Upload) -> None:
        """The folder of one whose clip is there goes when the clip has its runs."""
        if not upload.is_over and upload not in self._given_up:
            self._given_up.append(upload)
            if upload.record.is_whole:
                upload.record.is_given_up = True
                with suppress(OSError):
                    upload.record.write(upload.folder)
        if upload.record.is_given_up and not upload.is_over:
            return
        with suppress(OSError):
            upload.part.unlink(missing_ok=True)
            upload.file.parent.rmdir()
        shutil.rmtree(upload.folder, ignore_errors=True)

    def _check_free(self, upload_id: str, asker: Asker) -> None:
        found = self._find(upload_id)
        if found and not _may_see(asker, found):
            raise RefusedError(409, f"the id {upload_id!r} is taken; choose another one")
        if found:
            raise RefusedError(
                409,
                f"there is an upload {upload_id!r} of {found.offset} bytes; go on with it by "
                "Content-Range, delete it, or take another id",
            )
        with suppress(OSError):
            if any((self._store.uploads_folder / upload_id).iterdir()):
                raise RefusedError(
                    409, f"a clip of an upload {upload_id!r} is in the library; take another id"
                )

    def _check_unfinished(self, owner: str, asker: Asker, *, is_analysed: bool) -> None:
        theirs = [one for one in self._known.values() if one.record.owner == owner]
        most = self.limits.max_uploads_per_token * _UNFINISHED_FOR_EACH
        if sum(one.state in ("receiving", "interrupted") for one in theirs) >= most:
            raise RefusedError(
                429,
                f"{asker.name} has {most} uploads that are not complete, which is the limit; "
                "go on with them, or delete them",
                retry_after_s=60,
            )
        most = self.limits.max_jobs_per_token
        if is_analysed and sum(one.analysis.is_working for one in theirs) >= most:
            raise RefusedError(
                429,
                f"{asker.name} has {most} uploads whose analysis waits or runs, which is the "
                "limit; wait for one of them to end",
                retry_after_s=60,
            )

    # After a restart, and now and then

    def start(self) -> None:
        """Find uploads again that an earlier process received."""
        with self._guard:
            for folder in sorted(self._folder.iterdir()) if self._folder.is_dir() else []:
                self._find(folder.name)
            found = [*self._known.values(), *self._given_up]
        for upload in found:
            _quietly(upload.go_on)
        self._look_after()

    def _look_after(self) -> None:
        with self._guard:
            if self._looks_after is None:
                self._looks_after = threading.Thread(target=self._look, name="uploads", daemon=True)
                self._looks_after.start()

    def _look(self) -> None:
        while not self._is_closed.wait(_LOOK_EVERY_S):
            with self._guard:
                known, given_up = list(self._known.values()), list(self._given_up)
            for upload in known + given_up:
                _quietly(partial(upload.look, self.limits.silence_s))
            for upload in known:
                if upload.may_be_dropped:
                    _quietly(partial(self.delete, upload))
            for upload in given_up:
                if upload.is_over:
                    self._forget(upload)

    def _forget(self, upload: Upload) -> None:
        """What was deleted, now that its analysis has ended."""
        with self._guard:
            self._given_up.remove(upload)
            if upload.record.is_given_up:
                self._remove(upload)


def _may_see(asker: Asker, upload: Upload) -> bool:
    return upload.record.owner == asker.key or asker.may("admin")


def _quietly(action: Callable[[], None]) -> None:
    with suppress(LabError, OSError, JobError):
        action()


def declared_bytes(headers: Mapping[str, str], name: str) -> int | None:
    """A header that is a number of bytes; None if it is not there. Raises SettingError."""
    text = headers.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise SettingError(f"{name} must be a whole number, got {text[:40]!r}")
    return int(text)
