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
)  # fmt: skip
def test_one_moment_is_explained_as_in_the_trace_of_all(
    scores, enter, more, leave, gap, shortest, cooldown, since
):
    scored = np.array([score is not None for score in scores])
    series = ScoreSeries(
        label="x", sample_pts_us=np.arange(len(scores)) * 1_000_000, scored=scored,
        scores=np.array([s for s in scores if s is not None], np.float32),
        interval_s=1.0, start_us=0, end_us=len(scores) * 1_000_000,
    )  # fmt: skip
    rule = LabelRule(
        debounce=Debounce(
            enter_threshold=0.5, exit_threshold=0.3, enter_frames=enter, enter_window=enter + more,
            exit_frames=leave, merge_gap_s=gap, min_duration_s=shortest, cooldown_s=cooldown,
            cooldown_from=since,
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
