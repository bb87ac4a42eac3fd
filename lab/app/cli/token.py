"""`token`: the tokens by which programs ask a running app."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable

from lab.access.asker import SCOPES
from lab.access.tokens import Token, Tokens, seconds_of
from lab.config import load_config
from lab.errors import SettingError

Command = Callable[..., argparse.ArgumentParser]


def add(command: Command) -> list[argparse.ArgumentParser]:
    """The subcommands of this file."""
    t = command("token", _token, "Tokens by which programs ask a running app.",
                "lab token add backup --scope read --expires 30d\n"
                "         lab token list\n"
                "         lab token revoke backup")  # fmt: skip
    t.add_argument("what", choices=["add", "list", "revoke"])
    t.add_argument("name", nargs="?", metavar="NAME", help="of the token; for revoke also its id")
    t.add_argument("--scope", choices=list(SCOPES),
                   help="add: what it may do; each may do what those before it may")  # fmt: skip
    t.add_argument("--expires", metavar="TIME",
                   help="add: how long it is valid, such as 12h, 30d or 8w; default: until it is "
                   "revoked")  # fmt: skip
    return [t]


def _token(args: argparse.Namespace) -> int:
    tokens = Tokens(load_config(store=args.store).store)
    if args.what != "add" and (args.scope or args.expires):
        raise SettingError(f"lab token {args.what} takes no --scope and no --expires")
    if (args.name is None) != (args.what == "list"):
        takes = "takes no name" if args.what == "list" else "needs the name of a token"
        raise SettingError(f"lab token {args.what} {takes}")
    return {"add": _add, "list": _list, "revoke": _revoke}[args.what](tokens, args)


def _add(tokens: Tokens, args: argparse.Namespace) -> int:
    if args.scope is None:
        raise SettingError(f"lab token add needs --scope, one of {', '.join(SCOPES)}")
    lasts_s = None if args.expires is None else seconds_of(args.expires)
    made, secret = tokens.add(args.name, args.scope, lasts_s=lasts_s)
    if args.json:
        print(json.dumps({**made.shown(), "token": secret}, indent=1))
        return 0
    print(secret)
    print(
        f"lab: this is the token {made.name}, which is not shown again; send it as "
        "Authorization: Bearer TOKEN",
        file=sys.stderr,
    )
    return 0


def _list(tokens: Tokens, args: argparse.Namespace) -> int:
    known = tokens.all()
    if args.json:
        print(json.dumps([one.shown() for one in known], indent=1))
        return 0
    now = time.time()
    for one in known:
        print(
            f"{one.token_id}  {one.name:<24} {one.scope:<8} made {_day(one.created)}, "
            f"used {_hour(one.last_used)}, {_end(one, now)}"
        )
    if not known:
        print("lab: no tokens; lab token add NAME --scope read makes one", file=sys.stderr)
    return 0


def _revoke(tokens: Tokens, args: argparse.Namespace) -> int:
    gone = tokens.revoke(args.name)
    if args.json:
        print(json.dumps(gone.shown(), indent=1))
    else:
        print(f"{gone.name} is revoked")
    return 0


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def _hour(moment: float | None) -> str:
    return "never" if moment is None else time.strftime("%Y-%m-%d %H:00 UTC", time.gmtime(moment))


def _end(token: Token, now: float) -> str:
    if token.expires is None:
        return "does not expire"
    return ("expires " if token.is_valid(now) else "EXPIRED ") + _day(token.expires)
