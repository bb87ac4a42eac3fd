"""The errors that a user can act on.

Each message says what was expected, what was found instead, and the way out. Programs catch
`LabError`; the command line prints its text in one line and exits with code 1 (2 for
`SettingError`, which is wrong usage).
"""

from __future__ import annotations

import os
import unicodedata


class LabError(Exception):
    """Something that the user can understand and fix."""


class SettingError(LabError, ValueError):
    """A setting is unknown, out of range, or contradicts another."""


class SourceError(LabError):
    """A source cannot be opened, is refused, or holds no video."""


class ForbiddenError(SourceError):
    """A file lies outside the folders that the app may open."""


class StreamError(SourceError):
    """A file that is read while it arrives did not come to its end."""


class NotFoundError(SettingError):
    """The store has nothing of this id."""


class ConflictError(LabError):
    """What is asked for does not go with how things are now."""


class DetectorError(LabError):
    """A detector or its weights cannot be used."""


class StoreError(LabError):
    """The store cannot be read or written."""


class LogWriteError(StoreError):
    """A score log cannot be written, as on a full disk; what was written before stays."""


class StoreBusyError(StoreError):
    """Another program, or another thread, has the catalog for too long."""


class StoreDamagedError(StoreError):
    """The catalog is damaged."""


class StoreReadOnlyError(StoreError):
    """The store can be read, but not written."""


class LogRemovedError(StoreError):
    """A run's score log was removed to make room; what was found by it stays."""


class DamagedLogWarning(UserWarning):
    """A run was read whose score log is not what was written: parts of it are left out."""


class JobError(LabError):
    """A worker failed, died, or was given a job that it does not know."""


def printable(path: str | os.PathLike[str]) -> str:
    """A path in one line of valid UTF-8: other bytes and control characters are escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def check_line(name: str, value: object) -> None:
    """Raises SettingError for a text with a control character, or one that no UTF-8 can hold."""
    if not isinstance(value, str):
        return
    for at, one in enumerate(value):
        if unicodedata.category(one) in ("Cc", "Cs"):
            raise SettingError(
                f"{name} must be a text in one line, without control characters, got {one!r} "
                f"at position {at + 1}; take it out"
            )


def closest(name: str, known: list[str], max_names: int = 3) -> str:
    """The hint of an error message: the known names nearest to `name`, or all of a short list."""
    import difflib

    if not known:
        return "none are known"
    if len(known) <= 12:
        return "known: " + ", ".join(sorted(known))
    near = difflib.get_close_matches(name, known, n=max_names, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(repr(n) for n in near) + "?"
    return f"{len(known)} are known, among them " + ", ".join(sorted(known)[:8])
