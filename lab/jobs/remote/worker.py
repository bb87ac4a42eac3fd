"""`lab worker --queue`: takes clips from an app's queue, analyses them, tells what was found."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lab
from lab.config import load_config
from lab.detectors.detector import Detector
from lab.detectors.gate import make_gate
from lab.detectors.trust import FILES, check_allowed
from lab.errors import LabError, SourceError, printable
from lab.jobs.cluster.life import watched
from lab.jobs.cluster.remote_work import make_without_store, sampling_of
from lab.jobs.remote.client import Client, DroppedError, UnreachableError, wait_of
from lab.jobs.remote.clip_folder import ClipFolder
from lab.jobs.remote.message import one_line, outcome_of
from lab.jobs.remote.sending import Sending, SentLog
from lab.jobs.warm import WarmDetectors
from lab.runs.pieces import Stretch, Wanted, analyse_into
from lab.score_log.recipe import recipe_hash
from lab.silence import SILENCE_S
from lab.video.registered import open_source
from lab.video.remote_store import is_remote

_FLUSH_S = 1.0  # of work that is lost at most with this process
_ASK_S = 5.0  # how long it asks for a job at once: a signal to end is heard after that
_ONCE_S = 2.0  # where it ends if there is none
_OF_THIS_MACHINE = ("path", "mtime_ns")
HUNG = 75  # the code with which it ends where an analysis hangs: that may pass
Order = Mapping[str, Any]


class _Unfit(Exception):
    """This worker cannot do the clip, and another one may."""


class _Stopped(Exception):
    """This worker is to end, or the app wants no more of the clip."""


@dataclass
class QueueWorker:
    """Does one clip at a time until `stopping` is set.

    trust: whether the app may name any detector. is_once: end when nothing waits.
    """

    client: Client
    clips: ClipFolder
    trust: bool = False
    is_once: bool = False
    stopping: threading.Event = field(default_factory=threading.Event)
    _warm: WarmDetectors = field(
        default_factory=lambda: WarmDetectors(make_without_store), init=False
    )

    def run(self) -> None:
        """Raises RefusedByAppError, SettingError where the app does not take this worker."""
        tries = 0
        while not self.stopping.is_set():
            try:
                order, is_empty = self.client.claim(
                    lab.__version__, _ONCE_S if self.is_once else _ASK_S
                )
            except UnreachableError as error:
                if not tries:
                    say(f"{error}; trying until it does")
                self.stopping.wait(wait_of(tries))
                tries += 1
                continue
            except DroppedError:
                continue
            tries = 0
            if order is not None:
                self._do(order)
            elif self.is_once and is_empty:
                return

    def _do(self, order: Order) -> None:
        claim, title = str(order["claim"]), printable(str(order["title"]))
        begun = time.monotonic()
        beat_s = float(order["beat_s"])
        with Sending(self.client, claim, beat_s, self.stopping.is_set, _leave) as sending:
            say(f"{title}: begun")
            try:
                with watched(claim, SILENCE_S):
                    self._analyse(order, sending)
                how = "done"
            except _Unfit as error:
                sending.back(str(error), is_unfit=True)
                how = f"left to others: {error}"
            except _Stopped:
                sending.back("the worker ends")
                how = "given back"
            except LabError as error:
                sending.outcome(outcome_of([], (type(error).__name__, str(error))))
                how = f"failed: {error}"
            except Exception as error:  # a fault in one clip stops no others
                words = f"{type(error).__name__}: {error}"[:400]
                sending.outcome(outcome_of([], (type(error).__name__, words)))
                how = f"failed: {words}"
            sending.finish()
            if sending.dropped is not None:
                how = f"dropped: {sending.dropped}"
        say(f"{title}: {how} ({time.monotonic() - begun:.1f} s)")

    def _analyse(self, order: Order, sending: Sending) -> None:
        def is_over() -> bool:
            sending.count()  # a sample was seen
            return self._is_over(sending)

        begun = time.monotonic()
        analyses = [dict(one) for one in order["analyses"]]
        detectors = self._detectors(analyses, order.get("recipes"))
        place = self._place(order, sending)
        wanted = [
            Wanted(detector, sampling_of(one), make_gate(one.get("gate")))
            for detector, one in zip(detectors, analyses, strict=True)
        ]
        with tempfile.TemporaryDirectory(dir=self.clips.path) as folder, open_source(place) as s:
            media = s.media()
            if media.media_id != order["media_id"]:
                raise SourceError(f"{order['title']} is another clip here; was it replaced?")
            sending.opened(
                {
                    "recipes": [one.recipe() for one in detectors],
                    "media": {
                        k: v for k, v in media.to_dict().items() if k not in _OF_THIS_MACHINE
                    },
                    "counts": [s.sample_count(one.sampling) for one in wanted],
                    "opening_s": time.monotonic() - begun,
                    "decoded_on": s.decoded_on,
                }
            )
            logs = [
                SentLog(Path(folder, str(i)), list(one.labels), i, sending.part)
                for i, one in enumerate(detectors)
            ]
            ends, broken, is_whole = analyse_into(
                s,
                wanted,
                Stretch(order.get("after_us")),
                logs,
                is_over,
                _FLUSH_S,
            )
        if not is_whole:
            raise _Stopped
        sending.outcome(outcome_of(ends, broken))

    def _is_over(self, sending: Sending) -> bool:
        return self.stopping.is_set() or sending.dropped is not None

    def _detectors(
        self, analyses: Sequence[dict[str, Any]], recipes: Sequence[Mapping[str, Any]] | None
    ) -> list[Detector]:
        """Raises _Unfit where they are not those that the app would load."""
        services = load_config().services
        titles = [str(one.get("name")) for one in analyses]
        try:
            settings = [_here(one["detector"]) for one in analyses]
            for one in settings if not self.trust else []:
                check_allowed(one, services)
            made = self._warm.get(settings, None, titles)
        except (LabError, OSError, MemoryError) as error:
            raise _Unfit(one_line(error) or type(error).__name__) from None
        for title, detector, recipe in zip(titles, made, recipes or [], strict=bool(recipes)):
            if recipe_hash(found := detector.recipe()) != recipe_hash(recipe):
                names = sorted({*found, *recipe})
                odd = ", ".join(n for n in names if found.get(n) != recipe.get(n))
                raise _Unfit(f"its {title} is another one than the app's: {odd} differ")
        return made

    def _place(self, order: Order, sending: Sending) -> str:
        """Where the clip can be opened. Raises _Stopped, _Unfit."""
        if order.get("place") is not None:
            if not is_remote(order["place"]):
                raise _Unfit("it opens files that were sent, and s3:// and gs:// addresses")
            return str(order["place"])
        size_bytes = int(order["size_bytes"])
        tries = 0
        while not self._is_over(sending):
            try:
                found = self.clips.get(
                    str(order["media_id"]), str(order["title"]), size_bytes,
                    lambda path: self.client.fetch(
                        str(order["claim"]), path, size_bytes,
                        lambda: self._is_over(sending), sending.count,
                    ),
                )  # fmt: skip
                if found is not None:
                    return str(found)
            except UnreachableError:
                self.stopping.wait(wait_of(tries))
                tries += 1
            except DroppedError as error:
                sending.dropped = str(error)
            except OSError as error:  # of this machine's disk
                raise _Unfit(f"the clip cannot be kept: {error.strerror or error}") from None
            except LabError as error:
                if isinstance(error, SourceError):
                    raise OSError(str(error)) from None  # may pass: the file was being written
                raise _Unfit(str(error)) from None
        raise _Stopped


def new_worker_id() -> str:
    """Of this process, so that one that is started again is another worker."""
    return uuid.uuid4().hex


def usual_name() -> str:
    return f"{platform.node() or 'worker'}-{os.getpid()}"


def say(words: str) -> None:
    print(f"lab: {words}", file=sys.stderr, flush=True)


def _leave() -> None:
    """End this process from a thread: the one that analyses does not come back."""
    say("the analysis hangs where it should stop; this process ends")
    os._exit(HUNG)


def _here(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Files by their names in the models folder of this machine: it has its own."""
    return {
        name: os.path.basename(value)
        if name in FILES and isinstance(value, str) and os.path.isabs(value)
        else value
        for name, value in settings.items()
    }
