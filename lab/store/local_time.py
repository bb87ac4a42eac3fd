"""A time in UTC by the clock of a clip's site, as SQL over `media m`."""

from __future__ import annotations

_ZONE = "(SELECT d.zone FROM deployments d WHERE d.deployment_id = m.deployment_id)"
_HOURS = f"regexp_extract({_ZONE}, '([+-]\\d{{1,2}})', 1)::INTEGER"
_MINUTES = (
    f"coalesce(try_cast(regexp_extract({_ZONE}, '\\d{{1,2}}:?(\\d{{2}})$', 1) AS INTEGER), 0)"
)
_OFFSET = f"""CASE WHEN regexp_matches({_ZONE}, '[+-]\\d')
    THEN 60 * {_HOURS} + (CASE WHEN contains({_ZONE}, '-') THEN -1 ELSE 1 END) * {_MINUTES}
    WHEN {_ZONE} IS NOT NULL THEN 0 ELSE coalesce(m.utc_offset_s // 60, 0) END"""


def by_local_clock(utc: str) -> str:
    """In the zone of the clip's deployment, as `lab.clock.zone_named` reads it; of a clip in no
    deployment by the offset from UTC at its start, and by UTC where that is not known.

    utc: an expression that gives a TIMESTAMP.
    """
    return f"""(CASE WHEN {_ZONE} IN (SELECT name FROM pg_timezone_names())
        THEN timezone({_ZONE}, timezone('UTC', {utc}))
        ELSE {utc} + to_minutes({_OFFSET}) END)"""
