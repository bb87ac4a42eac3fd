"""Settings: the nearest `lab.toml`, the environment over it, and an argument over both.

store = "lab_store"                  # LAB_STORE; relative to this file
models = "models"                    # LAB_MODELS
media_roots = ["/data/videos"]       # LAB_MEDIA_ROOTS, separated as in PATH
max_upload_bytes = 4294967296        # LAB_MAX_UPLOAD_BYTES
offline = false                      # LAB_OFFLINE
device = "cpu"                       # LAB_DEVICE; or "cuda": where models run
decoding_device = "cpu"              # LAB_DECODING_DEVICE; or "cuda": what decodes
private_addresses = "local"          # LAB_PRIVATE_ADDRESSES; or "all" or "none"
allowed_addresses = ["192.168.1.0/24"]  # LAB_ALLOWED_ADDRESSES, separated by commas
login_users = ["eve@example.org"]    # LAB_LOGIN_USERS, separated by commas
allowed_hosts = ["lab.example.org"]  # LAB_ALLOWED_HOSTS, separated by commas
max_body_bytes = 4194304             # LAB_MAX_BODY_BYTES; so each of `lab.limits`

[[services]]                         # LAB_SERVICES, the same list as JSON
detector = "remote"
address = "http://gpu-box:8001"
token_env = "WORKER_TOKEN"

The command line, notebooks, the app and its workers all read them here. The file is looked for in
the current folder and then upwards. A relative path in it is relative to the file; one in the
environment, in an argument or by default is relative to the current folder.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from lab.errors import ForbiddenError, SettingError, closest
from lab.limits import Limits

FILE_NAME = "lab.toml"
DEVICES = ("cpu", "cuda")
PRIVATE_ADDRESSES = ("local", "all", "none")
SAMPLES = Path(__file__).resolve().parent.parent / "sample_videos"
# Switches of other programs: where one of them forbids downloads, nothing is downloaded.
_OFFLINE_TOO = ("YOLO_OFFLINE", "HF_HUB_OFFLINE")
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True, kw_only=True)
class AllowedService:
    """A service that pages may send pictures to, and the secret that goes there.

    detector: `remote` or `cloud-vision`. address: of the service; None for Google's own.
    token_env: the name of the environment variable with its token or key; None for none, or for
    the one that the detector takes by default.
    """

    detector: str
    address: str | None = None
    token_env: str | None = None


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every setting, and where its value came from.

    store: the folder of the store. models: the folder of weights. media_roots: folders under
    which a user of the app may name files, resolved; the samples are always among them.
    max_upload_bytes: the largest upload. offline: nothing is downloaded. device: where models run,
    `cpu` or `cuda`. decoding_device: what decodes; neither is ever chosen by the program. services:
    those that a user of the app may choose. private_addresses: whose addresses, typed on a page or
    sent to the API, may lead to this machine and its networks: of those who use the app on this
    machine (`local`), of `all`, or of `none`. allowed_addresses: hosts and networks to which all
    may lead. login_users: e-mail addresses of those who may log in, `*@example.org` for all of
    them. allowed_hosts: names by which others call a server of the lab, `*.example.org` for all
    below. local_workers: clips that the app analyses on this machine at once, None for as many as
    pay, 0 to leave them to `lab worker --queue`. limits: see `lab.limits`. file: the `lab.toml`
    that was read, or None. origins: by setting, `default`, `argument`, the path of the file or the
    name of the variable.
    """

    store: Path
    models: Path = Path("models")
    media_roots: tuple[Path, ...] = ()
    max_upload_bytes: int = 4 << 30
    offline: bool = False
    device: str = "cpu"
    decoding_device: str = "cpu"
    services: tuple[AllowedService, ...] = ()
    private_addresses: str = "local"
    allowed_addresses: tuple[str, ...] = ()
    login_users: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    local_workers: int | None = None
    limits: Limits = field(default_factory=Limits)
    file: Path | None = None
    origins: Mapping[str, str] = field(default_factory=dict)

    def allowed(self, path: str | Path, *others: Path) -> Path:
        """A path that a user of the app named, resolved.

        others: folders in which it may lie besides media_roots. Raises ForbiddenError outside.
        """
        try:
            resolved = Path(path).expanduser().resolve()
        except (OSError, RuntimeError, ValueError) as error:  # a circle of links, a null character
            raise ForbiddenError(f"{str(path)[:255]!r} is not a path: {error}") from None
        folders = [*self.media_roots, *(folder.resolve() for folder in others)]
        if not any(resolved.is_relative_to(folder) for folder in folders):
            roots = ", ".join(map(str, self.media_roots)) or "none are configured"
            raise ForbiddenError(
                f"{path} is not under the media_roots ({roots}); add its folder to media_roots "
                f"in {FILE_NAME}, or to LAB_MEDIA_ROOTS"
            )
        return resolved


@dataclass(frozen=True)
class _Setting:
    """One setting.

    kind: what a value must be, for messages. check: whether a value of the file is valid.
    parse: turns the text of the variable into such a value; raises ValueError. is_shown: whether
    messages may show a value; a secret may have been put where its variable's name belongs.
    """

    variable: str
    default: Any
    kind: str
    check: Callable[[Any], bool]
    parse: Callable[[str], Any]
    is_shown: bool = True

    def error(self, what: str, value: Any) -> SettingError:
        got = f", got {value!r}" if self.is_shown else ""
        return SettingError(f"{what} must be {self.kind}{got}")


def _is_path(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _are_services(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, dict) and _is_service(v) for v in value)


def _is_service(value: Mapping[str, Any]) -> bool:
    address, variable = value.get("address"), value.get("token_env")
    is_address = isinstance(address, str) and address.startswith(("http://", "https://"))
    is_name = isinstance(variable, str) and re.fullmatch(r"[A-Z_][A-Z0-9_]*", variable)
    return (
        set(value) <= {"detector", "address", "token_env"}
        and value.get("detector") in ("remote", "cloud-vision")
        and (is_address or ("address" not in value and value["detector"] == "cloud-vision"))
        and (bool(is_name) or "token_env" not in value)
    )


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) and v.strip() for v in value)


def _words(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _flag(text: str) -> bool:
    word = text.strip().lower()
    if word not in (*_TRUE, *_FALSE):
        raise ValueError(text)
    return word in _TRUE


def _paths(text: str) -> list[str]:
    return [part for part in text.split(os.pathsep) if part]


_SETTINGS = {
    "store": _Setting("LAB_STORE", "lab_store", "a path", _is_path, str),
    "models": _Setting("LAB_MODELS", "models", "a path", _is_path, str),
    "media_roots": _Setting(
        "LAB_MEDIA_ROOTS",
        [],
        "a list of paths",
        lambda value: isinstance(value, list) and all(map(_is_path, value)),
        _paths,
    ),
    "max_upload_bytes": _Setting(
        "LAB_MAX_UPLOAD_BYTES", 4 << 30, "a whole number above 0", _is_size, int
    ),
    "offline": _Setting(
        "LAB_OFFLINE", False, "true or false", lambda value: isinstance(value, bool), _flag
    ),
    "device": _Setting("LAB_DEVICE", "cpu", "'cpu' or 'cuda'", DEVICES.__contains__, str),
    "decoding_device": _Setting(
        "LAB_DECODING_DEVICE", "cpu", "'cpu' or 'cuda'", DEVICES.__contains__, str
    ),
    "services": _Setting(
        "LAB_SERVICES",
        [],
        "a list, each with detector (remote or cloud-vision), address (http:// or https://) and "
        "token_env (the name of an environment variable, in capital letters)",
        _are_services,
        json.loads,
        is_shown=False,
    ),
    "private_addresses": _Setting(
        "LAB_PRIVATE_ADDRESSES",
        "local",
        "'local', 'all' or 'none'",
        PRIVATE_ADDRESSES.__contains__,
        str,
    ),
    "allowed_addresses": _Setting(
        "LAB_ALLOWED_ADDRESSES", [], "a list of hosts and networks", _are_words, _words
    ),
    "login_users": _Setting(
        "LAB_LOGIN_USERS", [], "a list of e-mail addresses", _are_words, _words
    ),
    "allowed_hosts": _Setting("LAB_ALLOWED_HOSTS", [], "a list of names", _are_words, _words),
    "local_workers": _Setting(
        "LAB_LOCAL_WORKERS",
        None,
        "a whole number from 0 to 64",
        lambda value: type(value) is int and 0 <= value <= 64,
        int,
    ),
    **{
        one.name: _Setting(
            f"LAB_{one.name.upper()}", one.default, "a whole number above 0", _is_size, int
        )
        for one in fields(Limits)
    },
}


def load_config(
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    store: str | Path | None = None,
) -> Config:
    """The settings that are valid in a folder.

    folder: the current one by default. environ: the environment variables, by default those of
    this process. store: the folder of the store; it wins over file and environment.

    Raises SettingError for a file that is not valid TOML or cannot be read, for unknown keys and
    for values of a wrong type.
    """
    folder = Path.cwd() if folder is None else Path(folder).absolute()
    environ = os.environ if environ is None else environ
    file = find_file(folder)
    written = {} if file is None else _read(file)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    bases: dict[str, Path] = {}
    for name, setting in _SETTINGS.items():
        text = environ.get(setting.variable)
        if name == "store" and store is not None:
            values[name], origins[name], bases[name] = str(store), "argument", folder
        elif text:  # empty is the same as not set
            values[name] = _from_environment(setting, text)
            origins[name], bases[name] = setting.variable, folder
        elif file is not None and name in written:
            values[name], origins[name], bases[name] = written[name], str(file), file.parent
        else:
            values[name], origins[name], bases[name] = setting.default, "default", folder

    for variable in _OFFLINE_TOO:
        if environ.get(variable, "").strip().lower() in _TRUE and not values["offline"]:
            values["offline"], origins["offline"] = True, variable

    def absolute(name: str, path: str) -> Path:
        return (bases[name] / Path(path).expanduser()).absolute()

    roots = tuple(absolute("media_roots", root).resolve() for root in values["media_roots"])
    return Config(
        store=absolute("store", values["store"]),
        models=absolute("models", values["models"]),
        media_roots=tuple(dict.fromkeys((*roots, SAMPLES))),
        max_upload_bytes=values["max_upload_bytes"],
        offline=values["offline"],
        device=values["device"],
        decoding_device=values["decoding_device"],
        services=tuple(AllowedService(**service) for service in values["services"]),
        private_addresses=values["private_addresses"],
        allowed_addresses=tuple(values["allowed_addresses"]),
        login_users=tuple(values["login_users"]),
        allowed_hosts=tuple(values["allowed_hosts"]),
        local_workers=values["local_workers"],
        limits=Limits(**{name: values[name] for name in Limits.names()}),
        file=file,
        origins=origins,
    )


def find_file(folder: Path) -> Path | None:
    """The nearest `lab.toml`, from `folder` upwards; None if there is none."""
    for place in (folder, *folder.parents):
        if (place / FILE_NAME).is_file():
            return place / FILE_NAME
    return None


def _read(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} is not valid TOML: {error}; correct it") from None
    except OSError as error:
        raise SettingError(f"{path} cannot be read: {error.strerror}; make it readable") from None
    for key, value in values.items():
        setting = _SETTINGS.get(key)
        if setting is None:
            raise SettingError(f"{path}: unknown setting {key!r}; {closest(key, list(_SETTINGS))}")
        if not setting.check(value):
            raise setting.error(f"{path}: {key}", value)
    return values


def _from_environment(setting: _Setting, text: str) -> Any:
    try:
        value = setting.parse(text)
    except ValueError:
        value = None
    if value is None or not setting.check(value):
        raise setting.error(setting.variable, text)
    return value
