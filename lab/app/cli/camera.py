"""`camera`: videos, played as cameras."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from lab.detectors.services.address import is_loopback
from lab.errors import LabError, SettingError
from lab.extras import need
from lab.video.camera.fetched import shown_address
from lab.video.camera.read_settings import read_settings
from lab.video.camera.settings import ServiceSettings

if TYPE_CHECKING:
    import asyncio

Command = Callable[..., argparse.ArgumentParser]
_FILE = Path("config.yaml")


def _camera(args: argparse.Namespace) -> int:
    """Exit code 0 once it was stopped. Raises LabError."""
    need(
        "lab camera", "serve", "fastapi", "fastapi_offline", "prometheus_client", "starlette",
        "uvicorn", "websockets", error=LabError,
    )  # fmt: skip
    from lab.app.server.camera.service import serve

    file = args.file
    if file is None and not args.videos and _FILE.is_file():
        file = _FILE
    settings = read_settings(file, os.environ, vars(args))
    token = None if args.no_token else args.token or os.environ.get("LAB_TOKEN") or None
    if args.no_token and args.token:
        raise SettingError("--token and --no-token exclude each other; give one")
    if token is None and not is_loopback(settings.host):
        if not args.no_token:
            raise SettingError(
                f"{settings.host} can be reached from other machines: set LAB_TOKEN (or --token), "
                "or say --no-token to let everybody watch"
            )
        print(
            f"lab: WARNING: {settings.host} is open: whoever reaches this port can watch, "
            "without a token",
            file=sys.stderr,
        )
    serve(
        settings,
        token=token,
        until=_until_input_closes if args.stdin else None,
        ready=lambda address: _say(address, settings, token is not None, args.json),
    )
    return 0


def _say(address: str, settings: ServiceSettings, has_token: bool, as_json: bool) -> None:
    if as_json:
        cameras = {one.name: f"{address}/cameras/{one.name}" for one in settings.cameras}
        print(json.dumps({"address": address, "cameras": cameras}), flush=True)
        return
    streams = address.replace("http", "ws", 1)
    for number, one in enumerate(settings.cameras):
        path = "" if not number else f"/cameras/{one.name}"
        print(f"{one.name}: {streams}{path}/ws/stream plays {shown_address(one.video)}")
    how = "; clients send the token" if has_token else ""
    print(f"{address}/docs says what else there is{how}", flush=True)


def _until_input_closes(over: asyncio.Event) -> None:
    import asyncio

    loop = asyncio.get_running_loop()

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        loop.call_soon_threadsafe(over.set)

    threading.Thread(target=wait, daemon=True).start()


def add(command: Command) -> list[argparse.ArgumentParser]:
    """The command. It has no store, and so gives no parser for the options that others share."""
    c = command(
        "camera", _camera, "Play videos as cameras, to programs and browsers.",
        "lab camera --video clip.mp4 --port 8000\n"
        "         lab camera --video gate=gate.mp4 --video yard=s3://clips/yard.mp4 --fps 10",
    )  # fmt: skip
    c.add_argument("file", nargs="?", type=Path, metavar="CONFIG",
                   help="settings, YAML; default: config.yaml if it is there and no --video is "
                   "given. DRISHTI_* variables win over it, options over both")  # fmt: skip
    c.add_argument("--video", action="append", dest="videos", metavar="[NAME=]VIDEO",
                   help="a path, or an address with s3://, gs:// or https://; several times for "
                   "several cameras")  # fmt: skip
    c.add_argument("--fps", metavar="N", help="frames a second at most, such as 10 or 30000/1001; "
                   "default: the video's own")  # fmt: skip
    c.add_argument("--loop", action=argparse.BooleanOptionalAction, default=None,
                   help="begin again at the end (default), or keep the last picture")  # fmt: skip
    c.add_argument("--jpeg-quality", metavar="N", help="1 to 100; default: 80")
    c.add_argument("--host", help="the address to listen on; default: 127.0.0.1. Another one needs "
                   "a token")  # fmt: skip
    c.add_argument("--port", metavar="N", help="default: 8000; 0 for any that is free")
    c.add_argument("--token", help="what clients must send; default: LAB_TOKEN, which other users "
                   "of this machine do not see")  # fmt: skip
    c.add_argument("--no-token", action="store_true",
                   help="let in whoever reaches the port")  # fmt: skip
    c.add_argument("--allow-origin", action="append", dest="origins", metavar="URL",
                   help="a web page that may connect, such as https://wall.example")  # fmt: skip
    c.add_argument("--allow-host", action="append", dest="hosts", metavar="NAME",
                   help="a name by which clients call this machine")  # fmt: skip
    c.add_argument("--clients", metavar="N", help="of a camera at one time; default: 100")
    c.add_argument("--log-level", dest="level", metavar="LEVEL",
                   help="DEBUG, INFO, WARNING, ERROR or CRITICAL; default: INFO")  # fmt: skip
    c.add_argument("--stdin", action="store_true",
                   help="end when standard input closes, as it does with the program that started "
                   "this")  # fmt: skip
    c.add_argument("--json", action="store_true", help="print the addresses as JSON")
    return []
