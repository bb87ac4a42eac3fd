"""A against B: what was gained, lost, split, merged, shifted; agreement; the gain in F1."""

import numpy as np
import pytest

import lab
from lab.evaluation.truth import Truth
from lab.formats.placing import whole
from lab.rules.rule import Debounce
from tests.builders import make_run, make_truth, scores_of

EACH = Debounce(enter_threshold=0.5, enter_frames=1, exit_frames=1)


def test_each_kind_of_difference(tmp_path):
    a = make_run(
        tmp_path,
        scores_of(120, [(5, 8), (20, 40), (50, 53), (56, 60), (80, 90), (100, 103)]),
        every_s=1.0,
    )
    b = make_run(
        tmp_path,
        scores_of(120, [(20, 27), (32, 40), (50, 60), (85, 90), (100, 103), (110, 112)]),
        every_s=1.0,
        weights="b",
    )
    found = lab.compare(a, b, rule_a=EACH)
    assert [(d.kind, d.start_us // 1_000_000) for d in found.differences] == [
        ("lost", 5), ("split", 20), ("merged", 50), ("shifted", 80), ("gained", 110)]  # fmt: skip
    assert found.sightings == {"a": 6, "b": 6}
    assert any("protocols differ" in n for n in found.notes)
    assert found.scores.shape == (120, 2)


def test_a_run_agrees_with_itself(tmp_path):
    run = make_run(tmp_path, scores_of(60, [(5, 8), (20, 40)]), every_s=1.0)
    found = lab.compare(run, run, rule_a=EACH)
    assert found.differences == ()
    assert found.agreement["same"] == 1.0
    assert found.agreement["kappa"] == 1.0
    assert (found.scores[:, 0] == found.scores[:, 1]).all()


def test_samplings_may_differ(tmp_path):
    dense = make_run(tmp_path, scores_of(300, [(50, 100)]), every_s=0.2)
    sparse = make_run(tmp_path, scores_of(60, [(10, 20)]), every_s=1.0, weights="b")
    found = lab.compare(dense, sparse, rule_a=EACH)
    assert found.differences == ()
    assert len(found.scores) > 250


def test_the_gain_in_f1_is_paired_over_clips(tmp_path):
    rng = np.random.default_rng(0)
    one, two, marks, cover = [], [], [], []
    for i in range(8):
        seen = [(5, 8), (20, 25)]
        one.append(make_run(tmp_path, scores_of(60, [*seen, (40, 42)]), every_s=1.0, name=f"c{i}"))
        two.append(
            make_run(
                tmp_path,
                scores_of(60, seen if rng.random() < 0.9 else seen[:1]),
                every_s=1.0,
                name=f"c{i}",
                weights="b",
            )
        )
        marks += make_truth(one[-1], *seen).annotations
        cover.append(whole(one[-1].media, "x"))
    found = lab.compare(one, two, rule_a=EACH, truth=Truth.from_records(marks, cover))
    assert found.f1["gain"] > 0.1
    assert found.f1["gain_interval"][0] > 0
    assert found.f1["clips"] == 8


def test_runs_without_a_common_clip_are_refused(tmp_path):
    a = make_run(tmp_path, scores_of(60, [(5, 8)]), every_s=1.0, name="a")
    b = make_run(tmp_path, scores_of(60, [(5, 8)]), every_s=1.0, name="b")
    with pytest.raises(ValueError, match="no clip in common"):
        lab.compare(a, b)
    with pytest.raises(ValueError, match="has no label 'y'"):
        lab.compare(a, a, label="y")
