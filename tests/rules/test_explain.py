"""Why, at one moment: the same as in the trace of everything."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lab.rules.explain import explain, explain_at
from lab.rules.rule import Debounce, LabelRule
from lab.rules.series import ScoreSeries
from tests.random_examples import examples


@examples(100)
@given(
    scores=st.lists(
        st.sampled_from([None, 0.0, 0.0, 0.0, 0.2, 0.4, 0.6, 0.8]), min_size=1, max_size=50
    ),
    enter=st.integers(1, 3), more=st.integers(0, 2), leave=st.integers(1, 3),
    gap=st.sampled_from([0.0, 3.0]), shortest=st.sampled_from([0.0, 2.0]),
    cooldown=st.sampled_from([0.0, 8.0, 30.0]), since=st.sampled_from(["start", "end"]),
    at_gap=st.sampled_from(["hold", "close"]), interval_s=st.sampled_from([1.0, 0.1]),
)  # fmt: skip
def test_one_moment_is_explained_as_in_the_trace_of_all(
    scores, enter, more, leave, gap, shortest, cooldown, since, at_gap, interval_s
):
    scored = np.array([score is not None for score in scores])
    series = ScoreSeries(
        label="x", sample_pts_us=np.arange(len(scores)) * 1_000_000, scored=scored,
        scores=np.array([s for s in scores if s is not None], np.float32),
        interval_s=interval_s, start_us=0, end_us=len(scores) * 1_000_000,
    )  # fmt: skip
    rule = LabelRule(
        debounce=Debounce(
            enter_threshold=0.5, exit_threshold=0.3, enter_frames=enter, enter_window=enter + more,
            exit_frames=leave, merge_gap_s=gap, min_duration_s=shortest, cooldown_s=cooldown,
            cooldown_from=since, gap_policy=at_gap,
        )
    )  # fmt: skip
    trace = explain(series, rule)
    assert explain_at(series, rule, -1) is None
    for i, row in enumerate(trace):
        assert explain_at(series, rule, i * 1_000_000 + 400_000) == row


def test_a_moment_of_a_day_is_explained_from_its_surroundings(monkeypatch):
    n = 172_800
    scores = np.where(np.arange(n) % 100 < 9, 0.8, 0.0)
    series = ScoreSeries.from_arrays("x", np.arange(n) * 500_000, scores, interval_s=0.5)
    fed = []
    update = "lab.rules.tracker.LabelTracker.update"
    from lab.rules.tracker import LabelTracker

    original = LabelTracker.update
    monkeypatch.setattr(update, lambda *given: fed.append(1) or original(*given))
    rule = LabelRule(debounce=Debounce(enter_threshold=0.5, merge_gap_s=2))
    assert explain_at(series, rule, 60_000_000_000)["state"]
    assert len(fed) < 200


def test_a_gap_that_breaks_something_off_is_said():
    pts_us = np.array([0, 1, 2, 12, 13, 23, 24]) * 1_000_000
    series = ScoreSeries.from_arrays("x", pts_us, [0.8, 0.8, 0.8, 0.8, 0, 0, 0], interval_s=1.0)
    settings = {"enter_threshold": 0.5, "enter_frames": 2, "exit_frames": 2}
    close = LabelRule(debounce=Debounce(gap_policy="close", **settings))
    rows = explain(series, close)
    assert [row["state"] for row in rows[2:4]] == ["open", "entering"]
    assert "nothing was analysed for 10.0 s: the sighting ended before it" in rows[3]["reason"]
    hold = explain(series, LabelRule(debounce=Debounce(**settings)))
    assert hold[3]["state"] == "open"
    assert not any("nothing was analysed" in row["reason"] for row in [*hold, *rows[6:]])
