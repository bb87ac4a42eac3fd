"""A run that was left by a process that ended is closed, and what it found is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from lab.feeds.current_run import CurrentRun, close_left_run, forget_run
from lab.feeds.events import EventMaker
from lab.feeds.feed import Feed
from lab.feeds.logged_peaks import with_logged_peaks
from lab.feeds.publisher import Bundle, Publisher
from lab.feeds.session import FeedEvent
from lab.rules.rule import Rule
from lab.store.store import Store


def tell_left_run(
    feed: Feed,
    folder: Path,
    left: CurrentRun,
    store: Store,
    publisher: Publisher,
    number: Callable[[], int],
) -> None:
    """folder: of the feed. number: gives the next of its events.

    The run is forgotten once all of it is kept.

    Raises LabError if its log cannot be read or written.
    """
    rule = Rule.from_dict(left.rule)
    feed = replace(feed, rule=rule, rule_name=left.rule_name)
    recording = None if left.recording is None else Path(left.recording)
    maker = EventMaker(
        feed,
        left.run_id,
        left.media_id,
        rule,
        left.rule_name,
        recording,
        left.began,
        left.size_px,
        number,
    )
    found: list[FeedEvent] = []
    close_left_run(store, folder, left, found.append)
    logs = store.log_folder(left.run_id)
    events = [maker.make(one) for one in with_logged_peaks(found, logs, rule, left.size_px)]
    latest = {one.sighting_id: one.sighting for one in found}
    publisher.put(
        Bundle(
            run_id=left.run_id,
            rule=rule,
            rule_name=left.rule_name,
            sightings=list(latest.items()),
            events=events,
            sinks=tuple(left.sinks),
            then=partial(forget_run, folder, left.run_id),
        )
    )
