"""One line of the errors of other libraries, for messages."""

from __future__ import annotations

_MAX_CHARACTERS = 160


def first_line(error: BaseException) -> str:
    """The first line of its message, or its type where it has none."""
    lines = str(error).strip().splitlines()
    return lines[0][:_MAX_CHARACTERS] if lines else type(error).__name__


def last_line(error: BaseException) -> str:
    """The last line of its message: the error itself where it holds a whole traceback."""
    lines = str(error).strip().splitlines()
    return lines[-1][:_MAX_CHARACTERS] if lines else type(error).__name__
