"""Every rule of the tracker, worked by hand. One sample a second; over is 0.5 or more."""

import pytest

from lab.rules.rule import Debounce, Rule, SettingError
from lab.rules.tracker import Tracker
from tests.builders import closed, run_tracker

S = 1_000_000
A, U, M = 0.9, 0.0, 0.4  # over, under; M is between where exit_threshold is 0.3


def times(sighting):
    names = ("onset", "confirmed", "offset", "closed")
    return tuple(getattr(sighting, f"{n}_us") // S for n in names)


@pytest.mark.parametrize(
    ("scores", "settings", "expected"),
    [
        # rule 2: consecutive over samples open; the onset is the first of them
        ([U, A, A, A, U, U], {"enter_frames": 3, "exit_frames": 2}, [(1, 3, 3, 5)]),
        ([U, A, A, U, A, A, U], {"enter_frames": 3, "exit_frames": 1}, []),
        # a score exactly on the threshold is over
        ([U, 0.5, U], {"enter_frames": 1, "exit_frames": 1}, [(1, 1, 1, 2)]),
        # an unfinished streak at the end yields nothing
        ([U, U, A, A], {"enter_frames": 3, "exit_frames": 1}, []),
        # k of n: 2 of the last 3
        ([A, U, A, U], {"enter_frames": 2, "enter_window": 3, "exit_frames": 1}, [(0, 2, 2, 3)]),
        ([A, U, U, A, U], {"enter_frames": 2, "enter_window": 3, "exit_frames": 1}, []),
        # the window begins anew after a close: the over sample at 1 does not count again
        (
            [A, A, U, A, U, U],
            {"enter_frames": 2, "enter_window": 3, "exit_frames": 1},
            [(0, 1, 1, 2)],
        ),
        # rule 1: between the thresholds breaks an entering streak...
        (
            [A, M, A, A, U],
            {"exit_threshold": 0.3, "enter_frames": 2, "exit_frames": 1},
            [(2, 3, 3, 4)],
        ),
        # ...and a leaving one, and holds the offset
        (
            [A, U, M, U, U],
            {"exit_threshold": 0.3, "enter_frames": 1, "exit_frames": 2},
            [(0, 0, 2, 4)],
        ),
        # rule 3: so many consecutive under samples
        ([A, U, U, A, U, U, U], {"enter_frames": 1, "exit_frames": 3}, [(0, 0, 3, 6)]),
        # rule 5: the end closes what is open
        ([U, A, A], {"enter_frames": 1, "exit_frames": 2}, [(1, 1, 2, 2)]),
        # rule 6: merging within the gap, counted from offset to onset
        (
            [A, U, U, A, U, U],
            {"enter_frames": 1, "exit_frames": 2, "merge_gap_s": 3},
            [(0, 0, 3, 5)],
        ),
        (
            [A, U, U, A, U, U],
            {"enter_frames": 1, "exit_frames": 2, "merge_gap_s": 2.9},
            [(0, 0, 0, 2), (3, 3, 3, 5)],
        ),
        # an entering streak begun within the gap may finish beyond it
        ([A, U, A, A, U], {"enter_frames": 1, "exit_frames": 1, "merge_gap_s": 2}, [(0, 0, 3, 4)]),
        (
            [A, A, U, A, A, U],
            {"enter_frames": 2, "exit_frames": 1, "merge_gap_s": 2},
            [(0, 1, 4, 5)],
        ),
        # a broken streak makes the end final
        (
            [A, A, U, A, U, A, A, U],
            {"enter_frames": 2, "exit_frames": 1, "merge_gap_s": 2},
            [(0, 1, 1, 2), (5, 6, 6, 7)],
        ),
        # rule 7: dropped after merging, not before
        ([A, U, A, U], {"enter_frames": 1, "exit_frames": 1, "min_duration_s": 1}, []),
        (
            [A, U, A, U],
            {"enter_frames": 1, "exit_frames": 1, "min_duration_s": 2, "merge_gap_s": 2},
            [(0, 0, 2, 3)],
        ),
        ([A, A, U], {"enter_frames": 1, "exit_frames": 1, "min_duration_s": 1}, [(0, 0, 1, 2)]),
        # failed samples move no streak
        ([A, None, A, None, A, U, None, U], {"enter_frames": 3, "exit_frames": 2}, [(0, 4, 4, 7)]),
    ],
)
def test_sightings(scores, settings, expected):
    assert [times(s) for s in closed(run_tracker(scores, **settings))] == expected


def test_the_brackets_are_the_samples_around():
    (s,) = closed(run_tracker([U, A, A, U, U], enter_frames=1, exit_frames=2))
    assert (s.onset_earliest_us, s.offset_latest_us) == (0, 3 * S)


def test_the_bracket_skips_a_failed_sample():
    (s,) = closed(run_tracker([U, None, A, None, U], enter_frames=1, exit_frames=1))
    assert (s.onset_earliest_us, s.offset_latest_us) == (0, 4 * S)


def test_the_peak_is_the_earliest_highest_and_counts_the_entering_samples():
    (s,) = closed(run_tracker([0.95, 0.6, 0.95, U], enter_frames=3, exit_frames=1))
    assert (s.peak_us, s.peak_confidence) == (0, 0.95)


def test_the_peak_of_a_merged_sighting_includes_the_gap():
    scores = [0.6, 0.6, U, 0.99, U, 0.6, 0.6, U]
    (s,) = closed(run_tracker(scores, enter_frames=2, exit_frames=1, merge_gap_s=4))
    assert s.peak_us == 3 * S


@pytest.mark.parametrize("reason", ["end", "cancelled", "error"])
def test_what_is_open_when_samples_stop_is_censored(reason):
    (s,) = closed(run_tracker([U, A, A], reason=reason, enter_frames=1, end_us=5 * S))
    assert (s.close_reason, s.censored_right, s.offset_latest_us) == (reason, True, 5 * S)


def test_a_pending_end_stays_an_exit_when_the_media_ends():
    (s,) = closed(run_tracker([A, U], enter_frames=1, exit_frames=1, merge_gap_s=9))
    assert (s.close_reason, s.censored_right) == ("exit", False)


def test_an_onset_at_the_first_sample_is_censored():
    first, second = closed(run_tracker([A, U, A, U], enter_frames=1, exit_frames=1))
    assert (first.censored_left, second.censored_left) == (True, False)


def alerts(scores, **settings):
    return [e.pts_us // S for e in run_tracker(scores, **settings) if e.kind == "alerted"]


def test_a_cooldown_silences_the_alert_and_keeps_the_sighting():
    events = run_tracker([A, U, A, U], enter_frames=1, exit_frames=1, cooldown_s=10)
    assert [s.alert_us for s in closed(events)] == [0, None]


def test_a_sighting_that_outlasts_the_cooldown_alerts_then():
    assert alerts([A, U, A, A, A, U], enter_frames=1, exit_frames=1, cooldown_s=4) == [0, 4]


def test_a_cooldown_may_count_from_the_end_of_the_alerted_sighting():
    scores = [A, A, A, U, A, A, U]
    assert alerts(scores, enter_frames=1, exit_frames=1, cooldown_s=2) == [0, 4]
    assert alerts(scores, enter_frames=1, exit_frames=1, cooldown_s=3, cooldown_from="end") == [
        0,
        5,
    ]


def test_the_continuation_of_an_alerted_sighting_never_alerts_again():
    assert alerts([A, U, A, U], enter_frames=1, exit_frames=1, merge_gap_s=5) == [0]


def test_a_sighting_is_announced_once_it_has_lasted():
    events = run_tracker([A, A, A, U], enter_frames=1, exit_frames=1, min_duration_s=2)
    assert [(e.kind, e.pts_us // S) for e in events] == [
        ("opened", 2),
        ("alerted", 2),
        ("closed", 3),
    ]


def test_one_labels_end_and_anothers_start_on_one_sample_are_both_told():
    tracker = Tracker(Debounce(enter_threshold=0.5, enter_frames=1, exit_frames=1))
    tracker.update(0, {"deer": A, "fox": U})
    events = tracker.update(S, {"deer": U, "fox": A})
    assert [(e.kind, e.label) for e in events] == [
        ("closed", "deer"),
        ("opened", "fox"),
        ("alerted", "fox"),
    ]


def test_events_come_closed_then_opened_then_alerted_with_labels_sorted():
    tracker = Tracker(Debounce(enter_threshold=0.5, enter_frames=1, exit_frames=1))
    tracker.update(0, {"b": A, "a": A, "d": U, "c": U})
    events = tracker.update(S, {"b": U, "a": U, "d": A, "c": A})
    assert [e.kind[0] + e.label for e in events] == ["ca", "cb", "oc", "od", "ac", "ad"]


def test_each_label_may_have_a_rule_of_its_own():
    rule = Rule.from_dict(
        {"labels": {"fox": {"debounce": {"enter_threshold": 0.2, "enter_frames": 1}}}}
    )
    tracker = Tracker(rule)
    assert [
        e.label for e in tracker.update(0, {"fox": 0.3, "deer": 0.3}) if e.kind == "opened"
    ] == ["fox"]


@pytest.mark.parametrize("score", [float("nan"), -0.1, 1.1])
def test_a_score_that_is_none_is_refused(score):
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        Tracker().update(0, {"x": score})


def test_time_must_rise():
    tracker = Tracker()
    tracker.update(5, {"x": 0.0})
    with pytest.raises(ValueError, match="must rise"):
        tracker.update(5, {"x": 0.0})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"enter_threshold": 0}, r"enter_threshold must be in \(0, 1\], got 0"),
        ({"enter_threshold": 1.5}, r"in \(0, 1\]"),
        ({"enter_threshold": 0.3, "exit_threshold": 0.4}, "at most enter_threshold"),
        ({"enter_frames": 0}, "1 or more, got 0"),
        ({"exit_frames": 1.5}, "whole number"),
        ({"enter_frames": 3, "enter_window": 2}, r"at least enter_frames \(3\)"),
        ({"min_duration_s": -1}, "0 or more"),
        ({"cooldown_s": float("inf")}, "finite"),
        ({"cooldown_from": "middle"}, "start or end"),
        ({"enter_treshold": 0.4}, "did you mean|known:"),
    ],
)
def test_a_rule_out_of_range_is_refused_at_birth(settings, words):
    with pytest.raises(SettingError, match=words):
        Debounce.from_dict(settings)


def test_seconds_become_samples_of_the_runs_sampling():
    d = Debounce(enter_s=0.5, exit_s=0.6).resolved(0.2)
    assert (d.enter_frames, d.enter_window, d.exit_frames) == (3, 3, 3)
    assert Debounce(enter_s=0.0).resolved(0.2).enter_frames == 1


def test_a_threshold_below_the_floor_is_refused():
    with pytest.raises(SettingError, match="below the run's score floor"):
        Rule.coerce(Debounce(enter_threshold=0.01)).check_floor(0.05)


def test_a_rule_survives_its_own_dictionary():
    rule = Rule.from_dict(
        {
            "default": {
                "debounce": {"confidence_threshold": 0.3},
                "box_filter": {"min_area_fraction": 0.1},
            },
            "labels": {"fox": {"box_filter": {"include": [[[0, 0], [1, 0], [1, 1]]]}}},
            "only": ["fox"],
        }
    )
    assert Rule.from_dict(rule.to_dict()) == rule
    assert Rule.from_dict(rule.to_dict()).rule_hash == rule.rule_hash


CLOSING = Debounce(
    enter_threshold=0.5, exit_threshold=0.3, enter_frames=2, exit_frames=3, gap_policy="close"
)


def told_at(samples, debounce=CLOSING, **settings):
    """Closed sightings and the moments at which they are told; samples: second to score."""
    tracker = Tracker(debounce, every_s=1.0, **settings)
    told = [
        (event.pts_us // S, event.sighting)
        for at, score in samples.items()
        for event in tracker.update(at * S, {"fox": score})
        if event.kind == "closed"
    ]
    return told, [event.sighting for event in tracker.finish("end")]


def test_a_gap_closes_what_is_open_at_its_last_present_sample():
    told, left = told_at({0: U, 1: A, 2: A, 3: M, 4: U, 10: A, 11: A})
    ((at, fox),) = told
    assert at == 10, "it is told when the next sample is there"
    assert (times(fox), fox.close_reason) == ((1, 2, 3, 4), "gap")
    assert (fox.offset_latest_us, fox.censored_left, fox.censored_right) == (4 * S, False, True)
    (after,) = left
    assert (times(after), after.censored_left) == ((10, 11, 11, 11), True)
    assert after.onset_earliest_us == 10 * S


def test_evidence_that_ends_with_a_present_sample_ends_there():
    ((_, fox),), _ = told_at({0: A, 1: A, 7: U})
    assert (fox.offset_us, fox.offset_latest_us, fox.closed_us) == (S, S, S)


def test_five_intervals_are_no_gap_and_without_the_setting_none_is():
    samples = {0: A, 1: A, 6: A, 7: U, 8: U, 9: U}
    ((at, fox),), _ = told_at(samples)
    assert (at, fox.close_reason, times(fox)) == (9, "exit", (0, 1, 6, 9))
    wide = {0: A, 1: A, 60: A}
    assert told_at(wide)[0]
    assert not told_at(wide, Debounce(enter_threshold=0.5, enter_frames=2))[0]


def test_a_gap_breaks_an_entering_streak():
    assert told_at({0: A, 6: A, 7: U}) == ([], [])
    assert told_at({0: A, 5: A, 6: U})[1]


def test_the_merge_gap_holds_over_a_gap():
    merging = Debounce(
        enter_threshold=0.5, enter_frames=2, exit_frames=3, gap_policy="close", merge_gap_s=9
    )
    told, (fox,) = told_at({0: A, 1: A, 10: A, 11: A}, merging)
    assert not told
    assert (times(fox), fox.close_reason, fox.censored_left) == ((0, 1, 11, 11), "end", True)
    samples = {0: A, 1: A, 10: A, 11: A, 12: U, 13: U, 14: U, 19: U, 24: U}
    ((at, fox),), _ = told_at(samples, merging)
    assert (at, fox.close_reason, fox.censored_right) == (24, "exit", False)
    ((at, cut),), _ = told_at({0: A, 1: A, 11: A, 12: A}, merging)
    assert (at, cut.close_reason) == (11, "gap")


def test_what_a_gate_held_back_is_no_gap():
    tracker = Tracker(CLOSING, every_s=1.0)
    for at in (0, 1):
        tracker.update(at * S, {"fox": A})
    for at in (5, 9, 13):
        tracker.held_back(at * S)
    assert not tracker.update(17 * S, {"fox": A})
    tracker.held_back(24 * S)
    assert [event.kind for event in tracker.update(25 * S, {"fox": U})] == ["closed"]


def test_a_gap_is_remembered_over_a_restart():
    stopped, fresh = Tracker(CLOSING, every_s=1.0), Tracker(CLOSING, every_s=1.0)
    for at in (0, 1):
        stopped.update(at * S, {"fox": A})
    stopped.held_back(20 * S)
    fresh.restore(stopped.state())
    (event,) = fresh.update(21 * S, {"fox": A})
    assert event.sighting.close_reason == "gap"
