"""What changed from one rule to another is said in the words of the sliders."""

import dataclasses

import pytest

from lab.rules.debounce import Debounce
from lab.rules.rule import LabelRule, Rule, rule_parameters
from lab.rules.rule_changes import rule_changes

ZONE = [[(0, 0), (0, 1), (1, 1)]]
START = Rule()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, []),
        ({"enter_threshold": 0.55}, ["Enter at 0.40 → 0.55"]),
        (
            {"enter_threshold": 0.55, "exit_threshold": 0.1911},
            ["Enter at 0.40 → 0.55", "Exit below 0.40 → 0.19"],
        ),
        ({"enter_threshold": 0.4001}, ["Enter at 0.4 → 0.4001"]),
        ({"enter_frames": 1}, ["Enter after 3 samples → 1 sample"]),
        ({"enter_frames": 2, "enter_window": 5}, ["Enter after 3 samples → 2 samples",
                                                  "Of the last 3 samples → 5 samples"]),
        ({"exit_s": 2}, ["Exit after 5 samples → 2 s"]),
        ({"merge_gap_s": 2}, ["Merge gap 0 s → 2 s"]),
        ({"cooldown_from": "end"}, ["Counted from the start → from the end"]),
        ({"gap_policy": "close"}, ["At a gap hold → close"]),
        ({"include": ZONE}, ["Zones 0 polygons → 1 polygon"]),
    ],
)  # fmt: skip
def test_a_change_has_the_name_of_its_slider(settings, words):
    assert rule_changes(START, START.changed(**settings)) == words


def test_zones_that_are_as_many_are_drawn_otherwise():
    before, after = START.changed(include=ZONE), START.changed(include=[[(0, 0), (1, 0), (1, 1)]])
    assert rule_changes(before, after) == ["Zones drawn otherwise"]


def test_changes_of_labels_are_said_with_the_label():
    own = LabelRule(debounce=Debounce(enter_threshold=0.7))
    after = dataclasses.replace(START, labels={"قط": own}, only=("dog", "قط"))
    assert rule_changes(START, after) == ["قط: Enter at 0.40 → 0.70", "Labels all → dog, قط"]
    assert rule_changes(after, START) == ["قط: Enter at 0.70 → 0.40", "Labels dog, قط → all"]


def test_no_change_is_said_by_a_name_of_the_code():
    """Of every setting, whatever is declared later."""
    other = {"score": 0.3, "samples": 7, "seconds": 3, "fraction": 0.5,
             "polygons": ZONE}  # fmt: skip
    for name, declared in rule_parameters().items():
        (first, *_) = rule_changes(
            START, START.changed(**{name: other.get(declared.kind) or declared.choices[-1]})
        )
        assert "_" not in first
        assert "→" in first
