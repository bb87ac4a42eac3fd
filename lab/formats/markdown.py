"""Texts of users in Markdown, of pages, reports and notebooks: the one place that escapes them.

Labels, notes, names, paths and errors may come from other people's files. As Markdown they could
change what a page says, or make it fetch a picture from the web. `tests/pages/test_markdown.py`
holds every page to it.
"""

from __future__ import annotations

import re

_INLINE = re.compile(r"[\\`*_\[\]<>$~:|&]")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_AT_START = re.compile(r"^(\d+)(?=[.)])|^(?=[#+=-])")


def plain(text: object) -> str:
    """Text that Markdown shows as it is, in one line."""
    escaped = _INLINE.sub(r"\\\g<0>", " ".join(str(text).split()))
    return _AT_START.sub(lambda m: m[1] + "\\" if m[1] else "\\", escaped)


def code(text: object) -> str:
    """Text as a code span."""
    return "`" + " ".join(str(text).replace("`", "'").split()) + "`"


def prose(text: str) -> str:
    """Markdown that a user wrote to be shown as such; pictures and HTML in it become text."""
    return _TAG.sub(r"\\<", text.replace("![", "!\\["))
