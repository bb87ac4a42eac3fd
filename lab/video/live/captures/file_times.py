"""When a file was recorded: by its name, its EXIF data, or its own time."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from lab.errors import SettingError, SourceError
from lab.extras import need

_DIRECTIVES = {
    "Y": r"\d{4}", "y": r"\d{2}", "m": r"\d{2}", "d": r"\d{2}", "H": r"\d{2}", "I": r"\d{2}",
    "M": r"\d{2}", "S": r"\d{2}", "j": r"\d{3}", "f": r"\d{1,6}", "p": r"[AaPp][Mm]",
    "b": r"[A-Za-z]{3}", "z": r"Z|[+-]\d{2}:?\d{2}", "s": r"\d{9,11}",
}  # fmt: skip
_OFFSET = re.compile(r"([+-])(\d{2}):?(\d{2})")
_EXIF_IFD = 0x8769
_TIME, _FRACTION, _OFFSETS = 0x9003, 0x9291, (0x9011, 0x9010)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def zone_of(name: str | None) -> tzinfo | None:
    """A zone by name or offset; None, this computer's, for None. Raises SettingError."""
    if name is None:
        return None
    if offset := _offset(str(name)):
        return offset
    try:
        return UTC if name in ("UTC", "Z") else ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError):
        raise SettingError(
            f"timezone must be a name such as Europe/Berlin, or an offset such as +01:00, "
            f"got {name!r:.60}"
        ) from None


def unix_us(time: datetime, zone: tzinfo | None) -> int:
    """Microseconds since 1970; a time without an offset is one of the zone."""
    if time.tzinfo is None:
        time = time.astimezone() if zone is None else time.replace(tzinfo=zone)
    return (time - _EPOCH) // timedelta(microseconds=1)


class NamePattern:
    """Reads the time from a name, as `cam1-%Y%m%d-%H%M%S` says it; `*` stands for anything.

    The suffix of the name may be left out. Raises SettingError for a pattern that gives no time.
    """

    def __init__(self, pattern: str, zone: tzinfo | None) -> None:
        self._zone, self._pattern = zone, pattern
        self._directives: list[str] = []
        if not isinstance(pattern, str):
            raise SettingError(f"time_pattern must be a text, got {pattern!r:.60}")
        try:
            text = re.sub(r"%(.?)|\*|[^%*]+", self._part, pattern)
        except KeyError as error:
            raise SettingError(
                f"time_pattern {pattern!r:.80} holds %{error.args[0]}; "
                f"known: {' '.join('%' + name for name in _DIRECTIVES)}"
            ) from None
        if not {"s", "d", "j"} & set(self._directives):
            raise SettingError(
                "time_pattern must give a day and a time, such as %Y%m%d-%H%M%S, "
                f"got {pattern!r:.80}"
            )
        self._regex = re.compile(text + r"(\.[^.]*)?")

    def time_us(self, name: str) -> int | None:
        """None for a name that is another one, or no time."""
        found = self._regex.fullmatch(name)
        if found is None:
            return None
        values = found.groups()[: len(self._directives)]
        if "s" in self._directives:
            return int(values[self._directives.index("s")]) * 1_000_000
        form = "|".join(f"%{one}" for one in self._directives)
        try:
            return unix_us(datetime.strptime("|".join(values), form), self._zone)
        except (ValueError, OverflowError):
            return None

    def _part(self, found: re.Match[str]) -> str:
        text = found[0]
        if text == "*":
            return ".*?"
        if text == "%%":
            return "%"
        if not text.startswith("%"):
            return re.escape(text)
        self._directives.append(found[1])
        return f"({_DIRECTIVES[found[1]]})"


def exif_time_us(data: bytes, zone: tzinfo | None) -> int | None:
    """DateTimeOriginal with its fraction and offset; None where there is none."""
    need("the time in a picture's EXIF data", "live", "PIL", error=SourceError)
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            kept: Mapping[int, object] = image.getexif().get_ifd(_EXIF_IFD)
        time = datetime.strptime(_text(kept.get(_TIME)), "%Y:%m:%d %H:%M:%S")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    fraction = _text(kept.get(_FRACTION))
    if fraction.isdecimal():
        time += timedelta(microseconds=int(fraction[:6].ljust(6, "0")))
    offsets = (_offset(_text(kept.get(one))) for one in _OFFSETS)
    return unix_us(time, next((one for one in offsets if one is not None), zone))


def _text(value: object) -> str:
    return str(value or "").strip("\0 ")


def _offset(text: str) -> timezone | None:
    found = _OFFSET.fullmatch(text)
    if found is None:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
    try:
        return timezone(-offset if found[1] == "-" else offset)
    except ValueError:
        return None
