"""The settings of virtual cameras: a file, `DRISHTI_*` variables over it, arguments over both.

stream: {name: DrishtiStream, version: v1.0}
video: {path: clip.mp4, fps: 10, loop: true, jpeg_quality: 80}
cameras: {yard: {path: yard.mp4}}      # more of them; `video` says what they do not
server: {host: 127.0.0.1, port: 8000, origins: [], hosts: []}
limits: {clients: 100, send_s: 10, silence_s: 60, message_bytes: 65536}
logging: {level: INFO, format: "%(message)s"}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.errors import SettingError, closest, printable
from lab.video.camera.setting_values import Values
from lab.video.camera.settings import CameraSettings, Limits, ServiceSettings

FIRST = "camera"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
# The last one wins.
_VARIABLES = {
    "DRISHTI_VIDEO_PATH": ("video", "path"),
    "DRISHTI_FPS": ("video", "fps"),
    "DRISHTI_LOOP": ("video", "loop"),
    "DRISHTI_JPEG_QUALITY": ("video", "jpeg_quality"),
    "PORT": ("server", "port"),
    "DRISHTI_PORT": ("server", "port"),
    "DRISHTI_LOG_LEVEL": ("logging", "level"),
}
_KEYS = {
    "stream": ("name", "version"),
    "video": ("path", "fps", "loop", "jpeg_quality"),
    "server": ("host", "port", "origins", "hosts"),
    "limits": ("clients", "send_s", "silence_s", "message_bytes"),
    "logging": ("level", "format"),
}
_OF_A_CAMERA = ("path", "fps", "loop", "jpeg_quality", "source", "version")


def read_settings(
    file: Path | None, environ: Mapping[str, str], arguments: Mapping[str, Any]
) -> ServiceSettings:
    """The settings that are valid.

    file: YAML, as above; unknown keys are errors. environ: the environment. arguments: `videos` (a
    list of PATH or NAME=PATH), `fps`, `loop`, `jpeg_quality` (for all cameras), `host`, `port`,
    `origins`, `hosts`, `clients`, `level`; what is None was not given. Raises SettingError.
    """
    values = Values({} if file is None else _document(file), file)
    for variable, (block, key) in _VARIABLES.items():
        if environ.get(variable, "").strip():
            values.put(block, key, environ[variable].strip(), variable)
    for option, (block, key) in _OPTIONS.items():
        if arguments.get(option) is not None:
            values.put(
                block, key, arguments[option], _NAMES.get(option) or f"--{option.replace('_', '-')}"
            )
    return ServiceSettings(
        cameras=_cameras(values, arguments),
        host=values.text("server", "host", "127.0.0.1"),
        port=values.whole("server", "port", 8000, 0, 65535),
        origins=values.origins(),
        hosts=values.texts("server", "hosts"),
        limits=Limits(
            clients=values.whole("limits", "clients", 100, 1, 100_000),
            send_s=values.seconds("limits", "send_s", 10.0),
            silence_s=values.seconds("limits", "silence_s", 60.0),
            message_bytes=values.whole("limits", "message_bytes", 65536, 126, 1 << 30),
        ),
        log_level=values.level(),
        log_format=values.log_format(),
    )


_OPTIONS = {
    "fps": ("video", "fps"),
    "loop": ("video", "loop"),
    "jpeg_quality": ("video", "jpeg_quality"),
    "host": ("server", "host"),
    "port": ("server", "port"),
    "origins": ("server", "origins"),
    "hosts": ("server", "hosts"),
    "clients": ("limits", "clients"),
    "level": ("logging", "level"),
}
_NAMES = {"origins": "--allow-origin", "hosts": "--allow-host", "level": "--log-level"}


def _document(file: Path) -> Mapping[str, Any]:
    import yaml

    shown = printable(file)
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise SettingError(f"{shown} cannot be read: {error.strerror}; check the path") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        why = " ".join(str(error).split())[:200]
        raise SettingError(f"{shown} is not valid YAML: {why}; correct it") from None
    found = {} if found is None else found
    if not isinstance(found, Mapping):
        raise SettingError(f"{shown} must hold blocks such as `video:`, got {found!r:.80}")
    _check_keys(found, (*_KEYS, "cameras"), shown)
    for block, known in _KEYS.items():
        inside = {} if found.get(block) is None else found[block]
        if not isinstance(inside, Mapping):
            raise SettingError(f"{shown}: {block} must be a block of settings, got {inside!r:.80}")
        _check_keys(inside, known, f"{shown}: {block}")
    return found


def _check_keys(found: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in found:
        if key not in known:
            raise SettingError(
                f"{where}: unknown key {key!r:.80}; {closest(str(key), list(known))}"
            )


def _cameras(values: Values, arguments: Mapping[str, Any]) -> tuple[CameraSettings, ...]:
    found: dict[str, CameraSettings] = {}
    videos = arguments.get("videos") or []
    if videos:
        for number, text in enumerate(videos):
            name, path = _named(text, len(videos) == 1)
            if name in found:
                raise SettingError(
                    f"two cameras are called {name!r}; name them: --video NAME=PATH, got {text!r}"
                )
            found[name] = values.camera(name, {"path": path}, f"--video {number + 1}")
        return tuple(found.values())
    if values.get("video", "path") is not None:
        found[FIRST] = values.camera(FIRST, {}, "video")
    more = values.document.get("cameras")
    more = {} if more is None else more
    if not isinstance(more, Mapping):
        raise SettingError(f"{values.where('cameras')} must be names with blocks, got {more!r:.80}")
    for name, block in more.items():
        where = values.where("cameras", str(name))
        if not _NAME.fullmatch(str(name)) or str(name) in found:
            raise SettingError(
                f"{where}: a camera's name is letters, digits, _ and -, and no other's"
            )
        if not isinstance(block, Mapping):
            raise SettingError(f"{where} must be a block with path, got {block!r:.80}")
        _check_keys(block, _OF_A_CAMERA, where)
        if block.get("path") is None:
            raise SettingError(f"{where}: path is missing; name a video")
        found[str(name)] = values.camera(str(name), block, where)
    if not found:
        raise SettingError(
            "there is no video to play; name one: --video clip.mp4, DRISHTI_VIDEO_PATH, or "
            "video: {path: clip.mp4} in config.yaml"
        )
    return tuple(found.values())


def _named(text: str, is_only: bool) -> tuple[str, str]:
    """NAME and PATH of `--video`; a single one needs no name, another one has that of its file."""
    name, equals, path = text.partition("=")
    if equals and path and _NAME.fullmatch(name) and not Path(text).exists():
        return name, path
    if is_only:
        return FIRST, text
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(text).stem).strip("-_")[:64]
    return stem or FIRST, text
