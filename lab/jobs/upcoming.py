"""The clip that a worker is told to expect: opened and decoded ahead while it does another job."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lab.video.registered import is_address
from lab.video.sampling import Sampling

if TYPE_CHECKING:
    from lab.runs.begun import BegunClip


class Upcoming:
    """At most one clip. What goes wrong with it here is not told: its own job meets it again.

    No method but `take` waits for a file. All may be called from any thread.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._opening: _Opening | None = None

    def expect(self, job: Mapping[str, Any]) -> None:
        """Begin with the clip of a job `analyze`, in the place of any other."""
        is_file = job.get("kind") == "analyze" and not is_address(job.get("path", ""))
        self._put(_Opening(job) if is_file else None)

    def take(self, job: Mapping[str, Any]) -> BegunClip | None:
        """The clip of a job, once it is opened; None if it is not expected, or another file now.

        The caller closes it.
        """
        with self._guard:
            opening = self._opening
            if opening is None or opening.job_id != job["job_id"]:
                return None
            self._opening = None
        return opening.result()

    def forget(self, job_id: str) -> None:
        """Drop the clip of a job that will not come."""
        with self._guard:
            if self._opening is None or self._opening.job_id != job_id:
                return
        self._put(None)

    def _put(self, opening: _Opening | None) -> None:
        with self._guard:
            before, self._opening = self._opening, opening
        if before is not None:
            before.drop()
        if opening is not None:
            opening.start()


class _Opening(threading.Thread):
    """Opens a clip, and keeps it until it is asked for."""

    def __init__(self, job: Mapping[str, Any]) -> None:
        super().__init__(daemon=True, name="upcoming clip")
        self.job_id = job["job_id"]
        self._job = job
        self._clip: BegunClip | None = None

    def run(self) -> None:
        from lab.runs.begun import BegunClip  # heavy, and of no use to most workers

        try:
            samplings = [_sampling_of(one) for one in self._job["analyses"]]
            self._clip = BegunClip(self._job["path"], samplings)
        except Exception:
            return

    def result(self) -> BegunClip | None:
        self.join()
        if self._clip is None or self._clip.is_current:
            return self._clip
        self._clip.close()
        return None

    def drop(self) -> None:
        """Close the clip once it is open, however long that takes."""

        def close() -> None:
            self.join()
            if self._clip is not None:
                self._clip.close()

        threading.Thread(target=close, daemon=True, name="dropped clip").start()


def _sampling_of(analysis: Mapping[str, Any]) -> Sampling:
    return Sampling(
        every_s=analysis["interval_s"],
        frame_count=analysis.get("frame_count", 1),
        frame_step=analysis.get("frame_step", 1),
    )
