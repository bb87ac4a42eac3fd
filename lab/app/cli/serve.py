"""`serve`: the app without its pages."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from lab.access.tokens import Tokens
from lab.app.server.exposure import check_somebody_may_come, warnings_of
from lab.app.server.token import given_token, note_of_token, startup_token
from lab.config import load_config
from lab.errors import LabError, SettingError, printable
from lab.extras import need
from lab.private_files import private_folder

Command = Callable[..., argparse.ArgumentParser]


def _serve(args: argparse.Namespace) -> int:
    """Exit code 0 once it was stopped. Raises LabError."""
    need(
        "lab serve", "serve", "anyio", "fastapi", "fastapi_offline", "prometheus_client",
        "starlette", "uvicorn", "websockets", error=LabError,
    )  # fmt: skip
    from lab.app.server.headless import Headless
    from lab.app.server.serving import bound
    from lab.app.server.state import AppState
    from lab.feeds.feed_files import FeedFiles

    config = load_config(store=args.store)
    _check_store(config.store)
    given = given_token()
    if note := note_of_token():
        print(f"lab: note: {note}", file=sys.stderr)
    has_tokens = Tokens(config.store).has_valid()
    check_somebody_may_come(args.host, has_token=given is not None or has_tokens)
    feeds = None if args.feeds is None else args.feeds.absolute()
    here = AppState(config, feeds)
    if feeds is not None:
        for note in FeedFiles(here.store, feeds).read().notes:
            print(f"lab: note: {note}", file=sys.stderr)
    with bound(args.host, args.port) as at:
        for line in warnings_of(
            args.host, token=given, is_secure=False, allowed_hosts=config.allowed_hosts,
            login_users=None, has_pages=False,
        ):  # fmt: skip
            print(f"lab: {line}", file=sys.stderr)
        _say(at.url, None if given or has_tokens else startup_token(), args.json)
        Headless(here).serve(at)
    return 0


def _check_store(folder: Path) -> None:
    """Make it if it is not there. Raises SettingError."""
    try:
        private_folder(folder)
    except OSError as error:
        raise SettingError(
            f"the store {printable(folder)} cannot be made: {error.strerror or error}; name "
            "another folder with --store"
        ) from None


def _say(url: str, token: str | None, as_json: bool) -> None:
    """token: the one that was made for this start, as nobody could be let in without it."""
    if as_json:
        print(json.dumps({"address": url, "token": token}), flush=True)
        return
    print(f"lab: {url}/api answers; {url}/api/openapi.json says what there is", flush=True)
    if token is not None:
        print(f"lab: programs send this start's token, {token}, or one of: lab token add NAME "
              "--scope read", flush=True)  # fmt: skip


def add(command: Command) -> list[argparse.ArgumentParser]:
    """The command; gives its parser, for the options that all share."""
    s = command(
        "serve", _serve, "The app without its pages: API, sockets, clips, feeds and metrics.",
        "lab serve --store store --feeds feeds.yaml",
    )  # fmt: skip
    s.add_argument("--host", default="127.0.0.1", metavar="ADDRESS",
                   help="default: 127.0.0.1, this machine alone; another one needs a token "
                   "(lab token add, or LAB_TOKEN)")  # fmt: skip
    s.add_argument("--port", type=int, default=8501, metavar="N",
                   help="default: 8501; 0 for one that is free")  # fmt: skip
    s.add_argument("--feeds", type=Path, metavar="FILE",
                   help="watch these feeds, too, as lab watch does")  # fmt: skip
    return [s]
