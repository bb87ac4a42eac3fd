"""Times by the clock of a clip's site, as SQL."""

from __future__ import annotations

_HOURS = r"regexp_extract(zone, '([+-]\d{1,2})', 1)::INTEGER"
_MINUTES = r"coalesce(try_cast(regexp_extract(zone, '\d{1,2}:?(\d{2})$', 1) AS INTEGER), 0)"
_BEGIN_UTC = "start_utc + to_microseconds(round(1e6 * coalesce(clock_correction_s, 0))::BIGINT)"
# Of a zone that is a name, or the minutes that another one is ahead, as `lab.clock.zone_named`
# reads it.
_PLACES = rf"""SELECT deployment_id,
    CASE WHEN zone IN (SELECT name FROM pg_timezone_names()) THEN zone END AS zone,
    CASE WHEN regexp_matches(zone, '[+-]\d')
        THEN 60 * {_HOURS} + (CASE WHEN contains(zone, '-') THEN -1 ELSE 1 END) * {_MINUTES}
        ELSE 0 END AS minutes FROM deployments"""


def _in_zone(utc: str) -> str:
    return f"timezone(zone, timezone('UTC', {utc}))"


def _ahead_us(utc: str) -> str:
    local = f"CASE WHEN zone IS NULL THEN {utc} + to_minutes(minutes) ELSE {_in_zone(utc)} END"
    return f"epoch_us({local}) - epoch_us({utc})"


# Of each clip: media_id, begin_utc (of its time 0, corrected), zone, and how far its clock is ahead
# of UTC at its begin and end, in µs. A clip in no deployment has its offset from UTC, else UTC.
CLOCKS = f"""(SELECT media_id, zone, begin_utc, {_ahead_us("begin_utc")} AS ahead_us,
    {_ahead_us("end_utc")} AS ahead_at_end_us FROM (
        SELECT media_id, p.zone, coalesce(p.minutes, m.utc_offset_s // 60, 0) AS minutes,
            {_BEGIN_UTC} AS begin_utc,
            {_BEGIN_UTC} + to_microseconds(coalesce(m.end_us, 0)) AS end_utc
        FROM media m LEFT JOIN ({_PLACES}) p USING (deployment_id)))"""


def by_clock(begin_utc: str, media_us: str, clock: str) -> str:
    """A media time by the clock of the site. clock: the name of `CLOCKS` in the query.

    The zone is looked up for each row, which takes long, only in clips in which it changes.
    """
    utc = f"{begin_utc} + to_microseconds({media_us})"
    zoned = f"timezone({clock}.zone, timezone('UTC', {utc}))"
    return f"""(CASE WHEN {clock}.ahead_us = {clock}.ahead_at_end_us
        THEN {utc} + to_microseconds({clock}.ahead_us) ELSE {zoned} END)"""
