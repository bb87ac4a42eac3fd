"""What is followed: read by one thread for all who subscribed, as long as there is somebody."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from lab.app.server.live_results.messages import (
    Event,
    Key,
    Piece,
    Text,
    message,
    recent_text,
    update_pieces,
)
from lab.app.server.live_results.outbox import Outbox
from lab.errors import LabError, NotFoundError
from lab.feeds.newest_samples import Sample

RECENT = 5
_AT_ONCE = 16  # messages, after which those who take them are given a moment
_MOMENT_S = 0.05
_LOOK_S = 0.002
_PATIENCE_S = 0.5
_log = logging.getLogger("lab.live_results")


@dataclass
class News:
    """What is new: samples and events of a run, then how it, or the feed, is since.

    samples: as of `messages.told_sample`, of the run with this id. state: None where it is what it
    was.
    """

    samples: list[Sample] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    state: dict[str, Any] | None = None
    run_id: str | None = None


class Reader(Protocol):
    """Reads one feed or run; all is called by one thread."""

    @property
    def pause_s(self) -> float:
        """Seconds until it is worth reading again."""
        ...

    def open(self) -> News:
        """The latest samples and events, and how it is. Raises LabError where there is no such."""
        ...

    def read(self) -> list[News]:
        """What came since, in order."""
        ...

    def close(self) -> None: ...


class Topic:
    """One for each feed or run that is followed; for the event loop that it is made in.

    reader: makes what reads it, in the thread. ended: is called where it ends by an error. of: the
    upload that it is of, whose id may later be that of another one.

    is_over: whether it has ended by one, so that nothing comes any more. state: how it is.
    """

    def __init__(
        self,
        key: Key,
        reader: Callable[[], Reader],
        ended: Callable[[Topic], None],
        of: object = None,
    ) -> None:
        self.key, self.of, self.is_over = key, of, False
        self._make, self._ended = reader, ended
        self._loop = asyncio.get_running_loop()
        self._members: set[Outbox] = set()
        self._users = 0
        self._samples: deque[Sample] = deque(maxlen=RECENT)
        self._events: deque[Event] = deque(maxlen=RECENT)
        self.state: dict[str, Any] = {}
        self._run_id: str | None = None
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._opened.add_done_callback(lambda one: one.cancelled() or one.exception())
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True, name=f"live {key.id}")
        self._thread.start()

    async def join(self, outbox: Outbox, ref: dict[str, Any]) -> None:
        """Tell a client that it follows this from now on, the latest, and then what comes.

        ref: sent back with the answer. Raises LabError where there is no such feed or run; the
        client must `leave` in any case.
        """
        self._users += 1
        await asyncio.shield(self._opened)
        outbox.answer(message("subscribed", self.key, **ref, **self.state))
        outbox.answer(recent_text(self.key, self._run_id, self._samples, self._events))
        self._members.add(outbox)

    def leave(self, outbox: Outbox) -> bool:
        """Whether that was the last one, so that reading ends."""
        self._members.discard(outbox)
        self._users -= 1
        if self._users > 0:
            return False
        self._stopping.set()
        return True

    # In the event loop, asked by the thread

    def _open(self, news: News) -> None:
        self._run_id = news.run_id
        self._note(Piece(Text(""), news.samples, news.events, news.state))
        if not self._opened.done():
            self._opened.set_result(None)

    async def _publish(self, some: Sequence[Piece], run_id: str | None, *, is_last: bool) -> None:
        self._go_on_with(run_id)
        for piece in some:
            self._note(piece)
            for outbox in self._members:
                outbox.offer(self.key, piece.text)
        until = self._loop.time() + _MOMENT_S
        while not is_last and self._loop.time() < until:
            await asyncio.sleep(_LOOK_S)
            if not any(outbox.is_behind for outbox in self._members):
                return

    def _go_on_with(self, run_id: str | None) -> None:
        """Samples that are kept are of one run, in whose media time they are."""
        if run_id != self._run_id:
            self._run_id = run_id
            self._samples.clear()

    def _note(self, piece: Piece) -> None:
        self._samples.extend(piece.samples[-RECENT:])
        self._events.extend(piece.events[-RECENT:])
        if piece.state is not None:
            self.state = dict(piece.state)

    def _fail(self, error: BaseException) -> None:
        """It cannot be read (any more)."""
        self.is_over = True
        self._ended(self)
        if not self._opened.done():
            self._opened.set_exception(error)
        code = "not_found" if isinstance(error, NotFoundError) else "unreadable"
        text = Text(message("error", self.key, code=code, detail=str(error)))
        for outbox in self._members:
            outbox.offer(self.key, text)

    # In the thread

    def _follow(self) -> None:
        reader = None
        try:
            reader = self._make()
            self._in_loop(self._open, reader.open())
            while not self._stopping.wait(reader.pause_s):
                for news in reader.read():
                    self._tell(news)
        except LabError as error:
            self._in_loop(self._fail, error)
        except Exception as error:
            _log.exception("%s %s cannot be followed any more", *self.key)
            self._in_loop(self._fail, LabError(f"reading it failed: {type(error).__name__}"))
        finally:
            if reader is not None:
                reader.close()

    def _tell(self, news: News) -> None:
        pieces = list(update_pieces(self.key, news.run_id, news.samples, news.events))
        if news.state is not None:
            text = Text(message("state", self.key, **news.state))
            pieces.append(Piece(text, state=news.state))
        for first in range(0, len(pieces), _AT_ONCE):
            some, end = pieces[first : first + _AT_ONCE], first + _AT_ONCE
            publishing = self._publish(some, news.run_id, is_last=end >= len(pieces))
            try:
                told = asyncio.run_coroutine_threadsafe(publishing, self._loop)
            except RuntimeError:  # the server has ended
                publishing.close()
                self._stopping.set()
            while not self._stopping.is_set():
                with suppress(TimeoutError):
                    told.result(_PATIENCE_S)
                    break

    def _in_loop(self, what: Callable[..., None], *given: object) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *given)
        except RuntimeError:  # the server has ended
            self._stopping.set()
