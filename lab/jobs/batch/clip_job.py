"""One clip of a batch, from the queue to its runs."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lab.counted import counted
from lab.errors import LabError, SettingError, SourceError, StoreBusyError, StoreError
from lab.jobs.batch.work import AppliedRule, PreparedWork
from lab.jobs.job import Job
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import QueuedJob, Stamp
from lab.registry import in_words
from lab.runs.remove import remove_clips
from lab.runs.run import Run
from lab.score_log.seal import log_state
from lab.store.store import Store
from lab.video.identity import check_identity
from lab.video.media import identify
from lab.video.registered import is_address
from lab.video.remote_store import identify_remote, is_remote

# Of a worker; the same clip may pass the next time. None: the worker died, or hung.
PASSING = (None, "StoreBusyError", "OSError", "MemoryError", "BlockingIOError")
_FULL = os.strerror(errno.ENOSPC)
_WAIT_S = 0.5  # for somebody else who has the same video


class DiskFullError(StoreError):
    """No clip can be analysed until somebody makes room. reason: what could not be written."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"the batch stopped: {reason}; make room, then give the same command again"
        )


class _PassingError(Exception):
    """The clip failed of something that may pass."""


class _InUseError(Exception):
    """Somebody else is analysing the same video."""


class StoppedError(Exception):
    """The job was cancelled while it ran, or whoever does it is ending."""


class Known(dict[str, str]):
    """The newest finished runs of a batch's protocols, by recipe_hash: read once for all clips.

    begun: hashes of those that did not end well. What others add meanwhile, the worker sees.
    since: those alone that were begun then or later, in UTC without a zone.
    """

    def __init__(
        self, store: Store, protocols: Sequence[str], since: datetime | None = None
    ) -> None:
        rows = store.runs(protocol_hash=list(protocols), order="oldest")
        rows = [row for row in rows if since is None or row["created_utc"] >= since]
        super().__init__({r["recipe_hash"]: r["run_id"] for r in rows if r["state"] == "done"})
        self.begun = {r["recipe_hash"] for r in rows if r["state"] != "done"}


@dataclass
class ClipJob:
    """A claimed job, done by `run`.

    submit: gives the worker something to do, and waits until that has ended. is_cancelled:
    whether somebody asked to cancel this job, and not to stop the whole batch.
    """

    job: QueuedJob
    queue: JobQueue
    store: Store
    work: PreparedWork
    known: Known
    submit: Callable[..., Job]
    is_cancelled: Callable[[], bool]
    was_there: bool = field(default=False, init=False)
    media_id: str | None = field(default=None, init=False)
    lacking: str | None = field(default=None, init=False)  # what of a finished clip failed
    done: Job | None = field(default=None, init=False)  # the last one that analysed something

    def run(self) -> None:
        """Analyse the clip, save sightings, and end the job in the queue, however it ends.

        Raises DiskFullError with the job put back, StoreError if the queue cannot be written.
        """
        job, queue, begun = self.job, self.queue, time.monotonic()
        before = self._stamp()
        try:
            self._check_listed(before)
            run_ids, failed = self._runs()
            self._check_unchanged(before, run_ids)
        except _InUseError:
            queue.put_back(job, after_s=_WAIT_S)
        except StoppedError:
            if self.is_cancelled():
                reason = "cancelled; what was logged is kept, and a retry goes on from there"
                queue.finish(job.job_id, "cancelled", reason=reason)
            else:
                queue.put_back(job)
        except (_PassingError, StoreBusyError) as error:
            queue.fail_for_now(job, str(error), time.monotonic() - begun, self._stamp())
        except (LabError, OSError, UnicodeError) as error:
            reason = str(error) if isinstance(error, LabError) else in_words(error)
            self._check_room(reason)
            spent_s, now = time.monotonic() - begun, self._stamp()
            if now != before:  # it was being written: it may be whole the next time
                queue.fail_for_now(job, reason, spent_s, now)
            else:
                queue.finish(job.job_id, "failed", reason=reason, seconds=spent_s, stamp=now)
        else:
            queue.finish(
                job.job_id,
                "failed" if failed else "done",
                run_ids=run_ids,
                was_there=self.was_there,
                reason=failed or self._same_as() or self.lacking,
                seconds=time.monotonic() - begun,
                stamp=before,
                total=self.done.total if self.done else None,
                rate_hz=self.done.rate_hz if self.done else None,
            )

    def _runs(self) -> tuple[list[str], str | None]:
        """The ids of its runs, in the order of the analyses, and what failed of them."""
        hashes: list[str] = []
        path = self.job.path
        if is_remote(path) or not is_address(path):
            self.media_id = identify_remote(path) if is_remote(path) else identify(path)
            if (chosen := self.job.clip_id) is not None and chosen != self.media_id:
                check_identity(self.store.media(chosen))
                raise SourceError(f"{path} is not the clip that was chosen any more")
            if not self.queue.take_media(self.job.job_id, self.media_id):
                raise _InUseError
            hashes = self.work.recipe_hashes(self.media_id)
            found = [self.known.get(one) for one in hashes]
            run_ids = [one for one in found if one is not None and self._is_whole(one)]
            if len(run_ids) == len(hashes):
                self.was_there = True
                for i, (run_id, rule) in enumerate(zip(run_ids, self.work.rules, strict=True)):
                    if rule is not None:
                        self._apply(rule, run_id, self.work.work.analyses[i])
                return run_ids, None
        has_resumed = self._go_on(hashes)
        result = self._do(
            "analyze",
            path=self.job.path,
            analyses=self.work.work.analyses,
            media_id=self.job.clip_id,
            reuse=self.work.work.since is None,
            rules=[None if rule is None else rule.to_dict() for rule in self.work.rules],
        )
        self.was_there = result["was_there"] and not has_resumed
        failed = []
        for one in result["runs"]:
            if one["state"] == "done":
                self.known[one["recipe_hash"]] = one["run_id"]
                if one["failed"] and self.lacking is None:
                    self.lacking = (
                        f"{one['failed']} of {counted(one['samples'], 'sample')} failed; they are "
                        "left out of the effort"
                    )
            else:  # beside others that did not fail
                run = Run(self.store, one["run_id"])
                failed.append(f"{run.analysis}: {run.error or run.state}")
        return [one["run_id"] for one in result["runs"]], "; ".join(failed) or None

    def _apply(self, rule: AppliedRule, run_id: str, analysis: Mapping[str, Any]) -> None:
        """Save a rule's sightings in a finished run, whose log is made again if it was removed."""
        run = Run(self.store, run_id)
        if run.log_removed_utc is not None:
            if self.store.was_applied(run_id, rule.rule.rule_hash):
                return
            self._do("resume", run_id=run_id, detector=analysis["detector"])
            run = run.refresh()
        rule.save(run)

    def _go_on(self, hashes: Sequence[str]) -> bool:
        """Continue runs of this clip that stopped in the middle; whether there were any."""
        if not hashes or (self.job.claims == 1 and not self.known.begun.intersection(hashes)):
            return False
        newest = {
            row["recipe_hash"]: row
            for row in self.store.runs(recipe_hash=list(hashes), order="oldest")
            if (since := self.work.work.since) is None or row["created_utc"] >= since
        }
        has_resumed = False
        for one, analysis in zip(hashes, self.work.work.analyses, strict=True):
            row = newest.get(one)
            if row is None or row["state"] == "done":
                continue
            if row["state"] == "running":
                raise _InUseError
            try:
                self._do("resume", run_id=row["run_id"], detector=analysis["detector"])
            except SettingError:  # it cannot be gone on with: a new one is begun
                continue
            has_resumed = True
        return has_resumed

    def _do(self, kind: str, **payload: Any) -> dict[str, Any]:
        """What the worker answers. Raises what became of the job instead."""
        done = self.submit(kind, **payload)
        if done.total:
            self.done = done
        if done.state == "cancelled":
            raise StoppedError
        if done.state == "done" and done.result is not None:
            return done.result
        reason = done.error or done.state
        self._check_room(reason)
        if done.error_type in PASSING:
            raise _PassingError(reason)
        if done.error_type in ("SettingError", "NotFoundError"):
            raise SettingError(reason)
        raise LabError(reason)

    def _check_room(self, reason: str) -> None:
        """A full disk is no fault of the clip, and the next ones would fail as well."""
        if _FULL in reason:
            self.queue.put_back(self.job)
            raise DiskFullError(reason)

    def _stamp(self) -> Stamp:
        try:
            return Stamp.of(self.job.path)
        except (OSError, ValueError):  # an address, or gone: opening it says so
            return Stamp()

    def _check_listed(self, now: Stamp) -> None:
        """A file that is another than when it was listed is perhaps being copied."""
        listed = self.job.stamp
        if listed.size_bytes is not None and now.size_bytes is not None and now != listed:
            raise _PassingError(_still_written(self.job.path, listed, now))

    def _check_unchanged(self, before: Stamp, run_ids: Sequence[str]) -> None:
        """What was found in a part of a clip is not kept as if it were a clip."""
        now = self._stamp()
        if now == before:
            return
        if self.media_id is not None and not self.was_there and self.job.clip_id is None:
            others = {r["run_id"] for r in self.store.runs(media_id=self.media_id)} - set(run_ids)
            if not others and not self.store.annotations(self.media_id):
                remove_clips(self.store, [self.media_id])
        raise _PassingError(_still_written(self.job.path, before, now))

    def _is_whole(self, run_id: str) -> bool:
        return not log_state(self.store.log_folder(run_id), run_id).damaged

    def _same_as(self) -> str | None:
        """Which other clip of the batch is the same video."""
        if not self.was_there or self.media_id is None:
            return None
        path = self.queue.same_media(self.job.job_id, self.media_id)
        return None if path is None else f"the same video as {path}; analysed once"


class ResumeJob(ClipJob):
    """The clip of a run that stopped, or has lost something, which is gone on with."""

    run_id: str

    def _runs(self) -> tuple[list[str], str | None]:
        self.media_id = self.job.clip_id
        if self.media_id and not self.queue.take_media(self.job.job_id, self.media_id):
            raise _InUseError
        self._do("resume", run_id=self.run_id)
        return [self.run_id], None


def _still_written(path: str, before: Stamp, now: Stamp) -> str:
    return (
        f"{path} is still being written: it had {before.size_bytes} bytes and has "
        f"{now.size_bytes}; give the same command again when it is whole"
    )
