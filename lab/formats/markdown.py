"""Texts of users in Markdown, of pages, reports and notebooks: the one place that escapes them.

Labels, notes, names, paths and errors may come from other people's files. As Markdown they could
change what a page says, or make it fetch a picture from the web. `tests/pages/test_markdown.py`
holds every page to it.
"""

from __future__ import annotations

import re

_INLINE = re.compile(r"[\\`*_\[\]<>$~:|&]")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
# Embeddings, overrides and isolates, which turn the direction of what follows.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
# Hebrew, Arabic and other scripts from right to left.
_FROM_RIGHT = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
_AT_START = re.compile(r"^(\d+)(?=[.)])|^(?=[#+=-])")


def plain(text: object) -> str:
    """Text that Markdown shows as it is, in one line; see `isolated` for its direction."""
    escaped = _INLINE.sub(r"\\\g<0>", visible(" ".join(str(text).split())))
    return _framed(_AT_START.sub(lambda m: m[1] + "\\" if m[1] else "\\", escaped))


def isolated(text: str) -> str:
    """Text that leaves the order of its neighbours alone where it is written from right to left,
    and whose marks that would turn the direction can be seen: for what is no Markdown.
    """
    return _framed(visible(text))


def visible(text: str) -> str:
    """Text in which the marks that turn the direction of what follows can be seen."""
    return _TURNING.sub(lambda m: f"\\u{ord(m[0]):04x}", text)


def _framed(text: str) -> str:
    return f"\u2068{text}\u2069" if _FROM_RIGHT.search(text) else text


def code(text: object) -> str:
    """Text as a code span."""
    return "`" + " ".join(str(text).replace("`", "'").split()) + "`"


def prose(text: str) -> str:
    """Markdown that a user wrote to be shown as such; pictures and HTML in it become text."""
    return _TAG.sub(r"\\<", text.replace("![", "!\\["))
