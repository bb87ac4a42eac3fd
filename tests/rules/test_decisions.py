"""Each decision names the change that would have turned it, and that change does turn it."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lab
from lab.rules.decisions import decisions
from lab.rules.replay import replay_rows, rows_around
from lab.rules.rule import Debounce, Rule
from lab.rules.series import ScoreSeries
from tests.builders import make_run, scores_of
from tests.random_examples import examples


def of_kind(run, rule, kind):
    rows = run.decisions("x", rule)
    return rows[rows["kind"] == kind].to_dict("records")


def test_the_reasons_and_their_turning_points(tmp_path):
    scores = (
        scores_of(100, [(10, 20), (40, 41)], 0.8)
        + scores_of(100, [(60, 66)], 0.45)
        + scores_of(100, [(80, 90)], 0.7)
    )
    run = make_run(tmp_path, scores, every_s=1.0)
    rule = Debounce(enter_threshold=0.5, enter_frames=3, exit_frames=5, cooldown_s=300)
    short, low = of_kind(run, rule, "not_opened")
    assert "2 over in a row, 3 of 3 needed" in short["reason"]
    assert (short["setting"], short["value"]) == ("enter_frames", 2)
    assert "missed “Enter at” by 0.050" in low["reason"]
    assert low["turned_by"] == f"Enter at {low['value']:g}"
    assert (low["setting"], low["value"]) == ("enter_threshold", pytest.approx(0.45, abs=1e-4))
    silenced = of_kind(run, rule, "silenced")
    assert [(s["setting"], s["value"]) for s in silenced] == [("cooldown_s", 70.0)]
    assert [d["start_s"] for d in of_kind(run, rule, "opened")] == [10, 80]
    assert silenced[0]["turned_by"] == "Cooldown 70 s"
    assert "since the last alert" in silenced[0]["reason"]
    first = of_kind(run, rule, "closed")[0]
    assert first["reason"] == "5 under in a row after 0:20.00"
    assert first["setting"] in ("exit_frames", "merge_gap_s")


def test_merging_and_dropping_are_decisions_too(tmp_path):
    run = make_run(tmp_path, scores_of(60, [(5, 9), (14, 18), (40, 42)], 0.8), every_s=1.0)
    rule = Debounce(
        enter_threshold=0.5, enter_frames=1, exit_frames=2, merge_gap_s=6, min_duration_s=4
    )
    (merged,) = of_kind(run, rule, "merged")
    assert (merged["start_s"], merged["end_s"], merged["setting"]) == (5, 18, "merge_gap_s")
    (dropped,) = of_kind(run, rule, "dropped")
    assert (dropped["setting"], dropped["value"]) == ("min_duration_s", 2.0)


@examples(25)
@given(
    scores=st.lists(st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8]), min_size=30, max_size=30),
    enter=st.integers(1, 3), leave=st.integers(1, 3), gap=st.sampled_from([0.0, 3.0]),
)  # fmt: skip
def test_the_named_change_opens_what_was_not_opened(tmp_path_factory, scores, enter, leave, gap):
    run = make_run(tmp_path_factory.mktemp("d"), scores, every_s=1.0)
    base = Debounce(enter_threshold=0.5, enter_frames=enter, exit_frames=leave, merge_gap_s=gap)
    for d in decisions(run.series("x"), base):
        if d.kind != "not_opened" or d.setting is None:
            continue
        whole = d.setting.endswith(("frames", "window"))
        found = run.find(base.changed(**{d.setting: int(d.value) if whole else d.value}))
        assert any(s.onset_us <= d.end_us and s.offset_us >= d.start_us for s in found), d


def test_unknown_labels_and_low_thresholds_are_refused(tmp_path):
    run = make_run(tmp_path, [0.9] * 10, every_s=1.0)
    with pytest.raises(lab.SettingError, match="no label"):
        run.decisions("y", dataclasses.replace(Rule(), only=("y",)))
    with pytest.raises(lab.SettingError, match="score floor"):
        run.decisions("x", Debounce(enter_threshold=0.01))


@examples(150)
@given(
    scores=st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.2, 0.4, 0.6, 0.8]), min_size=1, max_size=80),
    steps=st.lists(st.sampled_from([1, 1, 2, 4]), min_size=80, max_size=80),
    enter=st.integers(1, 3), more=st.integers(0, 2), leave=st.integers(1, 3),
    low=st.sampled_from([0.2, 0.5]), gap=st.sampled_from([0.0, 3.0, 9.0]),
    shortest=st.sampled_from([0.0, 2.0]), where=st.tuples(st.integers(0, 79), st.integers(0, 79)),
)  # fmt: skip
def test_around_a_stretch_a_rule_finds_what_it_finds_in_the_whole(
    scores, steps, enter, more, leave, low, gap, shortest, where
):
    pts = np.cumsum(steps[: len(scores)]) * 1_000_000
    rule = Debounce(
        enter_threshold=0.5, exit_threshold=low, enter_frames=enter, enter_window=enter + more,
        exit_frames=leave, merge_gap_s=gap, min_duration_s=shortest,
    )  # fmt: skip
    first, last = sorted(min(at, len(scores) - 1) for at in where)
    values = np.array(scores, np.float32)
    rows, count = replay_rows(pts, values, rule)

    def overlapping(rows):
        kept = rows[(rows[:, 0] <= last) & (rows[:, 2] >= first)]
        return np.delete(kept, 5, axis=1).tolist()

    assert overlapping(rows_around(pts, values, rule, first, last)) == overlapping(rows[:count])


def test_the_decisions_of_a_day_are_not_each_tried_on_the_whole_day(monkeypatch):
    n = 172_800
    scores = np.zeros(n, np.float32)
    random = np.random.default_rng(0)
    for begin in random.integers(0, n - 20, 1500).tolist():
        scores[begin : begin + random.integers(2, 20)] = random.uniform(0.4, 0.9)
    series = ScoreSeries.from_arrays("x", np.arange(n) * 500_000, scores, interval_s=0.5)
    replayed = []

    def counted(pts_us, *given):
        replayed.append(len(pts_us))
        return replay_rows(pts_us, *given)

    monkeypatch.setattr("lab.rules.decisions.replay_rows", counted)
    monkeypatch.setattr("lab.rules.replay.replay_rows", counted)
    found = decisions(series, Debounce(enter_threshold=0.5, merge_gap_s=2, cooldown_s=60))
    assert len(found) > 2000
    assert sum(replayed) <= 4 * n
    assert all(d.reason for d in found[:400])
    assert sum(replayed) <= 10 * n


def test_a_sighting_that_a_gap_closed_is_said_to_be():
    pts_us = np.array([0, 1, 2, 3, 20, 21, 22, 23]) * 1_000_000
    series = ScoreSeries.from_arrays("x", pts_us, [0, 0.8, 0.8, 0.8, 0, 0, 0, 0], interval_s=1.0)
    rule = Debounce(enter_threshold=0.5, enter_frames=2, exit_frames=2, gap_policy="close")
    (closed,) = [d for d in decisions(series, rule) if d.kind == "closed"]
    assert closed.reason == "nothing was analysed for 17.00 s: a gap closes it"
    assert (closed.pts_us, closed.end_us) == (3_000_000, 3_000_000)
