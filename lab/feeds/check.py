"""Whether feeds could run, without starting them: what they need is made, and closed again."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from lab.detectors.make import make_detector
from lab.errors import LabError
from lab.feeds.control import control_from
from lab.feeds.feed import Feed
from lab.feeds.feeds_file import FeedsFile
from lab.registry import in_words
from lab.sinks.make import make_sink
from lab.video.live.make import live_source

if TYPE_CHECKING:
    from lab.store.store import Store


@dataclass(frozen=True)
class Checked:
    """A part of the feeds, such as `feed gate: detector yolo`. problem: None if it works."""

    what: str
    problem: str | None


def check_feeds(found: FeedsFile, store: Store | None = None) -> Iterator[Checked]:
    """Make the source, the detector and the sinks of each feed; nothing is connected or sent.

    store: where what detectors keep is put; None to keep nothing.
    """
    known: dict[str, tuple[str | None, tuple[str, ...]]] = {}
    for feed in found.feeds:
        what = f"feed {feed.feed_id}: source {feed.source['type']}"
        yield Checked(what, _problem(partial(_make_source, feed)))
        what = f"feed {feed.feed_id}: detector {feed.detector}"
        yield Checked(what, _detector_problem(feed, store, known))
        if feed.control is not None:
            what = f"feed {feed.feed_id}: control {feed.control.clip.name}"
            yield Checked(what, _problem(partial(control_from, feed.control)))
    for name in dict.fromkeys(name for feed in found.feeds for name in feed.sinks):
        yield Checked(f"sink {name}", _problem(partial(_make_sink, name, found.sinks[name])))


def _detector_problem(
    feed: Feed, store: Store | None, known: dict[str, tuple[str | None, tuple[str, ...]]]
) -> str | None:
    """known: by settings, what came of a detector that was made already, and its labels."""
    key = json.dumps([feed.detector, feed.detector_settings], sort_keys=True, default=str)
    if key not in known:
        labels: list[str] = []
        problem = _problem(partial(_make_detector, feed, store, labels))
        known[key] = problem, tuple(labels)
    problem, its_labels = known[key]
    if problem is None and its_labels:
        problem = _problem(partial(feed.rule.wanted, its_labels))
    return problem


def _make_source(feed: Feed) -> None:
    with live_source(feed.source) as source:
        source.check()


def _make_detector(feed: Feed, store: Store | None, labels: list[str]) -> None:
    made = make_detector(feed.detector, store=store, **feed.detector_settings)
    labels += made.labels
    made.close()


def _make_sink(name: str, settings: Mapping[str, Any]) -> None:
    make_sink(name, settings).close()


def _problem(make: Callable[[], object]) -> str | None:
    try:
        make()
    except LabError as error:
        return str(error)
    except Exception as error:
        # Whatever a plugin's code raises as it is closed.
        return in_words(error)
    return None
