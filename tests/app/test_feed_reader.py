"""A feed's samples, from the ring and from the log: each once, in order, as soon as may be."""

import time

import pytest

from lab.app.server.live_results import feed_reader
from lab.app.server.live_results.feed_reader import FeedReader
from lab.app.server.state import AppState
from lab.config import Config
from lab.errors import NotFoundError
from lab.feeds.newest_samples import NAME as NEWEST
from lab.feeds.newest_samples import NewestSamples
from lab.feeds.status import watch_lock, write_status
from lab.frame import FrameStamp
from lab.score_log.writer import ScoreLogWriter
from lab.store.outcomes import write_outcome
from tests.builders import make_detections
from tests.feeds.lamp import wait_for


class Watching:
    """Stands in for the process that watches: writes what it writes, when a test says so."""

    def __init__(self, folder):
        self.folder, self.run_id, self.log, self.events = folder, None, None, []
        (folder / "feeds" / "pond").mkdir(parents=True)
        self.newest = NewestSamples(folder / "feeds" / "pond" / NEWEST)

    def begin(self, run_id):
        self.run_id = run_id
        made = self.folder / "logs" / run_id
        self.log = ScoreLogWriter(made, {"run_id": run_id, "labels": ["cat"], "recipe": {}})
        self.say("live")

    def end(self):
        self.log.flush()
        self.log.compact()
        write_outcome(self.log.folder, "cancelled", error=None, effort={}, elapsed_s=1.0)
        self.log.__exit__()

    def decide(self, i):
        stamp, found = (
            FrameStamp(i, i * 100_000, 1e9 + i),
            make_detections(("cat", 0.5, (1, 2, 3, 4))),
        )
        self.log.add(stamp, found)
        self.newest.put(self.run_id, stamp, found)

    def say(self, state):
        facts = {"state": state, "run_id": self.run_id, "width_px": 64, "height_px": 48}
        facts["events"] = self.events
        status = {"pid": 1, "written": time.time(), "state": "running", "feeds": {"pond": facts}}
        write_status(self.folder, status)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setattr(feed_reader, "_STATUS_S", 0.0)  # every look
    made = AppState(Config(store=tmp_path / "store"))
    yield made
    made.close()


@pytest.fixture
def watching(here):
    made = Watching(here.store.folder)
    with watch_lock(here.store.folder):
        yield made
    made.newest.close()


def frames(news):
    return [sample["frame_index"] for one in news for sample in one.samples]


def test_what_was_decided_before_somebody_watched_comes_before_what_came_since(here, watching):
    watching.begin("run-1")
    watching.decide(0)
    reader = FeedReader(here, "pond")
    opened = reader.open()
    assert (opened.samples, opened.state["state"], opened.run_id) == ([], "live", "run-1")
    watching.newest.ask(60)
    watching.decide(1)
    watching.decide(2)
    assert frames(reader.read()) == []  # the one before them is not known yet
    watching.log.flush()
    assert frames(reader.read()) == [0, 1, 2]
    watching.decide(3)
    (news,) = reader.read()
    assert frames([news]) == [3]  # long before it is in the log
    assert news.samples[0]["wall_utc"] == "2001-09-09T01:46:43.000000Z"
    assert (news.samples[0]["width_px"], news.samples[0]["height_px"]) == (64, 48)
    watching.log.flush()
    assert reader.read() == []
    for i in range(4, 104):  # more than the ring holds
        watching.decide(i)
    assert frames(reader.read()) == []
    watching.log.flush()
    assert frames(reader.read()) == list(range(4, 104))
    reader.close()
    watching.end()


def test_the_end_of_a_run_is_told_before_the_next_one(here, watching):
    watching.begin("run-1")
    reader = FeedReader(here, "pond")
    reader.open()
    watching.newest.ask(60)
    watching.decide(0)
    assert frames(reader.read()) == [0]
    before = watching.log
    watching.newest.ask(-1)  # nobody asked any more
    watching.decide(1)
    watching.begin("run-2")
    watching.newest.ask(60)
    watching.decide(0)
    assert frames(reader.read()) == []  # the log of the first one is not whole
    second, watching.log = watching.log, before
    watching.end()
    watching.log = second
    told = []
    wait_for(lambda: told.extend(reader.read()) or frames(told)[-1:] == [0], "the next run")
    assert [(one.run_id, frames([one])) for one in told if one.samples] == [
        ("run-1", [1]), ("run-2", [0])
    ]  # fmt: skip
    assert [one.state["run_id"] for one in told if one.state] == ["run-2"]
    reader.close()
    watching.end()


def test_events_are_told_once_and_so_is_that_nobody_watches_any_more(here, watching):
    watching.events = [{"event_id": "a", "kind": "opened"}]
    watching.begin("run-1")
    reader = FeedReader(here, "pond")
    assert reader.open().events == watching.events
    watching.events.append({"event_id": "b", "kind": "closed"})
    watching.say("live")
    (news,) = reader.read()
    assert [one["event_id"] for one in news.events] == ["b"]
    watching.say("live")
    assert reader.read() == []
    watching.end()
    (here.store.folder / "feeds" / "status.json").unlink()
    (news,) = reader.read()
    assert news.state["state"] == "unwatched"
    reader.close()


def test_a_feed_that_nobody_knows_cannot_be_read(here, watching):
    watching.begin("run-1")
    with pytest.raises(NotFoundError, match="no feed is called 'pont'; known: pond"):
        FeedReader(here, "pont")
    watching.end()
