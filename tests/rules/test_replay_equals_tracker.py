"""The fast form gives what the streaming form gives, on logs built to sit on the limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.rules.replay import replay
from lab.rules.rule import Debounce
from lab.rules.series import ScoreSeries
from lab.rules.tracker import Tracker
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
        merge_gap_s=draw(tenths),
        cooldown_s=draw(tenths),
        cooldown_from=draw(st.sampled_from(["start", "end"])),
    )


LOGS = given(
    debounce=debounces(),
    scores=st.lists(st.sampled_from(ON_THE_LIMITS), max_size=60),
    steps=st.lists(st.sampled_from([100_000, 100_000, 100_000, 300_000, 99_999]), min_size=60),
    margin_us=st.sampled_from([0, 50_000]),
    reason=st.sampled_from(["end", "cancelled", "error"]),
)


@examples(400)
@LOGS
def test_replay_gives_the_trackers_sightings(debounce, scores, steps, margin_us, reason):
    check_replay(debounce, scores, steps, margin_us, reason)


@pytest.mark.long
@examples(2500)
@LOGS
def test_a_long_search_finds_no_replay_that_differs(debounce, scores, steps, margin_us, reason):
    check_replay(debounce, scores, steps, margin_us, reason)


def check_replay(debounce, scores, steps, margin_us, reason):
    pts_us = np.cumsum(np.array([1_000_000, *steps])[: len(scores)], dtype=np.int64)
    scores = np.array(scores, np.float32)
    start = 1_000_000 - margin_us
    end = int(pts_us[-1]) + margin_us if len(pts_us) else 0

    tracker = Tracker(debounce, start_us=start)
    events = []
    for pts, score in zip(pts_us.tolist(), scores, strict=True):
        events += tracker.update(pts, {"fox": float(score)})
    events += tracker.finish(reason, end_us=end)
    streamed = [event.sighting for event in events if event.kind == "closed"]

    assert (
        replay(
            ScoreSeries.from_arrays(
                "fox", pts_us, scores, start_us=start, end_us=end, end_reason=reason
            ),
            debounce,
        )
        == streamed
    )
