"""One worker elsewhere, as a place where orders are done: what the engine of its clips asks of."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lab.detectors.gate import gate_recipe, make_gate
from lab.jobs.cluster.order import Answer, Description, Order
from lab.jobs.cluster.remote_work import sampling_of
from lab.jobs.cluster.tasks import LostError, Stopped
from lab.jobs.remote.claim import Claim, Ended, GivenBack, Message, Opened, Part
from lab.jobs.remote.media_facts import checked_facts
from lab.runs.pieces import PieceLog, PieceResult
from lab.score_log.recipe import make_recipe, recipe_hash
from lab.video.media import identify
from lab.video.remote_store import identify_remote, is_remote

_TICK_S = 0.2
_FETCHED_S = 10.0  # in which a worker that asked for a job must ask again for that job
_GIVEN = 3  # times that a claim is told, whose answer may have been lost
_WAITS_S = 1.0  # how long a worker counts as waiting that asked for a job
_NOTHING = PieceLog(b"", b"", 0, 0, 0, None, None, 0.0)


@dataclass(frozen=True)
class Expected:
    """What a clip must be done with. place: where the clip lies, seen from here. hashes: of the
    runs' recipes. detectors: what the store keeps of each. recipes: of the detectors, None where
    only the run's is known.
    """

    place: str
    hashes: Sequence[str]
    detectors: Sequence[Description]
    recipes: Sequence[Mapping[str, Any]] | None = None


class Link:
    """To the worker `name`, which does one clip at a time. silence_s: how long nothing may be heard
    of it while it has one. stuck_s: how long it may get nothing done of it.

    `expect` comes before an order, and `end` after it.
    """

    def __init__(self, name: str, silence_s: float, stuck_s: float) -> None:
        self.name = name
        self.unfit: str | None = None  # why it left the last clip to others
        self._silence_s, self._stuck_s = silence_s, stuck_s
        self._claim: Claim | None = None
        self._waits_until = 0.0
        self._asked = threading.Event()
        self._heard = time.monotonic()
        self._expected: Expected | None = None
        self._guard = threading.Lock()

    # For the worker's requests

    @property
    def is_waiting(self) -> bool:
        """Whether it has nothing to do, and asks for a job now."""
        return self._claim is None and time.monotonic() < self._waits_until

    @property
    def claim(self) -> Claim | None:
        """What it has now."""
        return self._claim

    @property
    def silent_s(self) -> float:
        return 0.0 if self._claim is not None else time.monotonic() - self._heard

    def poll(self) -> Claim | None:
        """The worker asks for a job: the one that is there for it, if any."""
        with self._guard:
            self._heard = time.monotonic()
            self._waits_until = self._heard + _WAITS_S
            self._asked.set()
            claim = self._claim
            if claim is None or claim.why_ended is not None:
                return None
            if claim.has_begun or claim.given >= _GIVEN:  # it has lost, or dropped, what it was at
                claim.end("the worker asked for another job")
                return None
            claim.give()
            self.stop_waiting()  # until it asks for another
            return claim

    def stop_waiting(self) -> None:
        """It asks no more for now: it may have gone."""
        self._waits_until = 0.0

    def is_asking(self, within_s: float) -> bool:
        """Whether it asks for a job in this time."""
        self._asked.clear()
        return self.is_waiting or (self._asked.wait(within_s) and self.is_waiting)

    # For the engine

    def expect(self, expected: Expected) -> None:
        self._expected = expected

    def end(self, why: str) -> None:
        """What the worker still has of the last order is not wanted."""
        with self._guard:
            if self._claim is not None:
                self._claim.end(why)
            self._claim = None
            self._heard = time.monotonic()

    def run(
        self, orders: Sequence[Order], is_cancelled: Callable[[], bool] = lambda: False
    ) -> Generator[Answer]:
        """As of `lab.jobs.cluster.order.TakesOrders`: first one that opens the clip, then one for
        the rest of it. Raises Stopped, LostError.
        """
        for order in orders:
            if order.piece_samples:
                yield self._open(order, is_cancelled)
            else:
                yield from self._rest(order, is_cancelled)

    def warm(self, order: Order, count: int) -> None:
        pass

    def close(self) -> None:
        self.end("the app is ending")

    # Inside

    def _open(self, order: Order, is_cancelled: Callable[[], bool]) -> Answer:
        assert self._expected is not None
        expected = self._expected
        place = expected.place
        media_id = self._identified(place)
        told = {
            "title": os.path.basename(place),
            "analyses": [dict(one) for one in order.analyses],
            "recipes": expected.recipes,
            "after_us": order.stretch.after_us,
            "media_id": media_id,
            "place": place if is_remote(place) else None,
            "size_bytes": None if is_remote(place) else os.path.getsize(place),
        }
        claim = Claim(
            told,
            None if is_remote(place) else Path(place),
            [one.labels for one in expected.detectors],
            order.stretch.after_us,
        )
        with self._guard:
            self.unfit = None
            self._claim = claim
        message = self._heard_of(claim, is_cancelled)
        if isinstance(message, Ended):
            return Answer(self.name, error=message.broken)
        if not isinstance(message, Opened):
            raise LostError(f"the worker {self.name} sent a part of a clip that it has not opened")
        return self._answer(order, expected, media_id, message)

    def _identified(self, place: str) -> str:
        if is_remote(place):
            return identify_remote(place)
        if not os.path.isfile(place):
            self._leave(f"{place} is no file, and only files are sent to other machines")
        return identify(place)

    def _answer(self, order: Order, expected: Expected, media_id: str, found: Opened) -> Answer:
        if not len(found.recipes) == len(found.counts) == len(order.analyses):
            raise LostError(f"the worker {self.name} has opened something else")
        for one, recipe, wanted in zip(order.analyses, found.recipes, expected.hashes, strict=True):
            whole = make_recipe(
                media_id,
                recipe,
                sampling=sampling_of(dict(one)),
                gate=gate_recipe(make_gate(one.get("gate"))),
                decoded_on=found.decoded_on,
            )
            if recipe_hash(whole) != wanted:
                self._leave(f"the detector of {one.get('name')} is another one there")
        known = zip(expected.detectors, found.recipes, strict=True)
        return Answer(
            self.name,
            [replace(one, recipe=dict(recipe)) for one, recipe in known],
            checked_facts(found.media, expected.place, media_id),
            found.counts,
            [order.stretch],
            opening_s=found.opening_s,
            decoded_on=found.decoded_on,
        )

    def _rest(self, order: Order, is_cancelled: Callable[[], bool]) -> Generator[Answer]:
        claim = self._claim
        assert claim is not None
        nothing = [_NOTHING] * len(order.analyses)
        while True:
            message = self._heard_of(claim, is_cancelled)
            logs = list(nothing)
            if isinstance(message, Part):
                sent = message.sent
                logs[sent.index] = replace(
                    _NOTHING, samples=sent.samples, detections=sent.detections, count=message.count
                )
                yield Answer(self.name, result=PieceResult(logs))
            elif isinstance(message, Ended):
                for i, one in enumerate(message.logs):
                    logs[i] = PieceLog(b"", b"", 0, one.analysed, one.failed_calls,
                                       one.first_error, one.error, one.seconds)  # fmt: skip
                yield Answer(self.name, result=PieceResult(logs, message.broken))
                return
            else:
                raise LostError(f"the worker {self.name} opened the clip twice")

    def _heard_of(self, claim: Claim, is_cancelled: Callable[[], bool]) -> Message:
        """The next message. Raises Stopped where the clip is to wait again, LostError."""
        while (message := claim.next(_TICK_S)) is None:
            if is_cancelled():
                claim.end("the job was cancelled, or the app is ending")
                raise Stopped
            if (why := claim.why_ended) is not None:
                raise LostError(f"the worker {self.name} was given up: {why}")
            if not claim.given and claim.silent_s > _FETCHED_S:
                raise Stopped  # it went while the job was made ready
            if claim.silent_s > self._silence_s:
                words = f"nothing was heard of the worker {self.name} for {self._silence_s:g} s"
                claim.end(words)
                raise LostError(words)
            if claim.stuck_s > self._stuck_s:
                claim.end(f"the worker got nothing done for {self._stuck_s:g} s")
                raise LostError(
                    f"the worker {self.name} got nothing done for {self._stuck_s:g} s, though it "
                    "is there; it hangs, or worker_stuck_s is too small"
                )
        if isinstance(message, GivenBack):
            if message.is_unfit:
                self._leave(message.reason)
            raise Stopped
        return message

    def _leave(self, reason: str) -> None:
        """Let others do it. Raises Stopped."""
        self.unfit = f"the worker {self.name} left it to others: {reason}"
        if self._claim is not None:
            self._claim.end(f"left to others: {reason}")
        raise Stopped
