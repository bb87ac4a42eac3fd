"""What was decided goes into the store first, then to the sinks, and only then is it forgotten."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.atomic_file import write_atomically
from lab.errors import LabError
from lab.rules.rule import Rule
from lab.sighting import Sighting
from lab.sinks.event import SightingEvent
from lab.store.store import Store

_RETRY_S = 2.0
# While nothing can be kept, what waits has JPEGs instead of whole pictures, which take more memory.
_MOST_UNMADE = 20


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """The events of one sample.

    sightings: by their ids, as they are now. sinks: who is told. silent: ids of events that are
    kept and told to no sink. gone: ids of sightings that are none under this rule. grown: the
    media_id of the recording, and the media time in µs up to which it is logged. state_file,
    state: written once all of this is kept. then: called at the end.
    """

    run_id: str
    rule: Rule
    rule_name: str | None = None
    sightings: Sequence[tuple[str, Sighting]] = ()
    events: Sequence[SightingEvent] = ()
    sinks: Sequence[str] = ()
    silent: frozenset[str] = frozenset()
    gone: Sequence[str] = ()
    grown: tuple[str, int] | None = None
    state_file: Path | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    then: Callable[[], None] | None = None


class Publisher:
    """One thread for all feeds. A context manager, which ends when all is told.

    deliver: puts an event where a sink finds it, by the sink's name; raises LabError or OSError if
    it cannot. tell: is given every event once it is kept.
    problem: why nothing can be kept at the moment; it is tried again until it works.
    """

    def __init__(
        self,
        store: Store,
        deliver: Callable[[str, SightingEvent], object],
        tell: Callable[[SightingEvent], None],
    ) -> None:
        self._store, self._deliver, self._tell = store, deliver, tell
        self._bundles: queue.Queue[Bundle | None] = queue.Queue()
        self._is_leaving = threading.Event()
        self.problem: str | None = None
        self._thread = threading.Thread(target=self._serve, daemon=True, name="publisher")

    def __enter__(self) -> Publisher:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._is_leaving.set()
        self._bundles.put(None)
        self._thread.join()

    def put(self, bundle: Bundle) -> None:
        if self._bundles.qsize() > _MOST_UNMADE:
            for event in bundle.events:
                event.make_pictures()
        self._bundles.put(bundle)

    def _serve(self) -> None:
        while (bundle := self._bundles.get()) is not None:
            while not self._is_kept(bundle):
                if self._is_leaving.wait(_RETRY_S):
                    break  # the next start derives it again from the log
        # What came after one that could not be kept is derived again, too.

    def _is_kept(self, bundle: Bundle) -> bool:
        try:
            self._publish(bundle)
        except (LabError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            self.problem = f"sightings cannot be kept: {why}"
            return False
        self.problem = None
        return True

    def _publish(self, bundle: Bundle) -> None:
        self._store.put_sightings(
            bundle.run_id, bundle.rule, list(bundle.sightings), bundle.rule_name
        )
        if bundle.gone:
            self._store.drop_sightings(list(bundle.gone))
        if bundle.grown is not None:
            self._store.grow_media(*bundle.grown)
        for event in bundle.events:
            if event.event_id not in bundle.silent:
                for name in bundle.sinks:
                    self._deliver(name, event)
            self._tell(event)
        if bundle.state_file is not None:
            kept = {**bundle.state, "written": time.time()}
            write_atomically(bundle.state_file, json.dumps(kept))
        if bundle.then is not None:
            bundle.then()
