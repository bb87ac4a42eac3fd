"""How a run ended, in its log's folder: there before the catalog knows it, and when it is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.annotation import utc_now
from lab.atomic_file import write_atomically
from lab.score_log.writer import is_locked

if TYPE_CHECKING:
    import duckdb

_NAME = "outcome.json"
_KEYS = ("state", "error", "effort", "elapsed_s", "finished_utc")


def write_outcome(
    log_folder: Path,
    state: str,
    *,
    error: str | None,
    effort: Mapping[str, Any],
    elapsed_s: float,
    is_durable: bool = True,
) -> None:
    """Keep how a run ended; as `Store.finish_run`. Raises OSError.

    is_durable: return only once it would survive a loss of power.
    """
    outcome = {
        "state": state,
        "error": error,
        "effort": dict(effort),
        "elapsed_s": elapsed_s,
        "finished_utc": utc_now().isoformat(),
    }
    write_atomically(log_folder / _NAME, json.dumps(outcome, indent=1), is_durable=is_durable)


def read_outcome(log_folder: Path) -> dict[str, Any] | None:
    """What was kept, with `finished_utc` as a datetime; None if nothing was, or it is damaged."""
    try:
        outcome = json.loads((log_folder / _NAME).read_text(encoding="utf-8"))
        found = {key: outcome[key] for key in _KEYS}
        found["finished_utc"] = datetime.fromisoformat(found["finished_utc"])
        found["elapsed_s"] = float(found["elapsed_s"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found


def remove_outcome(log_folder: Path) -> None:
    """The run goes on. Raises OSError."""
    (log_folder / _NAME).unlink(missing_ok=True)


def write_in(db: duckdb.DuckDBPyConnection, logs: Path) -> None:
    """Write in what the catalog missed: runs that ended while it could not be written."""
    running = db.execute("SELECT run_id FROM runs WHERE state = 'running'").fetchall()
    for (run_id,) in running:
        folder = logs / run_id
        outcome = read_outcome(folder)
        if outcome is not None and not is_locked(folder):
            put_outcome(db, run_id, outcome)


def put_outcome(db: duckdb.DuckDBPyConnection, run_id: str, outcome: Mapping[str, Any]) -> None:
    """Write an outcome, as `read_outcome` gives it, into the row of a run that is `running`."""
    db.execute(
        """UPDATE runs SET state = ?, error = ?, effort = ?, finished_utc = ?,
        elapsed_s = elapsed_s + ? WHERE run_id = ? AND state = 'running'""",
        [
            outcome["state"],
            outcome["error"],
            json.dumps(outcome["effort"]),
            outcome["finished_utc"],
            outcome["elapsed_s"],
            run_id,
        ],
    )
