"""The end of a process in which threads still wait for something."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress


def end_at_once_with_threads(command: Callable[[], int]) -> int:
    """Run the last thing that a process does; its exit code.

    Where daemon threads are left then, the process ends without tearing the interpreter down around
    them: what they hold would be reported as leaked, by DuckDB's binding in dozens of lines. What
    other modules have to do at the end is done before.
    """
    code = 1

    def end() -> None:
        if not any(one.daemon and one.is_alive() for one in threading.enumerate()):
            return
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # closed, or nobody reads it any more
                stream.flush()
        os._exit(code)

    atexit.register(end)  # the first one, so that it is called last
    try:
        code = command()
    except SystemExit as asked:
        code = asked.code if isinstance(asked.code, int) else int(asked.code is not None)
        raise
    return code
