"""Which rules were applied to a run: also one that found nothing has said something of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.annotation import utc_now

if TYPE_CHECKING:
    import duckdb


def put_applied(db: duckdb.DuckDBPyConnection, run_ids: Sequence[str], rule_hash: str) -> None:
    """Note, inside a transaction, that a rule was applied to these runs."""
    given = [list(run_ids), rule_hash]
    db.execute(
        "DELETE FROM applied_rules WHERE run_id IN (SELECT unnest(?::VARCHAR[])) AND rule_hash = ?",
        given,
    )
    db.execute("INSERT INTO applied_rules SELECT unnest(?::VARCHAR[]), ?, ?", [*given, utc_now()])
