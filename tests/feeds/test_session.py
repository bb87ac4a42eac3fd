"""Deciding while a source is analysed gives what a replay of its log gives."""

import json

import numpy as np
import pytest

from lab.detection import Detections
from lab.feeds.logged import logged_samples
from lab.feeds.session import Session, sighting_id
from lab.frame import FrameStamp
from lab.rules.box_filter import BoxFilter
from lab.rules.replay import replay
from lab.rules.rule import Debounce, LabelRule, Rule
from lab.rules.series import ScoreSeries
from lab.video.source import SKIPPED
from tests.builders import make_detections, make_run, scores_of

SIZE = (320, 240)
RULE = Rule.coerce(Debounce(enter_threshold=0.5, enter_frames=2, exit_frames=2, cooldown_s=3))


def samples_of(scores, label="x"):
    for i, score in enumerate(scores):
        boxes = [(label, float(score), (10, 10, 30, 30))] if score > 0 else []
        stamp = FrameStamp(i, i * 200_000, 1000.0 + i)
        yield stamp, make_detections(*boxes), np.full((240, 320, 3), i % 250, np.uint8)


def told_by(scores, rule=RULE, stop_at=()):
    events = []
    session = Session("run", rule, 0.2, events.append)
    for stamp, found, image in samples_of(scores):
        if stamp.index in stop_at:
            state = json.loads(json.dumps(session.state()))
            session = Session("run", rule, 0.2, events.append)
            session.restore(state)
        session.take(stamp, found, image, SIZE)
    session.finish("cancelled")
    return events


@pytest.fixture(scope="module")
def scores():
    random = np.random.default_rng(5)
    values = scores_of(120, [(5, 20), (30, 33), (60, 90), (115, 120)])
    return np.where(values > 0, random.uniform(0.3, 1, len(values)), 0).astype(np.float32)


def test_what_is_closed_is_what_a_replay_finds(scores, tmp_path):
    closed = [event.sighting for event in told_by(scores) if event.kind == "closed"]
    found = make_run(tmp_path, scores).find(RULE)
    same = (
        "label",
        "onset_us",
        "confirmed_us",
        "offset_us",
        "peak_us",
        "peak_confidence",
        "alert_us",
    )
    assert [[getattr(s, n) for n in same] for s in closed] == [
        [getattr(s, n) for n in same] for s in found
    ]


def test_a_session_that_stops_in_the_middle_tells_the_same_under_the_same_ids(scores):
    whole, cut = told_by(scores), told_by(scores, stop_at=(12, 61, 75))
    assert [(e.kind, e.sighting_id, e.sighting) for e in cut] == [
        (e.kind, e.sighting_id, e.sighting) for e in whole
    ]
    assert len({e.sighting_id for e in whole if e.kind == "opened"}) == sum(
        e.kind == "opened" for e in whole
    )


def test_what_is_closed_before_another_sample_comes_is_told_at_the_last_known_time(scores):
    events = []
    before = Session("run", RULE, 0.2, events.append)
    for stamp, found, image in samples_of(scores):
        before.take(stamp, found, image, SIZE)
        if before.present:
            break
    after = Session("run", RULE, 0.2, events.append, wall_time=1_700_000_000.0)
    after.restore(before.state())
    after.finish("error")
    assert (events[-1].kind, events[-1].wall_time) == ("closed", 1_700_000_000.0)


def test_each_event_has_the_picture_of_the_highest_sample_so_far(scores):
    events = told_by(scores)
    assert {"opened", "alerted", "closed"} <= {event.kind for event in events}
    for event in events:
        assert event.picture[0, 0, 0] == event.sighting.peak_us // 200_000 % 250
        assert event.box_xyxy_px.tolist() == [[10, 10, 30, 30]]


def test_what_failed_or_was_held_back_moves_nothing(scores):
    events = []
    session = Session("run", RULE, 0.2, events.append)
    for stamp, found, image in samples_of(scores):
        session.take(stamp, found, image, SIZE)
        if stamp.index == len(scores) - 1:
            break
        late = FrameStamp(stamp.index, stamp.pts_us + 1, stamp.wall_time, "cut off")
        session.take(late, Detections(), None, SIZE)
        session.take(FrameStamp(0, stamp.pts_us + 2, 0.0), Detections.held_back("busy"), None, SIZE)
    session.finish("cancelled")
    assert [(e.kind, e.sighting) for e in events] == [(e.kind, e.sighting) for e in told_by(scores)]


def test_the_end_is_the_last_sample_that_was_logged_also_if_it_failed(tmp_path):
    scores = np.where(np.arange(20) < 17, 0.9, np.nan)
    run = make_run(tmp_path, scores)
    log, rule = run.log, RULE.of("x").debounce.resolved(0.2)
    series = ScoreSeries.from_log(log, "x", recipe=run.recipe, media=run.media, state="cancelled")
    (wanted,) = replay(series, rule)
    assert wanted.offset_latest_us == 19 * 200_000
    found, state = [], {}
    for begin in (0, 10):  # and by a session that goes on from the state of another one
        session = Session("run", RULE, 0.2, found.append)
        if begin:
            session.restore(state)
        for stamp, detections in logged_samples(log, 1000.0, begin):
            session.take(stamp, detections, None, SIZE)
            if stamp.index == 9:
                state = json.loads(json.dumps(session.state()))
        session.finish("cancelled")
    closed = [event for event in found if event.kind == "closed"]
    assert [event.sighting for event in closed] == [wanted, wanted]
    assert {event.wall_time for event in closed} == {1000.0 + 19 * 0.2}


def test_boxes_outside_of_the_rules_zone_do_not_count(scores):
    zone = BoxFilter(include=[[(0.5, 0.5), (1, 0.5), (1, 1), (0.5, 1)]])
    rule = Rule(default=LabelRule(debounce=RULE.default.debounce, box_filter=zone))
    assert told_by(scores, rule) == []


def test_an_id_tells_runs_rules_labels_and_onsets_apart(scores):
    first = next(e.sighting for e in told_by(scores) if e.kind == "closed")
    other = Rule.coerce(Debounce(enter_threshold=0.6))
    assert len({sighting_id("a", RULE, first), sighting_id("b", RULE, first),
                sighting_id("a", other, first)}) == 3  # fmt: skip


def told_around(hole):
    """What is told of a presence with 4 s in the middle that were not analysed, and why."""
    events = []
    rule = RULE.changed(gap_policy="close")
    session = Session("run", rule, 0.2, events.append)
    for stamp, found, image in samples_of(scores_of(60, [(5, 50)])):
        session.take(stamp, hole if 20 <= stamp.index < 40 else found, image, SIZE)
    session.finish("cancelled")
    return [event.sighting.close_reason for event in events if event.kind == "closed"]


def test_time_that_was_not_analysed_closes_where_the_rule_says_so():
    assert told_around(Detections.held_back("nothing moved")) == ["exit"]
    assert told_around(Detections.held_back(SKIPPED)) == ["gap", "exit"]
    assert told_around(Detections.failed("broken")) == ["gap", "exit"]
