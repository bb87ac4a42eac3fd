"""`worker --queue`: take clips from the queue of an app on another machine."""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path

from lab.errors import SettingError
from lab.jobs.remote.client import Client
from lab.jobs.remote.clip_folder import ClipFolder
from lab.private_files import keep_files_private

TOKEN_ENV = "LAB_TOKEN"
_KEEP_GB = 20.0


def work_on_queue(args: argparse.Namespace) -> int:
    from lab.jobs.remote.worker import QueueWorker, new_worker_id, say, usual_name

    if args.port is not None:
        raise SettingError("--port answers requests and --queue makes them; start two workers")
    if not 0.001 <= args.keep_gb <= 1e6:
        raise SettingError(f"--keep-gb must be 0.001 to 1000000, got {args.keep_gb:g}")
    variable = args.token_env or TOKEN_ENV
    token = os.environ.get(variable, "").strip()
    if not token.isascii() or not token.isprintable() or " " in token or not token:
        raise SettingError(
            f"{variable} holds no token; put one there that lab token add NAME --scope analyse "
            "made for the app"
        )
    keep_files_private()
    client = Client(args.queue, token, new_worker_id(), args.name or usual_name())
    with ClipFolder(int(args.keep_gb * 1e9), args.clips) as clips:
        worker = QueueWorker(client, clips, args.trust, args.once)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stopping.set())
        say(f"takes clips from {client.url}")
        worker.run()
    return 0


def add_queue_options(w: argparse.ArgumentParser) -> None:
    w.add_argument("--queue", metavar="URL",
                   help="take whole clips from the queue of the app at this address")  # fmt: skip
    w.add_argument("--name", metavar="TEXT", help="with --queue: what people see of this worker")
    w.add_argument("--once", action="store_true", help="with --queue: end when nothing waits")
    keep = f"with --queue: clips that are kept at most; default: {_KEEP_GB:g}"
    w.add_argument("--keep-gb", type=float, default=_KEEP_GB, metavar="N", help=keep)
    w.add_argument("--clips", type=Path, metavar="FOLDER",
                   help="with --queue: where clips are kept while they are needed")  # fmt: skip
