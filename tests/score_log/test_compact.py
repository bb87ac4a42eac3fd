"""A log without its boxes says of the scores what the log says."""

import numpy as np
import pytest

from lab.errors import SettingError
from lab.rules.box_filter import BoxFilter
from lab.rules.series import ScoreSeries
from lab.score_log.compact import CompactLog
from tests.builders import make_run

SCORES = {
    "x": [0.2, 0.9, np.nan, 0.0, 0.7, 0.9],
    "y": [0.0, 0.3, np.nan, 0.3, 0.0, 0.0],
    "never": [0.0, 0.0, np.nan, 0.0, 0.0, 0.0],
}


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path, SCORES)


def test_scores_samples_and_reasons_are_those_of_the_log(run):
    log, compact = run.log, CompactLog.of(run.log)
    for label in SCORES:
        assert np.array_equal(compact.scores(label), log.scores(label))
        assert np.array_equal(compact.pts_of(label), log.pts_of(label))
        assert compact.reasons_of(label) == log.reasons_of(label)
    assert compact.end_us(10**7, "failed") == log.end_us(10**7, "failed")
    with pytest.raises(SettingError, match="no label 'zebra'"):
        compact.scores("zebra")


def test_labels_that_were_added_later_have_their_own_samples(run):
    missing = np.array([False, True, False, False, False, True])
    log = run.log.__class__(**{**vars(run.log), "missing": {"y": missing}})
    assert np.array_equal(CompactLog.of(log).scores("y"), log.scores("y"))
    assert len(CompactLog.of(log).scores("y")) == 3


def test_a_filter_of_boxes_needs_the_boxes(run):
    few = BoxFilter(min_area_fraction=0.5)
    facts = {"recipe": run.recipe, "media": run.media}
    with pytest.raises(ValueError, match="no boxes"):
        ScoreSeries.from_log(CompactLog.of(run.log), "x", few, **facts)
    assert ScoreSeries.from_log(run.log, "x", few, **facts).scores.max() == 0


def test_a_run_gives_its_boxes_back_and_reads_them_again(run):
    before, rule = run.find(), run.default_rule
    assert not run.has_boxes  # replaying a rule needs none
    boxes = run.log.box_xyxy_px
    run.drop_boxes()
    assert not run.has_boxes
    assert run.find(rule) == before
    assert np.array_equal(run.log.box_xyxy_px, boxes)
