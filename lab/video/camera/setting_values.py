"""The values of settings, each checked with the place that it came from."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from lab.errors import SettingError, printable
from lab.video.camera.settings import CameraSettings

_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[^\s/?#@:\[\]A-Z]+)(:[0-9]{1,5})?")
_MAX_FPS = 240


class Values:
    """The values at blocks and keys, and where each came from.

    Texts are taken as what they say, since variables hold nothing else.
    """

    def __init__(self, document: Mapping[str, Any], file: Path | None) -> None:
        self.document, self._file = document, file
        self._over: dict[tuple[str, str], tuple[Any, str]] = {}

    def put(self, block: str, key: str, value: Any, origin: str) -> None:
        self._over[block, key] = value, origin

    def get(self, block: str, key: str) -> Any:
        if (block, key) in self._over:
            return self._over[block, key][0]
        return (self.document.get(block) or {}).get(key)

    def where(self, *place: str) -> str:
        over = self._over.get((place[0], place[1])) if len(place) == 2 else None
        if over is not None:
            return over[1]
        return f"{'config' if self._file is None else printable(self._file)}: {'.'.join(place)}"

    def text(self, block: str, key: str, default: str) -> str:
        return _text(self.get(block, key), self.where(block, key), default)

    def texts(self, block: str, key: str) -> tuple[str, ...]:
        value = self.get(block, key)
        value = [] if value is None else value
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise SettingError(
                f"{self.where(block, key)} must be a list of texts, got {value!r:.80}"
            )
        return tuple(value)

    def origins(self) -> tuple[str, ...]:
        """As browsers send them: scheme and host, and the port if it is not the scheme's own."""
        found = self.texts("server", "origins")
        for one in found:
            if one != "null" and not _ORIGIN.fullmatch(one):
                raise SettingError(
                    f"{self.where('server', 'origins')} must be a scheme and a host, like "
                    f"https://wall.example, without a path and in small letters, got {one!r:.80}"
                )
        return found

    def whole(self, block: str, key: str, default: int, low: int, high: int) -> int:
        return _whole(self.get(block, key), self.where(block, key), default, low, high)

    def seconds(self, block: str, key: str, default: float) -> float:
        value, where = self.get(block, key), self.where(block, key)
        if value is None:
            return default
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not (math.isfinite(value) and value > 0)
        ):
            raise SettingError(f"{where} must be seconds above 0, got {value!r:.80}")
        return float(value)

    def level(self) -> str:
        value = self.text("logging", "level", "INFO").upper()
        if value not in _LEVELS:
            raise SettingError(
                f"{self.where('logging', 'level')} must be one of {', '.join(_LEVELS)}, "
                f"got {value!r:.80}"
            )
        return value

    def log_format(self) -> str:
        value = self.text("logging", "format", "%(asctime)s %(levelname)s %(message)s")
        try:
            logging.Formatter(value).format(logging.makeLogRecord({}))
        except (ValueError, KeyError, TypeError) as error:
            raise SettingError(
                f"{self.where('logging', 'format')} must be a format of Python's logging, such as "
                f"'%(levelname)s %(message)s', got {value!r:.80}: {error}"
            ) from None
        return value

    def camera(self, name: str, block: Mapping[str, Any], where: str) -> CameraSettings:
        """A camera of its own block; what that leaves out is in `video` and `stream`.

        What was given as an argument is for all.
        """

        def value(key: str, outer: str, inner: str) -> tuple[Any, str]:
            if block.get(key) is not None and not self.where(outer, inner).startswith("--"):
                return block[key], f"{where}: {key}"
            return self.get(outer, inner), self.where(outer, inner)

        video, place = (block["path"], where) if "path" in block else value("path", "video", "path")
        path = _text(video, place, "")
        if "://" not in path and not place.startswith(("--", "DRISHTI")) and self._file is not None:
            path = str(self._file.parent / Path(path).expanduser())
        return CameraSettings(
            name=name,
            video=path,
            fps=_fps(*value("fps", "video", "fps")),
            loop=_flag(*value("loop", "video", "loop"), True),
            jpeg_quality=_whole(*value("jpeg_quality", "video", "jpeg_quality"), 80, 1, 100),
            source=_text(*value("source", "stream", "name"), "DrishtiStream"),
            version=_text(*value("version", "stream", "version"), "v1.0"),
        )


def _text(value: Any, where: str, default: str) -> str:
    if value is None:
        return default
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value or not value.isprintable():
        raise SettingError(f"{where} must be a text, got {value!r:.80}")
    return value


def _whole(value: Any, where: str, default: int, low: int, high: int) -> int:
    if value is None:
        return default
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SettingError(
            f"{where} must be a whole number from {low} to {high}, got {value!r:.80}"
        )
    return value


def _flag(value: Any, where: str, default: bool) -> bool:
    if value is None:
        return default
    word = value.strip().lower() if isinstance(value, str) else value
    if isinstance(word, bool):
        return word
    if word not in (*_TRUE, *_FALSE):
        raise SettingError(f"{where} must be true or false, got {value!r:.80}")
    return word in _TRUE


def _fps(value: Any, where: str) -> Fraction | None:
    """A number, or a fraction such as 30000/1001."""
    if value is None:
        return None
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        fps = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        fps = Fraction(0)
    if not 0 < fps <= _MAX_FPS:
        raise SettingError(
            f"{where} must be frames a second above 0, at most {_MAX_FPS}, such as 10 or "
            f"30000/1001; got {value!r:.80}"
        )
    return fps
