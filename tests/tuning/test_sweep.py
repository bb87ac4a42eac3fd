"""A sweep counts what `evaluate` counts, rule by rule; the curve is that of every threshold."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

import lab
from lab.evaluation.matching import Matching, edges_of_rows
from lab.rules.replay import replay_rows
from lab.rules.rule import Debounce
from lab.tuning.curve import threshold_curve
from lab.tuning.rule_grid import RuleGrid
from lab.tuning.sweep import load_sweep, sweep_footage
from tests.builders import make_footage, make_run, make_truth
from tests.random_examples import examples

EACH = Debounce(enter_threshold=0.5, enter_frames=1, exit_frames=1)


@st.composite
def cases(draw, n=40):
    scores = draw(st.lists(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.5, 0.8]), min_size=n, max_size=n))
    cuts = sorted(draw(st.sets(st.integers(0, 2 * n), max_size=8)))
    present = [(a / 2, b / 2) for a, b in zip(cuts[::2], cuts[1::2])]
    edges = sorted(draw(st.sets(st.integers(0, n), min_size=2, max_size=4)))
    covered = [(a, b) for a, b in zip(edges[::2], edges[1::2])]
    return scores, present, covered


def matchings():
    return st.builds(
        Matching,
        criterion=st.sampled_from(["tiou", "collar"]),
        tiou=st.sampled_from([0.1, 0.2, 0.3, 0.5, 0.7]),
        collar_s=st.sampled_from([0.0, 0.5, 2.0]),
        collar_share=st.sampled_from([0.0, 0.1, 0.29, 0.5, 0.7]),
        edges=st.sampled_from(["bracket", "observed", "held"]),
    )


# At .1 two sightings could stand for the last annotation, one of them exactly at the limit; the
# other one touches an annotation below the resolution as well.
EXACTLY_AT_THE_LIMIT = (
    [0.0] * 24 + [0.1] * 7 + [0.0] * 6 + [0.3] + [0.0] * 2,
    [(0, 0.5), (1, 1.5), (23, 23.5), (28, 38)],
    [(0, 40)],
)


@example(EXACTLY_AT_THE_LIMIT, Matching(tiou=0.2))
@examples(150)
@given(cases(), matchings())
def test_the_curve_is_what_a_sweep_over_every_threshold_counts(case, matching):
    check_curve_against_sweep(case, matching)


@pytest.mark.long
@examples(4_000)
@given(cases(), matchings())
def test_a_long_search_finds_no_curve_that_differs_from_the_sweep(case, matching):
    check_curve_against_sweep(case, matching)


def check_curve_against_sweep(case, matching):
    scores, present, covered = case
    footage = make_footage(scores, present, covered=covered)
    if not footage.covered_us:
        return
    curve = threshold_curve([footage], matching)
    thresholds = [t for t in np.unique(np.float32(scores)).astype(float) if t > 0]
    assert sorted(curve.thresholds.tolist()) == thresholds
    if not thresholds:
        return
    grid = RuleGrid(
        enter_threshold=thresholds,
        enter_frames=[1],
        exit_frames=[1],
        merge_gap_s=[0],
        min_duration_s=[0],
    )
    swept = sweep_footage([footage], "x", grid, floor=0.0, matching=matching)
    assert curve.counts[::-1].tolist() == swept.totals.tolist()


def test_a_sighting_that_could_stand_for_an_annotation_counts_whoever_is_chosen():
    scores, present, covered = EXACTLY_AT_THE_LIMIT
    footage = make_footage(scores, present, covered=covered)
    curve = threshold_curve([footage], Matching(tiou=0.2))
    assert curve.counts.tolist() == [[1, 0, 0], [1, 1, 0]]


def counted_by_trying_all(edges, footage, matching):
    """tp, fp, fn of sightings by the definition alone: pairs as many as trying all finds."""
    ok = np.zeros((len(edges), len(footage.present)), bool)
    meets = np.zeros_like(ok)
    for i, edge in enumerate(edges.tolist()):
        for j, (start, end) in enumerate(footage.present.tolist()):
            s, e = min(max(start, edge[0]), edge[1]), min(max(end, edge[2]), edge[3])
            both, joined = min(e, end) - max(s, start), max(e, end) - min(s, start)
            meets[i, j] = both > 0 or (both == 0 and (s == e or start == end))
            if matching.criterion == "tiou":
                fit = meets[i, j] and (
                    joined == 0 or Fraction(both, joined) >= Fraction(str(matching.tiou))
                )
            else:
                reach = Fraction(str(matching.collar_share)) * (end - start)
                collar = round(matching.collar_s * 1e6)
                fit = abs(s - start) <= collar and abs(e - end) <= max(collar, reach)
            ok[i, j] = fit and footage.counted[j]
    annotations = int(footage.counted.sum())
    tp = int((maximum_bipartite_matching(csr_array(ok), perm_type="column") >= 0).sum())
    nothing = meets[:, ~footage.counted].any(axis=1) & ~meets[:, footage.counted].any(axis=1)
    return [tp, int((~nothing | ok.any(axis=1)).sum()) - tp, annotations - tp]


@examples(100)
@given(cases(), matchings())
def test_a_curve_counts_what_trying_all_pairs_counts(case, matching):
    scores, present, covered = case
    footage = make_footage(scores, present, covered=covered)
    if not footage.covered_us:
        return
    curve = threshold_curve([footage], matching)
    scores = np.float32(scores)
    for threshold, counts in zip(curve.thresholds, curve.counts.tolist()):
        rows, n = replay_rows(footage.pts_us, scores, EACH.changed(enter_threshold=threshold))
        edges = matching.taken(edges_of_rows(rows[:n], footage.pts_us, 0, footage.end_us))
        segments = [
            np.clip(edge, a, b)
            for edge in edges
            for a, b in footage.covered
            if edge[1] <= b and edge[2] >= a
        ]
        segments = np.array(segments, np.int64).reshape(-1, 4)
        assert counts == counted_by_trying_all(segments, footage, matching)


SMALL = RuleGrid(
    enter_threshold=[0.1, 0.3, 0.5], exit_share=[0.5, 1.0], enter_frames=[1, 2], exit_frames=[1, 3],
    merge_gap_s=[0, 2, 6], min_duration_s=[0, 1, 4],
)  # fmt: skip


@examples(6)
@given(case=cases())
def test_a_sweep_counts_what_evaluate_counts_for_each_rule(case, tmp_path_factory):
    scores, present, covered = case
    folder = tmp_path_factory.mktemp("sweep")
    run = make_run(folder, scores, every_s=1.0)
    marks = make_truth(run, *present).annotations
    watched = [
        lab.Coverage(
            media_id=run.media["media_id"],
            label="x",
            start_us=round(a * 1e6),
            end_us=round(b * 1e6),
        )
        for a, b in covered
    ]
    truth = lab.Truth.from_records(marks, watched)
    if not run.analysed.size or not watched:
        return
    swept = lab.sweep(run, truth, label="x", grid=SMALL)
    for position in range(0, len(swept), 5):
        counts = lab.evaluate(run, truth, swept.rule(position)).labels["x"].counts
        assert (counts.tp, counts.fp, counts.fn) == tuple(swept.totals[position].tolist())


def test_half_of_the_thresholds_are_scores_that_occur(tmp_path):
    scores = np.linspace(0.06, 0.9, 200)
    run = make_run(tmp_path, scores, every_s=1.0)
    swept = lab.sweep(run, make_truth(run, (10, 190)))
    used = set(np.unique(swept.settings["enter_threshold"]).tolist())
    assert len(used & set(np.float32(scores).astype(float).tolist())) == 12
    assert float(np.float32(0.9)) in used


def test_the_front_has_no_rule_that_another_beats(tmp_path):
    rng = np.random.default_rng(1)
    run = make_run(tmp_path, rng.uniform(0, 1, 400), every_s=1.0)
    swept = lab.sweep(run, make_truth(run, (10, 40), (100, 160), (300, 310)))
    front = swept.pareto()
    f = swept.figures()
    for i in front:
        better = (f["recall"] >= f["recall"][i]) & (f["false_per_hour"] <= f["false_per_hour"][i])
        strictly = (f["recall"] > f["recall"][i]) | (f["false_per_hour"] < f["false_per_hour"][i])
        assert not (better & strictly).any()
    assert (np.diff(f["recall"][front]) > 0).all()


def test_the_box_area_is_swept(tmp_path):
    run = make_run(tmp_path, [0.9] * 20, every_s=1.0)  # boxes of 4 % of the picture
    grid = RuleGrid(enter_threshold=[0.5], min_area_fraction=[0.0, 0.03, 0.05])
    swept = lab.sweep(run, make_truth(run, (0, 20)), grid=grid)
    by_area = {
        a: swept.totals[swept.settings["min_area_fraction"] == a].max(axis=0)
        for a in (0.0, 0.03, 0.05)
    }
    assert [by_area[a][0] for a in (0.0, 0.03, 0.05)] == [1, 1, 0]


def test_a_sweep_survives_its_file(tmp_path):
    run = make_run(tmp_path, [0.9] * 20, every_s=1.0)
    swept = lab.sweep(run, make_truth(run, (0, 20)), grid=SMALL)
    swept.save(tmp_path / "a.npz")
    again = load_sweep(tmp_path / "a.npz")
    assert (again.counts == swept.counts).all()
    assert again.rule(3) == swept.rule(3)
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:100])
    with pytest.raises(lab.LabError, match="sweep again"):
        load_sweep(tmp_path / "b.npz")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"enter_frames": []}, "empty"),
        ({"enter_threshold": [0.5, 1.5]}, "enter_threshold"),
        ({"enter_frames": [0]}, "enter_frames"),
        ({"merge_gap_s": [-1]}, "merge_gap_s"),
        ({"exit_share": [2]}, "exit_share"),
        ({"merge_gap_s": 3}, "list"),
    ],
)
def test_a_grid_is_checked_at_birth(wrong, says):
    with pytest.raises(ValueError, match=says):
        RuleGrid(**wrong)


def test_too_many_rules_low_thresholds_and_no_coverage_are_refused(tmp_path):
    run = make_run(tmp_path, [0.9] * 20, every_s=1.0)
    truth = make_truth(run, (0, 20))
    with pytest.raises(ValueError, match="are allowed; give fewer"):
        lab.sweep(
            run,
            truth,
            grid=RuleGrid(enter_threshold=np.linspace(0.1, 0.9, 500), merge_gap_s=range(60)),
        )
    with pytest.raises(ValueError, match="score floor"):
        lab.sweep(run, truth, grid=RuleGrid(enter_threshold=[0.01]))
    with pytest.raises(ValueError, match="no stretch was watched"):
        lab.sweep(run, lab.Truth.from_records(truth.annotations, []))


def test_the_curve_is_that_of_sed_scores_eval(peers, monkeypatch):
    sed = peers("sed_scores_eval")
    theirs_of = sed.base_modules.statistics.onset_offset_curves
    # Written before pandas gave read-only arrays.
    monkeypatch.setattr(
        sed.base_modules.statistics,
        "onset_offset_curves",
        lambda scores, *rest: theirs_of(scores.copy(), *rest),
    )
    rng = np.random.default_rng(3)
    scores = np.clip(np.convolve(rng.normal(size=620), np.ones(20) / 8, "valid") + 0.3, 0.001, 1)
    scores = np.float32(scores)[:600]
    present = [(20, 48), (100, 130), (210, 214), (333, 390), (500, 560)]
    footage = make_footage(scores, present)
    times = np.arange(len(scores) + 1, dtype=float)
    table = sed.base_modules.scores.create_score_dataframe(
        scores[:, None].astype(float), times, ["x"]
    )
    truth = {"clip": [(a, b, "x") for a, b in present]}
    for collar_s, share in ((2.0, 0.2), (10.0, 0.5)):
        theirs = sed.collar_based.accumulated_intermediate_statistics(
            {"clip": table},
            truth,
            onset_collar=collar_s,
            offset_collar=collar_s,
            offset_collar_rate=share,
        )[0]["x"]
        matching = Matching(criterion="collar", collar_s=collar_s, collar_share=share, edges="held")
        ours = threshold_curve([footage], matching)
        thresholds, stats = theirs
        # Theirs list only thresholds at which something changes: a curve of steps.
        at = np.searchsorted(-ours.thresholds, -thresholds[np.isfinite(thresholds)], "left")
        kept = np.isfinite(thresholds)
        assert np.array_equal(ours.counts[at, 0], stats["tps"][kept])
        assert np.array_equal(ours.counts[at, 1], stats["fps"][kept])


def test_rules_keep_what_is_not_swept(tmp_path):
    run = make_run(tmp_path, [0.9] * 20, every_s=1.0)
    base = Debounce(cooldown_s=7)
    assert (
        lab.sweep(run, make_truth(run, (0, 20)), base=base).rule(0).default.debounce.cooldown_s == 7
    )


def test_a_sweep_tells_its_progress_and_stops_when_asked(tmp_path):
    run = make_run(tmp_path, [0.9] * 20, every_s=1.0)
    told = []
    lab.sweep(
        run,
        make_truth(run, (0, 20)),
        grid=SMALL,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 1)]
    with pytest.raises(lab.LabError, match="cancelled"):
        lab.sweep(run, make_truth(run, (0, 20)), grid=SMALL, cancelled=lambda: True)
