"""How each clip of a batch ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.errors import printable
from lab.jobs.queue.queued_job import QueuedJob

if TYPE_CHECKING:
    import pandas as pd

THERE = "already there"
COLUMNS = ["path", "state", "run_id", "reason", "seconds", "was_there", "job_id"]


@dataclass
class BatchResult:
    """jobs: one for each clip, in the order of the queue. seconds: what the batch took.

    stopped: why it ended before all clips had, None if it did not. written: files of sinks.
    failures: what went wrong besides clips. notes: what is worth knowing, a line each.
    """

    jobs: Sequence[QueuedJob] = ()
    seconds: float = 0.0
    stopped: str | None = None
    is_interrupted: bool = False
    written: list[Path] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def counts(self) -> dict[str, int]:
        """Clips by state, in words; those without a clip are left out."""
        found = Counter(_state(job) for job in self.jobs)
        order = ("done", THERE, "failed", "cancelled", "running", "waiting")
        return {state: found[state] for state in order if found[state]}

    @property
    def exit_code(self) -> int:
        """0 if all is done, 1 if something is not, 130 after Ctrl+C."""
        if self.is_interrupted:
            return 130
        is_whole = all(job.state == "done" for job in self.jobs)
        return 0 if is_whole and not self.failures and self.stopped is None else 1

    def rows(self) -> list[dict[str, Any]]:
        """One for each clip, with `COLUMNS`, and `run_ids` where a clip has several."""
        return [
            {
                "path": printable(job.path),
                "state": job.state,
                "run_id": job.run_ids[0] if job.run_ids else None,
                "run_ids": list(job.run_ids),
                "reason": job.reason,
                "seconds": job.seconds,
                "was_there": job.was_there,
                "job_id": job.job_id,
            }
            for job in self.jobs
        ]

    def to_frame(self) -> pd.DataFrame:
        """One row a clip, with `COLUMNS`."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=COLUMNS)

    def to_dict(self) -> dict[str, Any]:
        """What `lab batch --json` prints."""
        return {
            "counts": self.counts,
            "clips": self.rows(),
            "seconds": round(self.seconds, 3),
            "stopped": self.stopped,
            "written": [str(path) for path in self.written],
            "failures": self.failures,
            "notes": self.notes,
        }


def _state(job: QueuedJob) -> str:
    return THERE if job.state == "done" and job.was_there else job.state
