"""`watch`: feeds, without a browser."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lab.app.cli.watch_display import ChangeLines, JsonLines, Listener, Terminal
from lab.counted import counted
from lab.errors import SettingError
from lab.feeds.metrics import MetricsServer, metrics_text
from lab.feeds.take_over import take_over
from lab.jobs.queue.file import FILE_NAME
from lab.jobs.queue.overview import QueueOverview

if TYPE_CHECKING:
    from lab.feeds.control import Control
    from lab.feeds.feed_files import FeedFiles
    from lab.feeds.feeds_file import FeedsFile
    from lab.feeds.watcher import Watcher
    from lab.store.store import Store

Command = Callable[..., argparse.ArgumentParser]
_STATUS_EVERY_S = 1.0


def _watch(args: argparse.Namespace) -> int:
    """Exit code 0 once it was stopped; of `--check` 1 if something does not work."""
    from lab.feeds.feed_files import FeedFiles
    from lab.store.store import Store

    if args.app and (args.file is not None or args.check):
        raise SettingError("--app watches the feeds that were made in the app; name no file")
    control = _control(args)
    store = Store(args.store)
    files = FeedFiles(store, args.file)
    found = files.read()
    if not found.feeds and not args.app:
        raise SettingError(f"there are no feeds in {found.path}; name a file with feeds")
    for note in found.notes:
        print(f"lab: note: {note}", file=sys.stderr)
    if args.check:
        return _check(found, store, args.json)
    return _run(args, store, files, found, control)


def _control(args: argparse.Namespace) -> Control | None:
    if args.control is None:
        if args.labels is not None or args.every is not None:
            raise SettingError("--labels and --every go with --control CLIP")
        return None
    from lab.feeds.control import control_of

    if args.labels is None:
        raise SettingError("--control needs --labels CSV: what is to be seen in the clip")
    return control_of(args.control, args.labels, *filter(None, [args.every]))


def _check(found: FeedsFile, store: Store, as_json: bool) -> int:
    from lab.feeds.check import check_feeds

    parts = []
    for part in check_feeds(found, store):
        parts.append({"what": part.what, "problem": part.problem})
        if not as_json:
            print(f"{part.what}: {part.problem or 'ok'}", flush=True)
    problems = sum(part["problem"] is not None for part in parts)
    if as_json:
        feeds = [feed.feed_id for feed in found.feeds]
        print(json.dumps({"feeds": feeds, "parts": parts, "notes": found.notes}, indent=1))
    else:
        print(f"{counted(len(found.feeds), 'feed')}, {counted(problems, 'problem')}")
    return 1 if problems else 0


def _run(
    args: argparse.Namespace,
    store: Store,
    files: FeedFiles,
    found: FeedsFile,
    control: Control | None,
) -> int:
    from lab.feeds.watcher import Watcher

    listener = _listener(args)
    problems: list[str] = []
    with _stopped_by(args.app or args.stdin) as stopped, listener.shown():
        if args.take_over and take_over(store.folder, stopped):
            listener.say("took over from the process that watched")
        watcher = Watcher(
            found.feeds, found.sinks, store, tell=listener.tell, files=files, control=control
        )
        with watcher, _metrics(args.metrics_port, watcher, store):
            while not (stopped.wait(_STATUS_EVERY_S) or watcher.is_asked_to_stop):
                _show(watcher.status(), listener, problems)
            listener.say("stopping")
        listener.show(watcher.status())
    return 0


@contextmanager
def _metrics(port: int | None, watcher: Watcher, store: Store) -> Iterator[None]:
    """While this is entered, `/metrics` is answered on that port. Raises LabError."""
    if port is None:
        yield
        return

    def text() -> str:
        jobs = {}
        if (store.folder / FILE_NAME).exists():
            queue = QueueOverview(store.folder)
            jobs = queue.counts()
            queue.close()
        return metrics_text(watcher.status(), {str(state): n for state, n in jobs.items()})

    with MetricsServer(port, text):
        yield


def _show(status: Mapping[str, Any], listener: Listener, said: list[str]) -> None:
    """said: the problems of the whole that were told already, the present one last."""
    problem = status.get("problem")
    if problem and said[-1:] != [problem]:
        listener.say(problem)
    said[:] = [problem] if problem else []
    listener.show(status)


def _listener(args: argparse.Namespace) -> Listener:
    if args.json:
        return JsonLines(sys.stdout)
    if sys.stdout.isatty() and not (args.app or args.stdin):
        return Terminal(sys.stdout)
    return ChangeLines()


@contextmanager
def _stopped_by(standard_input: bool) -> Iterator[threading.Event]:
    """Set by SIGTERM and Ctrl+C; the second one ends the process at once.

    standard_input: also when that closes, as it does when the process that started this one ends.
    """
    stopped = threading.Event()

    def stop(number: int, frame: object) -> None:
        stopped.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    if standard_input:
        threading.Thread(target=_wait_for_end, args=(stopped,), daemon=True).start()
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait_for_end(stopped: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    stopped.set()


def add(command: Command) -> list[argparse.ArgumentParser]:
    """The command; gives its parser, for the options that all share."""
    w = command(
        "watch", _watch, "Watch live sources: cameras, streams, folders that fill.",
        "lab watch feeds.yaml --check\n         lab watch feeds.yaml --store night",
    )  # fmt: skip
    w.add_argument("file", nargs="?", metavar="FILE",
                   help="feeds and sinks, YAML or JSON; also one of detstream 0.3. Without it the "
                   "feeds that were made in the app")  # fmt: skip
    w.add_argument("--check", action="store_true",
                   help="only say whether all of it could run: sources, detectors and sinks are "
                   "made, and nothing is connected")  # fmt: skip
    w.add_argument("--metrics-port", type=int, metavar="N",
                   help="answer /metrics for Prometheus on 127.0.0.1, at this port")  # fmt: skip
    w.add_argument("--take-over", action="store_true",
                   help="where another process watches this store, as the app's own, end it and go "
                   "on in its place")  # fmt: skip
    w.add_argument("--control", metavar="CLIP",
                   help="a clip with known answers that is played into each feed at times: does it "
                   "still see, and is it still heard?")  # fmt: skip
    w.add_argument("--labels", metavar="CSV",
                   help="what is to be seen in it: media, label, start_s, end_s")  # fmt: skip
    w.add_argument("--every", metavar="TIME", help="how often, as 6h, 30m, 1d; default: 6h")
    w.add_argument("--app", action="store_true",
                   help="as the app starts it: ends when standard input closes")  # fmt: skip
    w.add_argument("--stdin", action="store_true",
                   help="end when standard input closes, as it does with the program that started "
                   "this")  # fmt: skip
    return [w]
