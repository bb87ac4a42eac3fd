"""How many files this process may have open: each feed needs some."""

from __future__ import annotations

import sys

_OF_A_FEED = 12  # pipes of its reader, log and lock, and what is open for a moment
_OF_ALL = 200

if sys.platform != "win32":
    import resource


def allow_open_files(feeds: int) -> str | None:
    """Raise this process's own limit to what so many feeds need, as far as the system lets it.

    Returns what is wrong where that is too low, None where it is not.
    """
    if sys.platform == "win32":  # which has no such limit
        return None
    needed = _OF_ALL + _OF_A_FEED * feeds
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if now == resource.RLIM_INFINITY or now >= needed:
        return None
    allowed = needed if most == resource.RLIM_INFINITY else min(needed, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(now, allowed), most))
    if allowed >= needed:
        return None
    return (
        f"{feeds} feeds may need {needed} open files, and this process may have {allowed}; raise "
        "the limit (ulimit -Hn, or LimitNOFILE of the service), or watch fewer feeds"
    )
