"""A time in a clip as people read it; code and exports have seconds or microseconds."""

from __future__ import annotations


def media_time(pts_us: int) -> str:
    """Media time with hundredths of a second, such as 0:12.30, 13:40.60 or 1:02:03.00."""
    hundredths = (abs(int(pts_us)) + 5_000) // 10_000
    minutes, rest = divmod(hundredths, 6_000)
    hours, minutes = divmod(minutes, 60)
    sign = "-" if pts_us < 0 and hundredths else ""
    clock = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{sign}{clock}:{rest // 100:02d}.{rest % 100:02d}"
