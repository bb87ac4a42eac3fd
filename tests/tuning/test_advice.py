"""Recommendation, calibration, queue, audit, thinning: what they promise holds in simulation."""

import numpy as np
import pytest

import lab
from lab.evaluation.resampling import grouped_figures
from lab.rules.rule import Debounce, LabelRule
from lab.tuning.audit import Audit, draw, estimate
from lab.tuning.calibration import calibrate, histogram
from lab.tuning.choice import Goal, choose
from lab.tuning.folds import make_folds
from lab.tuning.footage import footage_of
from lab.tuning.queue import committee, questions
from lab.tuning.recommend import held_out_counts, recommend
from lab.tuning.rule_grid import RuleGrid
from lab.tuning.sweep import sweep_footage
from lab.tuning.thinning import subsample
from lab.video.sources.file import FileSource
from tests.builders import make_footage, make_run, make_truth, scores_of

GRID = RuleGrid(
    enter_threshold=[0.2, 0.3, 0.4, 0.5, 0.6, 0.7], enter_frames=[1, 2, 3], exit_frames=[2, 4],
    merge_gap_s=[0], min_duration_s=[0, 2],
)  # fmt: skip


def study(rng, sites=5, clips=8, seconds=240):
    """Sites and clips with known truth; on the last site something else triggers the detector."""
    out = []
    for s in range(sites):
        level = rng.normal(0.62, 0.06)
        for c in range(clips):
            scores = rng.beta(1.2, 8, seconds)
            present = []
            at = int(rng.integers(5, 30))
            while at < seconds - 30:
                length = int(rng.integers(4, 16))
                present.append((at, at + length))
                scores[at : at + length + 1] = np.clip(rng.normal(level, 0.15, length + 1), 0, 1)
                at += length + int(rng.integers(15, 60))
            if s == sites - 1:
                for _ in range(3):
                    a = int(rng.integers(0, seconds - 5))
                    if all(a + 5 < x or a > y for x, y in present):
                        scores[a : a + 4] = np.clip(rng.normal(0.55, 0.1, 4), 0, 1)
            out.append(make_footage(scores, present, name=f"s{s}c{c}", site=f"site {s}"))
    return out


@pytest.mark.parametrize("repetitions", [20, pytest.param(200, marks=pytest.mark.long)])
def test_folds_never_split_a_site_and_held_out_figures_lie_in_their_intervals(repetitions):
    held, intervals = [], []
    for seed in range(repetitions):
        swept = sweep_footage(study(np.random.default_rng(seed)), "x", GRID, floor=0.05)
        folds = make_folds(swept.names, swept.sites, swept.nights, seed)
        assert folds.by == "site"
        for site in set(swept.sites):
            assert len({f for f, s in zip(folds.fold, swept.sites) if s == site}) == 1
        counts, _ = held_out_counts(swept, Goal(), folds)
        per_site = np.stack([counts[folds.group == g].sum(axis=0) for g in range(5)])
        hours = np.array([swept.covered_us[folds.group == g].sum() / 3.6e9 for g in range(5)])
        held.append(per_site.sum(axis=0))
        intervals.append(grouped_figures(per_site, hours, seed))
    tp, fp, fn = np.sum(held, axis=0)
    expected = {
        "precision": tp / (tp + fp), "recall": tp / (tp + fn), "f1": 2 * tp / (2 * tp + fp + fn),
        "false_per_hour": fp / (repetitions * 40 * 240 / 3600),
    }  # fmt: skip
    for name, value in expected.items():
        inside = np.mean(
            [row[f"{name}_interval"][0] <= value <= row[f"{name}_interval"][1] for row in intervals]
        )
        assert inside >= 0.92, (name, inside)


def test_the_audit_is_unbiased_and_its_intervals_hold():
    rng = np.random.default_rng(5)
    n = 160
    highest, counts, hours = {}, {}, {}
    for i in range(n):
        top = float(rng.uniform(0, 1))
        # Presences are missed where the score is low: only the low stratum shows them.
        counts[f"m{i}"] = (
            (int(rng.poisson(2)), int(rng.poisson(0.6)), int(rng.poisson(0.3))) if top >= 0.4
            else (0, 0, int(rng.poisson(0.25)))
        )  # fmt: skip
        highest[f"m{i}"], hours[f"m{i}"] = top, 0.1
    tp, fp, fn = np.sum(list(counts.values()), axis=0)
    rows = []
    for seed in range(400):
        strata = draw(highest, 0.4, 40, seed)
        drawn = {m for s in strata for m in s.drawn}
        rows.append(estimate(strata, {m: counts[m] for m in drawn}, {m: hours[m] for m in drawn}))
    for name, truth in (("tp_total", tp), ("fp_total", fp), ("fn_total", fn)):
        values = np.array([r[name] for r in rows])
        assert abs(values.mean() - truth) < 4 * values.std() / 20, name
    for name, truth in (("precision", tp / (tp + fp)), ("recall", tp / (tp + fn))):
        values = np.array([r[name] for r in rows])
        assert abs(values.mean() - truth) < 0.02, name
        inside = np.mean(
            [r[f"{name}_interval"][0] <= truth <= r[f"{name}_interval"][1] for r in rows]
        )
        assert inside >= 0.92, (name, inside)


def test_an_audit_draws_from_every_stratum_the_low_one_included():
    strata = draw({f"m{i}": i / 100 for i in range(100)}, 0.9, 12, 1)
    assert [s.name for s in strata] == ["low", "middle", "high"]
    assert all(len(s.drawn) >= 2 for s in strata)
    assert sum(len(s.drawn) for s in strata) == 12
    made = Audit("a", "x", {}, "h", "p", 1, strata, "now")
    assert Audit.from_dict(made.to_dict()) == made
    with pytest.raises(ValueError, match="at least 2 clips"):
        draw({"m": 0.5}, 0.4, 10, 1)


def test_an_audit_of_everything_is_the_truth_itself():
    counts = {f"m{i}": (2, 1, 1) if i % 2 else (0, 0, 1) for i in range(6)}
    strata = draw({m: 0.9 if c[0] else 0.1 for m, c in counts.items()}, 0.4, 6, 1)
    row = estimate(strata, counts, dict.fromkeys(counts, 1.0))
    assert row["recall"] == pytest.approx(6 / 12)
    assert row["precision"] == pytest.approx(6 / 9)
    assert row["missing"] == 0
    half = estimate(
        strata, {m: c for m, c in counts.items() if m != "m0"}, dict.fromkeys(counts, 1.0)
    )
    assert half["missing"] == 1


def test_goals_are_kept_or_said_to_be_out_of_reach():
    rng = np.random.default_rng(0)
    swept = sweep_footage(study(rng), "x", GRID, floor=0.05)
    f = swept.figures()
    best = choose(swept, Goal(kind="f1"))
    assert f["f1"][best.position] == np.nanmax(f["f1"])
    many = choose(swept, Goal(kind="recall", least_recall=0.8))
    assert many.met
    assert f["recall"][many.position] >= 0.8
    rivals = f["recall"] >= 0.8
    assert f["false_per_hour"][many.position] == f["false_per_hour"][rivals].min()
    few = choose(swept, Goal(kind="false", most_false_per_hour=6.0))
    assert f["false_per_hour"][few.position] <= 6.0
    assert f["recall"][few.position] == f["recall"][f["false_per_hour"] <= 6.0].max()
    flat = sweep_footage([make_footage(np.zeros(60), [(5, 9)])], "x", GRID, floor=0.05)
    advice = recommend(flat, Goal(kind="recall", least_recall=0.9))
    assert not advice.met
    assert any("no rule" in n for n in advice.notes)


def test_the_middle_of_a_plateau_is_chosen():
    footage = [make_footage(scores_of(60, [(10, 20)], high=0.9, low=0.1), [(10, 20)])]
    grid = RuleGrid(
        enter_threshold=[0.05, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95],
        enter_frames=[1], exit_frames=[1], merge_gap_s=[0], min_duration_s=[0],
    )  # fmt: skip
    swept = sweep_footage(footage, "x", grid, floor=0.05)
    assert swept.settings["enter_threshold"][choose(swept, Goal()).position] == 0.5


def test_a_gap_between_scores_is_halved_and_counts_the_same(tmp_path):
    seen = [(10, 20), (40, 52)]
    run = make_run(tmp_path, scores_of(80, seen, 0.9, 0.1), every_s=1.0)
    truth = make_truth(run, *seen)
    swept = lab.sweep(run, truth)
    advice = lab.recommend(swept)
    # Nothing scores between 0.1 and 0.9: the middle is the safest.
    assert advice.rule.default.debounce.enter_threshold == pytest.approx(0.5, abs=0.01)
    counts = lab.evaluate(run, truth, advice.rule).overall.counts
    assert (counts.tp, counts.fp, counts.fn) == tuple(advice.fitted[k] for k in ("tp", "fp", "fn"))


@pytest.mark.long
def test_the_recommended_rule_counts_what_its_figures_say(tmp_path):
    for seed in range(6):
        rng = np.random.default_rng(seed)
        scores = rng.beta(1, 6, 200)
        for a in (20, 80, 150):
            scores[a : a + 15] = np.clip(rng.normal(0.6, 0.2, 15), 0, 1)
        run = make_run(tmp_path, scores, every_s=1.0, name=f"clip{seed}")
        truth = make_truth(run, (20, 34), (80, 94), (150, 164))
        for goal in (
            Goal(),
            Goal(kind="recall", least_recall=0.6),
            Goal(kind="false", most_false_per_hour=30),
        ):
            advice = lab.recommend(lab.sweep(run, truth), goal)
            counts = lab.evaluate(run, truth, advice.rule).overall.counts
            assert (counts.tp, counts.fp, counts.fn) == tuple(
                advice.fitted[k] for k in ("tp", "fp", "fn")
            )


def test_too_little_material_is_said():
    one = sweep_footage(
        [make_footage(scores_of(60, [(10, 20)]), [(10, 20)])], "x", GRID, floor=0.05
    )
    advice = recommend(one)
    assert advice.held_out is None
    assert any("one clip" in n for n in advice.notes)
    assert any("1 annotation" in n for n in advice.notes)


def test_nights_are_held_out_where_there_is_one_site_and_clips_where_nights_are_unknown():
    clips = [
        make_footage(
            scores_of(60, [(10, 20)]), [(10, 20)], name=f"c{i}", site="s", night=f"n{i // 2}"
        )
        for i in range(6)
    ]
    folds = make_folds([c.name for c in clips], [c.site for c in clips], [c.night for c in clips])
    assert (folds.by, len(folds.names)) == ("night", 3)
    clips = [
        make_footage(scores_of(60, [(10, 20)]), [(10, 20)], name=f"c{i}", site="s")
        for i in range(6)
    ]
    folds = make_folds([c.name for c in clips], [c.site for c in clips], [c.night for c in clips])
    assert (folds.by, len(folds.names)) == ("clip", 6)


def test_a_site_gets_a_threshold_of_its_own_only_where_it_pays():
    def clip(i, site, high, low):
        return make_footage(
            scores_of(60, [(10, 20), (30, 40)], high, low),
            [(10, 20), (30, 40)],
            name=f"{site}{i}",
            site=site,
        )

    alike = [clip(i, s, 0.6, 0.1) for s in "abc" for i in range(6)]
    assert recommend(sweep_footage(alike, "x", GRID, floor=0.05)).sites == ()
    # On site c even the ground scores 0.55, and the label 0.75.
    other = alike[:12] + [clip(i, "c", 0.75, 0.62) for i in range(6)]
    sites = recommend(sweep_footage(other, "x", GRID, floor=0.05)).sites
    assert [s["site"] for s in sites] == ["c"]
    assert sites[0]["f1_gain"] > 0.3


def test_calibration_finds_the_curve_that_made_the_data():
    rng = np.random.default_rng(2)
    clips = []
    for i in range(12):
        there = np.repeat(rng.random(40) < 0.4, 20)
        x = np.where(there, rng.normal(1.5, 1, 800), rng.normal(-1.0, 1, 800))
        edges = np.flatnonzero(np.diff(np.concatenate([[0], there.astype(int), [0]]))).reshape(
            -1, 2
        )
        clips.append(
            make_footage(1 / (1 + np.exp(-x)), [(a, b - 1) for a, b in edges], name=f"c{i}")
        )
    made = calibrate(clips, "x")
    # Two normals 2.5 apart with variance 1: the log odds rise by 2.5 for each logit.
    assert made.slope == pytest.approx(2.5, abs=0.25)
    thresholds = list(made.thresholds.values())
    assert thresholds == sorted(thresholds)
    assert made.probability(np.array([made.thresholds[0.95]]))[0] == pytest.approx(0.95)
    h = histogram(clips)
    assert sum(h["there"]) + sum(h["not_there"]) == 12 * 800


def test_calibration_is_refused_where_the_label_was_never_there():
    with pytest.raises(ValueError, match="nothing to tell apart"):
        calibrate([make_footage(np.full(60, 0.5), [])], "x")


def test_the_queue_asks_where_rules_disagree_and_is_renewed_after_an_answer():
    scores = (
        scores_of(120, [(10, 20)], 0.9)
        + scores_of(120, [(50, 54)], 0.42)
        + scores_of(120, [(80, 80)], 0.18)
    )
    known = make_footage(scores_of(60, [(10, 20)], 0.9, 0.3), [(10, 20)], name="known")
    swept = sweep_footage([known], "x", GRID, floor=0.05)
    rules = committee(None, LabelRule(debounce=Debounce(enter_frames=1, exit_frames=1)), 0.05)
    new = make_footage(scores, [], name="new", covered=np.zeros((0, 2)))
    asked = questions([new, known], "x", rules)
    assert asked[0].name == "new"
    assert asked[0].start_us <= 50_000_000 <= asked[0].end_us
    assert all(q.name != "known" for q in asked)
    assert any(q.why == "near_miss" or q.peak_us == 80_000_000 for q in asked)
    answered = make_footage(scores, [(50, 54)], name="new", covered=[(45, 60)])
    again = questions([answered], "x", rules)
    assert all(q.peak_us != asked[0].peak_us for q in again)
    assert committee(swept, LabelRule(), 0.05)


@pytest.mark.parametrize("every_s", [0.1, 0.2, 0.35, 0.5, 1.7])
def test_thinning_takes_the_samples_that_the_sampler_takes(samples, every_s):
    clip = samples / "cat_then_person.mp4"
    dense = np.array([frame.pts_us for frame in FileSource(clip).frames(0)], np.int64)
    coarse = [frame.pts_us for frame in FileSource(clip).frames(every_s)]
    assert dense[subsample(dense, every_s, 0)].tolist() == coarse
    # From another sample on, the grid begins there.
    assert subsample(dense, every_s, 3)[0] == 3
    assert subsample(dense, every_s, len(dense)).tolist() == []


def test_thinning_does_not_drift(samples):
    # 9,000 thirds of a second; in whole microseconds the last one would be 3 ms too early.
    pts_us = np.arange(300_000, dtype=np.int64) * 10_000
    kept = subsample(pts_us, 1 / 3, 0)
    assert len(kept) == 9_000
    expected = -(-(np.arange(len(kept)) * 1_000_000 - 3_000) // 30_000)
    assert (kept == np.maximum(0, expected)).all()


def test_thinning_costs_recall_and_delay_and_saves_computing(tmp_path):
    rng = np.random.default_rng(4)
    scores = np.zeros(1200)
    present = [(a, a + int(rng.integers(3, 12))) for a in range(10, 230, 20)]
    for a, b in present:
        scores[a * 5 : b * 5 + 1] = 0.9
    run = make_run(tmp_path, scores, every_s=0.2)
    rows = lab.thin(run, make_truth(run, *present), Debounce(enter_frames=1, exit_frames=1))
    assert [r["interval_s"] for r in rows] == [0.2, 0.5, 1.0, 2.0, 5.0]
    assert [r["phases"] for r in rows] == [1, 3, 5, 10, 25]
    assert rows[0]["recall"] == 1.0
    assert rows[-1]["recall"] < 1.0
    delays = [r["delay_s"] for r in rows]
    assert delays == sorted(delays)
    assert rows[-1]["duration_bias_s"] < -2
    assert rows[2]["computing"] == pytest.approx(0.2)


def test_the_recommended_rule_finds_all_six_visits(clips, visits):
    run = visits
    swept = lab.sweep(run, clips / "ground_truth.csv")
    advice = lab.recommend(swept)
    figures = lab.evaluate(run, clips / "ground_truth.csv", advice.rule).overall
    assert (figures.precision, figures.recall, figures.f1) == (1.0, 1.0, 1.0)
    assert advice.fitted["f1"] == 1.0
    assert (
        len(
            footage_of([run], lab.Truth.coerce(clips / "ground_truth.csv", [run]), "person")[
                0
            ].present
        )
        == 6
    )
