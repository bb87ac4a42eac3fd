"""A thread for each sink, which hands it what waits in its outbox."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from lab.errors import LabError, SettingError, StoreError
from lab.registry import in_words
from lab.sinks.event import PICTURES, SightingEvent
from lab.sinks.outbox import Outbox, Waiting
from lab.sinks.secrets import redacted
from lab.sinks.sink import DeliverLater, DeliveryFailed, Sink, SinkRefused
from lab.sinks.sink_health import SinkHealth

DELAYS_S = (2.0, 5.0, 15.0, 60.0, 300.0)
# With the last of these delays it takes a day until an event is given up. What is counted are
# tries, not hours: neither a clock that is set nor a sink that is down loses what waits.
MAX_TRIES = 292
_BEAT_S = 60.0
_LONGEST_WAIT_S = 3600.0
_log = logging.getLogger(__name__)


class SinkThread:
    """Delivers the events of one sink, in their order, each until it was taken or refused.

    make_sink: makes the sink; called at the start, and again later if it failed for another reason
    than its settings. kind: its type, for `state`. secrets: texts that no reason shows.
    delays_s: as of `lab.sinks.sink_health.SinkHealth`.

    Whatever the sink raises, and however long it blocks, is its own trouble alone: `put` only
    writes to the outbox.
    """

    def __init__(
        self,
        name: str,
        make_sink: Callable[[], Sink],
        outbox: Outbox,
        *,
        kind: str = "",
        secrets: Sequence[str] = (),
        delays_s: Sequence[float] = DELAYS_S,
        beat_s: float = _BEAT_S,
    ) -> None:
        self.name, self.kind, self.outbox = name, kind or name, outbox
        self._make_sink, self._secrets = make_sink, tuple(secrets)
        self._health = SinkHealth(name, delays_s)
        self._retry_s, self._beat_s = delays_s[0], beat_s
        self._thread = threading.Thread(target=self._run, name=f"sink {name}", daemon=True)
        self._stopping = threading.Event()
        self._stop_at = float("inf")
        self._stack = ExitStack()
        self._sink: Sink | None = None
        self._feeds: Mapping[str, Mapping[str, Any]] = {}
        self._feeds_changed = True
        self._next_beat = time.monotonic()
        # What happened to an event, where the outbox could not be written.
        self._unrecorded: Callable[[], None] | None = None

    def start(self) -> None:
        """Make the sink and begin. Raises SettingError if its settings are wrong."""
        try:
            self._open()
        except SettingError:
            raise
        except Exception as error:
            self._health.pause(self._text(error))
        self._thread.start()

    def put(self, event: SightingEvent) -> bool:
        """Keep an event and deliver it as soon as may be.

        False where it was put before, or the sink does not want it. Raises StoreError if it cannot
        be kept.
        """
        if not self._wants(event):
            return False
        return self.outbox.put(event.with_pictures(self._pictures_of(event)))

    def watch(self, feeds: Mapping[str, Mapping[str, Any]]) -> None:
        """What the sink's feeds are and do now, as `status.json` has them; may be said often."""
        before, self._feeds = self._feeds, feeds
        if _told_of(feeds) != _told_of(before):
            self._feeds_changed = True
            self.outbox.arrived.set()

    def stop(self, timeout_s: float = 5.0) -> bool:
        """Deliver what is due for at most so long, and end; what is left stays in the outbox.

        Returns whether the sink has ended: one that hangs is left behind, until the process ends.
        """
        self.ask_to_stop(timeout_s)
        return self.join()

    def ask_to_stop(self, timeout_s: float) -> None:
        """The first half of `stop`, which does not wait."""
        self._stop_at = time.monotonic() + timeout_s
        self._stopping.set()
        self.outbox.arrived.set()

    def join(self) -> bool:
        """The second half of `stop`; closes the outbox of a sink that has ended."""
        if self._thread.ident is None:
            self._close()
        else:
            self._thread.join(max(0.0, self._stop_at - time.monotonic()))
        if self._thread.is_alive():
            return False
        self.outbox.close()
        return True

    def state(self) -> dict[str, Any]:
        """As `status.json` has it: `state` is `ok`, `failing` or `off`, with the reason."""
        totals = self.outbox.totals()
        state, reason = self._health.state(self.outbox.note)
        return {
            "type": self.kind,
            "state": state,
            "waiting": totals.waiting,
            "delivered": totals.delivered,
            "failed": totals.failed,
            "dropped": totals.dropped,
            "reason": reason,
            "last_delivery_at": totals.last_delivery_at,
        }

    def _wants(self, event: SightingEvent) -> bool:
        """What no sink was asked about is kept."""
        sink = self._sink
        try:
            return sink is None or bool(sink.wants(event))
        except Exception:
            return True

    def _pictures_of(self, event: SightingEvent) -> Collection[str]:
        """What no sink was asked about is kept."""
        sink = self._sink
        try:
            return PICTURES if sink is None else sink.pictures_of(event)
        except Exception:
            return PICTURES

    def _run(self) -> None:
        try:
            while not self._is_over():
                try:
                    wait_s = self._step()
                except StoreError as error:
                    self._health.fail(str(error))
                    wait_s = self._retry_s
                except BaseException as error:
                    # Nothing that a sink does ends its thread, SystemExit included.
                    self._health.fail(in_words(error))
                    wait_s = self._retry_s
                if self._stopping.is_set() and wait_s > 0:
                    break
                if wait_s > 0:
                    self.outbox.arrived.wait(wait_s)
                    self.outbox.arrived.clear()
        finally:
            self._close()

    def _is_over(self) -> bool:
        return self._stopping.is_set() and time.monotonic() >= self._stop_at

    def _step(self) -> float:
        """Do what is to be done now; seconds until there is more, if no event comes before."""
        if self._unrecorded is not None:
            self._unrecorded()
            self._unrecorded = None
        if self._health.is_off:
            return self._beat_s
        paused_s = self._health.paused_until - time.monotonic()
        if paused_s > 0:
            return paused_s
        if self._sink is None and not self._opens():
            return max(0.0, self._health.paused_until - time.monotonic())
        sink = self._sink
        assert sink is not None
        if not self._stopping.is_set():
            self._beat(sink)
        item = self.outbox.due(in_order=sink.in_order)
        if item is not None:
            self._deliver(sink, item)
            return 0.0
        waits = [self._next_beat - time.monotonic(), self.outbox.next_due_s()]
        return max(0.001, min(wait_s for wait_s in waits if wait_s is not None))

    def _opens(self) -> bool:
        try:
            self._open()
        except Exception as error:
            self._health.pause(self._text(error))
            return False
        self._recover()
        return True

    def _open(self) -> None:
        made = self._make_sink()
        self._sink = self._stack.enter_context(made)

    def _deliver(self, sink: Sink, item: Waiting) -> None:
        with self._health.busy():
            try:
                sink.deliver(item.event)
            except DeliverLater as later:
                until = time.monotonic() + min(max(later.wait_s, 0.05), _LONGEST_WAIT_S)
                self._record(lambda: self.outbox.later(item.event_id, until))
            except SinkRefused as refused:
                self._refuse(item, refused)
            except BaseException as error:
                self._retry(item, error)
            else:
                self._recover()
                self._record(lambda: self.outbox.delivered(item.event_id))

    def _refuse(self, item: Waiting, refused: SinkRefused) -> None:
        text = self._text(refused)
        _log.warning("sink %s: an event was refused: %s", self.name, text)
        if refused.is_final:
            self._health.switch_off(text)
        else:
            self._recover()
            self._health.remark = f"an event was refused: {text}"
        self._record(lambda: self.outbox.refused(item.event_id))

    def _retry(self, item: Waiting, error: BaseException) -> None:
        text = self._text(error)
        asked_s = error.retry_after_s if isinstance(error, DeliveryFailed) else 0.0
        asked_s = min(max(asked_s, 0.0), _LONGEST_WAIT_S)
        wait_s = self._health.fail_with(item.event_id, text, item.tries, asked_s)
        if item.tries + 1 >= MAX_TRIES:
            self._record(lambda: self.outbox.refused(item.event_id))
            return
        retry_at = time.monotonic() + wait_s
        self._record(lambda: self.outbox.failed(item.event_id, text, retry_at))

    def _record(self, what: Callable[[], None]) -> None:
        """Write it to the outbox; before anything else is delivered, if not now."""
        self._unrecorded = what
        what()
        self._unrecorded = None

    def _beat(self, sink: Sink) -> None:
        is_due = time.monotonic() >= self._next_beat
        if not is_due and not self._feeds_changed:
            return
        self._feeds_changed = False
        with self._health.busy():
            try:
                sink.watched(self._feeds)
                if is_due:
                    self._next_beat = time.monotonic() + self._beat_s
                    sink.beat()
            except BaseException as error:
                self._health.remark = f"heartbeat: {self._text(error)}"
            else:
                self._health.remark = None

    def _recover(self) -> None:
        if self._health.is_down:
            self.outbox.release()
        self._health.recover()

    def _text(self, error: BaseException) -> str:
        text = str(error) if isinstance(error, LabError) else in_words(error)
        return redacted(" ".join(text.split()), self._secrets)[:300]

    def _close(self) -> None:
        with suppress(BaseException):
            if self._sink is not None:
                self._sink.finish()
        with suppress(BaseException):
            self._stack.close()


def _told_of(feeds: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """What a sink is told of at once; the rest of it with the next beat."""
    names = ("name", "state", "labels", "present")
    return {feed: tuple(repr(one.get(name)) for name in names) for feed, one in feeds.items()}
