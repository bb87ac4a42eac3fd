"""Every report that can leave a figure out says why."""

import numpy as np
import pytest

import lab
from lab.annotation import Annotation, Coverage
from lab.rules.rule import Debounce
from lab.tuning.audit import draw, estimate
from tests.builders import make_run, make_truth, scores_of

EACH = Debounce(enter_threshold=0.5, enter_frames=1, exit_frames=1)


def unexplained(row):
    """Figures that are null in a row and have no reason, nor has the figure that they belong to."""
    ends = ("_interval", "_low", "_high")
    of = {
        name: next((name.removesuffix(e) for e in ends if name.endswith(e)), name) for name in row
    }
    refused = row["refused"]
    return [n for n, v in row.items() if v is None and n not in refused and of[n] not in refused]


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path, {"x": scores_of(60, [(5, 8)]), "y": np.zeros(60)}, every_s=1.0)


def test_phrases_say_why_a_figure_is_missing(run):
    annotated = lab.compare_phrases(run, ["x", "y"], EACH, make_truth(run, (5, 8)), "x")
    of_y = annotated.rows[1]
    assert of_y["precision"] is None
    assert "no sighting" in of_y["refused"]["precision"]
    assert "0 on every sample" in of_y["refused"]["peak_s"]
    without = lab.compare_phrases(run, ["x", "y"], EACH)
    assert "to measure against" in without.rows[0]["refused"]["recall"]
    for row in (*annotated.rows, *without.rows):
        names = set(row) - ({"tp", "fp", "fn"} if row["tp"] is None else set())
        assert unexplained({name: row[name] for name in names}) == []


def test_a_sweep_and_its_advice_say_why_a_figure_is_missing(run):
    swept = lab.sweep(run, make_truth(run), label="x")
    row = swept.row(0)
    assert row["recall"] is None
    assert "no annotation" in row["refused"]["recall"]
    assert unexplained(row) == []
    advice = lab.recommend(swept).to_dict()
    assert unexplained(advice["fitted"]) == []


def test_thinning_says_why_a_figure_is_missing(run):
    for truth in (make_truth(run), make_truth(run, (30, 40)), make_truth(run, (5, 8))):
        for row in lab.thin(run, truth, EACH, label="x"):
            assert unexplained(row) == []
    cut = lab.Truth.from_records(
        make_truth(run, (5, 8)).annotations,
        [Coverage(media_id=run.media["media_id"], label="x", start_us=6_000_000, end_us=7_000_000)],
    )
    row = lab.thin(run, cut, EACH, label="x")[0]
    assert row["recall"] == 1.0
    assert "cut" in row["refused"]["duration_bias_s"]
    assert unexplained(row) == []


def test_a_comparison_says_why_a_figure_is_missing(run):
    found = lab.compare(run, run, rule_a=EACH, label="y", truth=make_truth(run, label="y"))
    assert found.agreement["kappa"] is None
    assert set(found.agreement["refused"]) == {"kappa", "presence_iou"}
    assert unexplained(found.agreement) == []
    assert set(found.f1["refused"]) == {"a", "b", "gain_interval"}
    assert unexplained(found.f1) == []


def test_annotators_who_never_saw_it_have_no_kappa_and_are_told_why(run):
    media_id = run.media["media_id"]
    watched = [
        Coverage(media_id=media_id, label="x", start_us=0, end_us=30_000_000, annotator=name)
        for name in ("ann", "ben")
    ]
    found = lab.agreement([], watched, "ann", "ben")
    assert found["overall"]["kappa"] is None
    assert "beyond chance" in found["overall"]["refused"]["kappa"]
    marks = [
        Annotation(media_id=media_id, label="x", start_us=0, end_us=9_000_000, annotator=name)
        for name in ("ann", "ben")
    ]
    found = lab.agreement(marks, watched, "ann", "ben")
    assert (found["overall"]["kappa"], found["overall"]["refused"]) == (1.0, {})


def test_an_audit_says_why_a_figure_is_missing():
    strata = draw({f"m{i}": i / 20 for i in range(20)}, 0.5, 8, 1)
    drawn = [m for s in strata for m in s.drawn]
    nothing = estimate(strata, {}, {})
    assert "watch" in nothing["refused"]["recall"]
    assert unexplained(nothing) == []
    one_each = {s.drawn[0]: (1, 1, 0) for s in strata}
    row = estimate(strata, one_each, dict.fromkeys(one_each, 0.1))
    assert row["recall"] == 1.0
    assert "only one" in row["refused"]["recall_interval"]
    assert unexplained(row) == []
    empty = estimate(strata, dict.fromkeys(drawn, (0, 0, 0)), dict.fromkeys(drawn, 0.1))
    assert "sighting" in empty["refused"]["precision"]
    assert unexplained(empty) == []
