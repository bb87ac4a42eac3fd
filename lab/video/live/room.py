"""Room for what is mapped into memory, taken before it is written.

A file that was only made longer has no memory yet. Where the file system is full, as /dev/shm of a
container soon is, writing into its map would end the process with SIGBUS.
"""

from __future__ import annotations

import errno
import os

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


def has_room(descriptor: int, start: int, size_bytes: int) -> bool:
    """Whether that part of an open file is there to be written, now or from before.

    True as well where the system cannot tell.
    """
    if not hasattr(os, "posix_fallocate"):  # macOS
        return True
    try:
        os.posix_fallocate(descriptor, start, size_bytes)
    except OSError as error:
        return error.errno not in _NO_ROOM
    return True
