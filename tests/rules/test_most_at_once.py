"""The largest number of boxes of a label on one sample."""

import numpy as np
import pytest

import lab
from lab.app.server.state import AppState
from lab.config import Config
from lab.rules.most_at_once import most_at_once
from tests.builders import make_box_run

LEFT, RIGHT = (0, 0, 20, 20), (70, 0, 90, 20)


def cats(*confidences, box=LEFT):
    return [("cat", confidence, box) for confidence in confidences]


@pytest.fixture
def run(tmp_path):
    """Two cats and a dog, then four cats of whom one is weak; one sample lies between."""
    found = [
        [],
        cats(0.9),
        [*cats(0.9, 0.8), ("dog", 0.9, RIGHT)],
        cats(0.9),
        [],
        cats(0.9, 0.8, 0.7, 0.2),
        [*cats(0.9), *cats(0.9, box=RIGHT)],
        [],
    ]
    return make_box_run(tmp_path, found, ["cat", "dog"], every_s=1.0)


def counted(run, rule):
    return most_at_once(run.find(rule), run.log, lab.Rule.coerce(rule), media=run.media)


ONE = {"enter_threshold": 0.5, "enter_frames": 1, "exit_frames": 1}


def test_each_sighting_has_its_own_largest_number(run):
    assert [s.label for s in run.find(lab.Debounce(**ONE))] == ["cat", "cat", "dog"]
    assert counted(run, lab.Debounce(**ONE)) == [2, 3, 1]


def test_a_box_counts_from_the_enter_threshold_on(run):
    assert counted(run, lab.Debounce(**{**ONE, "enter_threshold": 0.75})) == [2, 2, 1]
    low = lab.Debounce(**{**ONE, "enter_threshold": 0.1})
    assert counted(run, low) == [2, 4, 1]


def test_boxes_that_the_filter_stops_do_not_count(run):
    left = [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]
    rule = lab.Rule.from_dict({"default": {"debounce": ONE, "box_filter": {"include": [left]}}})
    assert counted(run, rule) == [2, 3]
    rule = lab.Rule.from_dict({"default": {"debounce": ONE, "box_filter": {"exclude": [left]}}})
    assert counted(run, rule) == [1, 1]


def test_no_sighting_has_none(run):
    assert counted(run, lab.Debounce(enter_threshold=0.99)) == []


def test_it_is_that_of_a_count_by_hand(tmp_path):
    random = np.random.default_rng(1)
    found = [cats(*random.uniform(0.05, 1, random.integers(0, 6))) for _ in range(200)]
    run = make_box_run(tmp_path, found, ["cat"])
    rule = lab.Debounce(enter_threshold=0.6, enter_frames=2, exit_frames=3)
    rows = run.detections()
    strong = rows[rows.confidence >= np.float32(0.6)]
    by_hand = [
        strong[strong.pts_s.between(s.onset_s - 1e-9, s.offset_s + 1e-9)].groupby("pts_s").size()
        for s in run.find(rule)
    ]
    assert counted(run, rule) == [int(sizes.max()) for sizes in by_hand]
    assert len(by_hand) > 5


def test_the_player_gets_it_for_each_sighting_each_label_and_in_all(run):
    app_state = AppState(Config(store=run.store.folder))
    try:
        answer = app_state.replay(run.run_id, lab.Rule.coerce(lab.Debounce(**ONE)))
    finally:
        app_state.close()
    assert [s["most_at_once"] for s in answer["sightings"]] == [2, 3, 1]
    by_label = {row["label"]: row["most_at_once"] for row in answer["figures"]["by_label"]}
    assert by_label == {"cat": 3, "dog": 1}
    assert answer["figures"]["most_at_once"] == 3
