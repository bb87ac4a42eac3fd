"""Settings are said in the words of the sliders, with few digits."""

import pytest

from lab.rules.box_filter import BoxFilter
from lab.rules.rule import Debounce, LabelRule, rule_parameters
from lab.rules.wording import changes_in_words, rule_in_words, score_in_words, setting_in_words


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("exit_threshold", 0.1911, "Exit below 0.19"),
        ("enter_threshold", 0.0594, "Enter at 0.059"),
        ("enter_frames", 1, "Enter after 1 sample"),
        ("enter_window", 5.0, "Of the last 5 samples"),
        ("enter_s", 0.6, "Enter after 0.6 s"),
        ("merge_gap_s", 2.0, "Merge gap 2 s"),
        ("cooldown_from", "end", "Counted from the end"),
        ("gap_policy", "close", "At a gap close"),
        ("min_area_fraction", 0.005, "Smallest area 0.5 % of the picture"),
        ("exclude", [[(0, 0), (0, 1), (1, 1)]], "Exclusions 1 polygon"),
    ],
)
def test_a_setting_has_the_name_of_its_slider(name, value, words):
    assert setting_in_words(name, value) == words


def test_no_word_of_a_setting_is_a_name_of_the_code():
    for name, declared in rule_parameters().items():
        value = {"polygons": [], "choice": "start"}.get(declared.kind, 1)
        assert "_" not in setting_in_words(name, value)


@pytest.mark.parametrize(
    ("score", "words"),
    [(0.8671, "0.87"), (0.004, "0.004"), (0.9985, "0.999"), (1.0, "1.00")],
)
def test_a_score_has_two_digits_unless_it_would_read_as_none_or_certain(score, words):
    assert score_in_words(score) == words


def test_a_rule_is_one_sentence_without_what_does_nothing():
    rule = LabelRule(debounce=Debounce(enter_threshold=0.43, exit_threshold=0.2, merge_gap_s=2))
    assert rule_in_words(rule) == (
        "Enter at 0.43, exit below 0.20, enter after 3 samples, exit after 5 samples, merge gap 2 s"
    )


def test_seconds_take_the_place_of_counts():
    rule = LabelRule(debounce=Debounce(enter_s=0.6, exit_s=2))
    assert rule_in_words(rule) == (
        "Enter at 0.40, exit below 0.40, enter after 0.6 s, exit after 2 s"
    )


def test_changes_are_those_from_another_rule():
    before = LabelRule()
    after = before.changed(exit_threshold=0.1911, min_duration_s=1, min_area_fraction=0.01)
    assert rule_in_words(after, before) == (
        "Exit below 0.19, at least 1 s, smallest area 1 % of the picture"
    )
    assert rule_in_words(before, before) == ""
    assert rule_in_words(before, after).startswith("Exit below 0.40, at least 0 s")
    assert after.box_filter == BoxFilter(min_area_fraction=0.01)


def test_a_window_that_follows_its_count_is_not_said():
    before = LabelRule()
    assert rule_in_words(before.changed(enter_frames=2), before) == "Enter after 2 samples"
    wider = before.changed(enter_window=6)
    assert rule_in_words(wider, before) == "Of the last 6 samples"
    assert rule_in_words(before, wider) == "Of the last 3 samples"


def test_settings_are_said_in_the_order_of_the_sliders():
    given = {"min_duration_s": 1.5, "enter_threshold": 0.5}
    assert changes_in_words(given) == "Enter at 0.50, at least 1.5 s"
