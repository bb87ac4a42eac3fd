"""The time that rows are stamped with."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """UTC, without a zone, as DuckDB's TIMESTAMP holds it."""
    return datetime.now(UTC).replace(tzinfo=None)
