"""Patterns of paths with named parts, such as `{site}/{camera}_*`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

from lab.errors import SettingError, closest

PARTS = ("deployment", "site", "camera", "time")
_PIECE = re.compile(r"\{(\w+)(?::([^{}]*))?\}|(\*\*/)|(\*)|(\?)|([^{}*?]+)|(.)")
# What strptime reads, as it stands in a name.
_TIMES = {
    "Y": r"\d{4}", "m": r"\d{2}", "d": r"\d{2}", "H": r"\d{2}", "M": r"\d{2}", "S": r"\d{2}",
    "y": r"\d{2}", "j": r"\d{3}", "f": r"\d{1,6}", "I": r"\d{2}", "p": r"[AaPp][Mm]",
    "z": r"(?:Z|[+-]\d{2}:?\d{2})", "b": r"[A-Za-z]{3}", "%": "%",
}  # fmt: skip
_TIME_EXAMPLE = "{time:%Y%m%d_%H%M%S}"


@dataclass(frozen=True)
class Pattern:
    """A pattern that the end of a path must match, folders included.

    `{deployment}`, `{site}`, `{camera}` stand for one name, or a part of one; `{time:%Y%m%d}` for a
    time; `*` for anything within a name, `?` for one character, `**/` for any folders. The suffix
    of the file may be left out.
    """

    text: str
    regex: re.Pattern[str]
    time_format: str | None

    def matches(self, path: str) -> list[dict[str, str]]:
        """The named parts, once for each way in which an end of the path matches."""
        parts = PurePath(path.replace("\\", "/")).parts
        found: list[dict[str, str]] = []
        for begin in range(len(parts)):
            end = "/".join(parts[begin:])
            for name in (end, end[: len(end) - len(PurePath(end).suffix)]):
                match = self.regex.fullmatch(name)
                if match and match.groupdict() not in found:
                    found.append(match.groupdict())
                if match:
                    break
        return found

    def time(self, named: dict[str, str]) -> datetime:
        """The time that was matched, with tzinfo if the pattern has %z. Raises ValueError."""
        assert self.time_format is not None
        return datetime.strptime(named["time"], self.time_format)


def pattern_of(text: str, *, needs: tuple[str, ...]) -> Pattern:
    """A pattern, checked. needs: at least one of these parts. Raises SettingError."""
    out, named, time_format = [], [], None
    for piece in _PIECE.finditer(text.strip().removeprefix("./")):
        name, details, folders, many, one, plain, other = piece.groups()
        if other is not None:
            raise SettingError(
                f"pattern {text!r} has a single {other!r}; write {{site}}, {{time:…}}"
            )
        if name is not None:
            if name not in PARTS:
                raise SettingError(
                    f"pattern {text!r} has an unknown part {name!r}; {closest(name, list(PARTS))}"
                )
            named.append(name)
            if name == "time":
                time_format = details or ""
                out.append(f"(?P<time>{_time_regex(text, time_format)})")
            elif named.count(name) > 1:
                out.append(f"(?P={name})")
            else:
                out.append(f"(?P<{name}>[^/]+?)")
        elif folders:
            out.append("(?:[^/]+/)*")
        else:
            out.append("[^/]*" if many else "[^/]" if one else re.escape(plain))
    if named.count("time") > 1:
        raise SettingError(f"pattern {text!r} has two times; put all of it in one {_TIME_EXAMPLE}")
    if not set(named) & set(needs):
        wanted = " or ".join(_TIME_EXAMPLE if n == "time" else f"{{{n}}}" for n in needs)
        raise SettingError(f"pattern {text!r} names nothing; it needs {wanted}")
    return Pattern(text, re.compile("".join(out)), time_format)


def _time_regex(text: str, wanted: str) -> str:
    if not {"%H", "%I"} & set(re.findall("%.", wanted)) or "%" not in wanted:
        raise SettingError(
            f"pattern {text!r}: {{time}} needs its form with at least day and hour, such as "
            f"{_TIME_EXAMPLE}"
        )
    out = []
    for code, plain in re.findall(r"%(.)|([^%]+|%$)", wanted):
        if code and code not in _TIMES:
            raise SettingError(
                f"pattern {text!r}: %{code} is not known in a time; "
                f"{closest(code, ['%' + c for c in _TIMES])}"
            )
        out.append(_TIMES[code] if code else re.escape(plain))
    return "".join(out)
