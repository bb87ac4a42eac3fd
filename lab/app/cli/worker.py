"""`worker`: analyse pictures that other machines send, or jobs from standard input."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from collections.abc import Callable
from typing import Any

from lab.app.cli.analyze import add_detector_options, detector_settings_of
from lab.app.cli.queue_worker import add_queue_options, work_on_queue
from lab.detectors.services.address import is_loopback
from lab.errors import LabError, SettingError
from lab.extras import need

Command = Callable[..., argparse.ArgumentParser]
TOKEN_ENV = "LAB_WORKER_TOKEN"


def _worker(args: argparse.Namespace) -> int:
    if args.queue is not None:
        return work_on_queue(args)
    if args.port is None:
        from lab.jobs.worker import serve

        return serve(trust=args.trust)
    return _serve(args)


def _serve(args: argparse.Namespace) -> int:
    need("a worker", "serve", "starlette", "uvicorn", "anyio", "PIL", "prometheus_client",
         error=LabError)  # fmt: skip
    from lab.app.server.inference.app import worker_app
    from lab.app.server.serving import bound, serve_app

    variable = args.token_env or TOKEN_ENV
    token = os.environ.get(variable)
    if not token and not is_loopback(args.host) and not args.no_token:
        raise SettingError(
            f"{args.host} lets other machines in, and there is no token; set {variable} "
            f"(such as {secrets.token_urlsafe(32)}), or say --no-token if whoever reaches it may"
        )
    with bound(args.host, args.port) as sockets, _analyses(args) as analyses:
        offered = ", ".join(
            f"{name} ({one['detector']}, {one['device']})" for name, one in analyses.info().items()
        )
        print(f"lab: {sockets.url} offers {offered}", file=sys.stderr)
        if not token and not is_loopback(args.host):
            print("lab: warning: everybody who reaches it may use it", file=sys.stderr)
        serve_app(worker_app(analyses, token=token, is_open=args.no_token), sockets)
    return 0


def _analyses(args: argparse.Namespace) -> Any:
    from lab.app.server.inference.analyses import DEFAULT, Analyses, Wanted
    from lab.runs.make_detector import make_detector

    wanted = [_wanted(text) for text in args.analysis]
    if DEFAULT not in [one.analysis_type for one in wanted] and (
        not wanted or args.detector is not None
    ):
        settings = detector_settings_of(args)
        wanted.insert(0, Wanted(DEFAULT, args.detector or "yolo", settings))
    return Analyses(wanted, lambda name, settings: make_detector(name, **settings))


def _wanted(text: str) -> Any:
    """TYPE, TYPE=DETECTOR or TYPE=DETECTOR:{settings as JSON}."""
    from lab.app.server.inference.analyses import DETECTORS, Wanted

    name, _, rest = text.partition("=")
    detector, _, given = rest.partition(":")
    detector = detector or DETECTORS.get(name, "")
    if not name or not detector:
        known = ", ".join(DETECTORS)
        raise SettingError(
            f"--analysis needs TYPE=DETECTOR, got {text!r}; types with a detector of their own: "
            f"{known}"
        )
    try:
        settings = json.loads(given) if given else {}
    except ValueError as error:
        raise SettingError(f"--analysis {name}: its settings are not JSON: {error}") from None
    if not isinstance(settings, dict):
        raise SettingError(f"--analysis {name}: its settings must be an object, got {given!r:.80}")
    return Wanted(name, detector, settings)


def add(command: Command) -> list[argparse.ArgumentParser]:
    w = command(
        "worker", _worker,
        "Analyse pictures that other machines send, or whole clips of an app's queue. Without "
        "--port and --queue: run jobs read from standard input, as the app has them done.",
        "lab worker --port 8001 --detector yolo --weights yolo11s\n"
        "         lab worker --port 8001 --analysis object_detection --analysis text_detection\n"
        "         lab worker --queue http://host:8501",
    )  # fmt: skip
    w.add_argument("--port", type=int, metavar="N", help="answer /ai/analyze at this port; 0: any")
    w.add_argument("--host", default="127.0.0.1", metavar="ADDRESS",
                   help="default: 127.0.0.1, this machine alone; 0.0.0.0 for all")  # fmt: skip
    w.add_argument("--token-env", metavar="NAME",
                   help=f"the variable with the token; default: {TOKEN_ENV}, or LAB_TOKEN with "
                        "--queue")  # fmt: skip
    w.add_argument("--no-token", action="store_true", help="let in whoever reaches it")
    w.add_argument("--analysis", action="append", default=[], metavar="TYPE[=DETECTOR[:JSON]]",
                   help="offer this, too, as logo_detection=logos; may be repeated")  # fmt: skip
    add_queue_options(w)
    add_detector_options(w)
    w.set_defaults(detector=None)
    w.add_argument("--trust", action="store_true",
                   help="let jobs name any detector, not only what a page may ask for")  # fmt: skip
    return [w]
