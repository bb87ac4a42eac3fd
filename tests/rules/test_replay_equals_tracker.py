"""The fast form gives what the streaming form gives, on logs built to sit on the limits."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.rules.replay import replay
from lab.rules.rule import Debounce
from lab.rules.series import ScoreSeries
from lab.rules.tracker import Tracker
from lab.video.source import SKIPPED
from tests.random_examples import examples

ON_THE_LIMITS = [0.0, 0.1, 0.3, 0.5, float(np.float32(0.7)), 0.7, 1.0]


@st.composite
def debounces(draw):
    enter = draw(st.sampled_from([0.3, 0.5, 0.7, 1.0]))
    exit_ = draw(st.sampled_from([t for t in (0.1, 0.3, 0.5, 0.7, 1.0) if t <= enter]))
    frames = draw(st.integers(1, 4))
    tenths = st.integers(0, 12).map(lambda n: n / 10)
    return Debounce(
        enter_threshold=enter,
        exit_threshold=exit_,
        enter_frames=frames,
        enter_window=frames + draw(st.integers(0, 3)),
        exit_frames=draw(st.integers(1, 4)),
        min_duration_s=draw(tenths),
        merge_gap_s=draw(tenths | st.just(4.0)),
        cooldown_s=draw(tenths),
        cooldown_from=draw(st.sampled_from(["start", "end"])),
        gap_policy=draw(st.sampled_from(["hold", "close"])),
    )


LOGS = given(
    debounce=debounces(),
    scores=st.lists(st.sampled_from(ON_THE_LIMITS), max_size=60),
    steps=st.lists(
        st.sampled_from(
            [*[100_000] * 6, 300_000, 99_999, 1_000_000, 1_000_001, 1_500_000, 1_500_001]
        ),
        min_size=60,
    ),
    margin_us=st.sampled_from([0, 50_000]),
    reason=st.sampled_from(["end", "cancelled", "error"]),
    interval_s=st.sampled_from([0.1, 0.3]),
)


WITHOUT_SCORE = ["failed", "gated", "skipped"]
LOGS_WITH_HOLES = given(
    debounce=debounces(),
    samples=st.lists(
        st.sampled_from([*ON_THE_LIMITS, 0.9, 0.9, 0.9, *WITHOUT_SCORE]), min_size=20, max_size=40
    ),
    steps=st.lists(
        st.sampled_from([*[500_000] * 6, 999_999, 1_000_000, 1_000_001, 1_500_000, 1_500_001]),
        min_size=60,
    ),
    interval_s=st.sampled_from([0.1, 0.2, 0.3]),
)


@examples(400)
@LOGS
def test_replay_gives_the_trackers_sightings(
    debounce, scores, steps, margin_us, reason, interval_s
):
    check_replay(debounce, scores, steps, margin_us, reason, interval_s)


@examples(200)
@LOGS_WITH_HOLES
def test_replay_finds_the_gaps_that_the_tracker_finds(debounce, samples, steps, interval_s):
    pts_us = np.cumsum(np.array([1_000_000, *steps])[: len(samples)], dtype=np.int64)
    tracker = Tracker(debounce, every_s=interval_s)
    closed = [
        event.sighting
        for events in told(tracker, pts_us, samples)
        for event in events
        if event.kind == "closed"
    ]
    is_scored = np.array([not isinstance(sample, str) for sample in samples], bool)
    series = ScoreSeries(
        label="fox",
        sample_pts_us=pts_us,
        scored=is_scored,
        scores=np.array([s for s in samples if not isinstance(s, str)], np.float32),
        interval_s=interval_s,
        start_us=1_000_000,
        end_us=0,
        gated=np.array([sample in ("gated", "skipped") for sample in samples], bool),
        reasons={i: SKIPPED for i, sample in enumerate(samples) if sample == "skipped"},
    )
    if len(series.pts_us):
        first = dataclasses.replace(series, start_us=int(series.pts_us[0]))
        assert replay(first, debounce) == closed


@examples(80)
@LOGS_WITH_HOLES
def test_a_tracker_that_is_restored_goes_on_as_if_it_had_never_stopped(
    debounce, samples, steps, interval_s
):
    pts_us = np.cumsum([1_000_000, *steps])[: len(samples)]
    whole = told(Tracker(debounce, every_s=interval_s), pts_us, samples)
    stopped, tracker = [], Tracker(debounce, every_s=interval_s)
    for number in range(len(samples)):
        if number % 7 == 3:
            state = json.loads(json.dumps(tracker.state()))
            tracker = Tracker(debounce, every_s=interval_s)
            tracker.restore(state)
        stopped += [given_to(tracker, pts_us[number], samples[number])]
    assert [*stopped, tracker.finish("end")] == whole


def told(tracker, pts_us, samples):
    """What is announced at each sample, and at the end."""
    events = [given_to(tracker, at, s) for at, s in zip(pts_us, samples, strict=True)]
    return [*events, tracker.finish("end")]


def given_to(tracker, pts_us, sample):
    """What a tracker announces at a sample: its score, or why it has none."""
    if sample == "gated":
        tracker.held_back(int(pts_us))
    if isinstance(sample, str):
        return []
    return tracker.update(int(pts_us), {"fox": float(np.float32(sample))})


@pytest.mark.long
@examples(2500)
@LOGS
def test_a_long_search_finds_no_replay_that_differs(
    debounce, scores, steps, margin_us, reason, interval_s
):
    check_replay(debounce, scores, steps, margin_us, reason, interval_s)


def check_replay(debounce, scores, steps, margin_us, reason, interval_s):
    pts_us = np.cumsum(np.array([1_000_000, *steps])[: len(scores)], dtype=np.int64)
    scores = np.array(scores, np.float32)
    start = 1_000_000 - margin_us
    end = int(pts_us[-1]) + margin_us if len(pts_us) else 0

    tracker = Tracker(debounce, every_s=interval_s, start_us=start)
    events = []
    for pts, score in zip(pts_us.tolist(), scores, strict=True):
        events += tracker.update(pts, {"fox": float(score)})
    events += tracker.finish(reason, end_us=end)
    streamed = [event.sighting for event in events if event.kind == "closed"]

    assert (
        replay(
            ScoreSeries.from_arrays(
                "fox",
                pts_us,
                scores,
                interval_s=interval_s,
                start_us=start,
                end_us=end,
                end_reason=reason,
            ),
            debounce,
        )
        == streamed
    )
