"""Figures over made scores with known truth: a table worked by hand, refusals, intervals."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.annotation import Annotation, Coverage, Verdict
from lab.evaluation.counts import segments
from lab.evaluation.evaluate import evaluate
from lab.evaluation.matching import Matching
from lab.evaluation.truth import Truth
from lab.rules.rule import Debounce
from tests.builders import make_run, make_truth, scores_of
from tests.random_examples import examples

EACH = Debounce(enter_threshold=0.5, enter_frames=1, exit_frames=1)


def kinds(evaluation):
    return [(m.kind, m.start_us / 1e6, m.end_us / 1e6) for m in evaluation.moments]


def test_the_hand_worked_table(tmp_path):
    # One sample a second for 100 s; what the detector saw, in whole seconds, ends included.
    seen = [(0, 3), (10, 12), (14, 16), (20, 28), (40, 41), (52, 58), (66, 74), (95, 99)]
    run = make_run(tmp_path, scores_of(100, seen), every_s=1.0)
    truth = make_truth(
        run,
        (0.0, 3.5),  # censored on the left; found
        (10.0, 16.0),  # split in two: (10, 12) and (14, 16)
        (20.0, 23.0), (25.0, 28.0),  # merged into one
        (33.0, 36.0),  # missed
        (50.0, 58.0),  # late: seen from 52, so it began after 51
        (68.0, 74.5),  # early: seen from 66
        (80.2, 80.7),  # below resolution
        (94.5, 100.0),  # censored on the right; found
    )  # fmt: skip
    found = evaluate(run, truth, EACH)
    c = found.overall.counts
    by_kind = {}
    for kind, start, end in kinds(found):
        by_kind.setdefault(kind, []).append((start, end))
    assert by_kind["split"] == [(10, 16)]
    assert by_kind["merged"] == [(20, 28)]
    assert by_kind["missed"] == [(33, 36)]
    assert by_kind["false"] == [(40, 41)]
    assert by_kind["late"] == [(50, 58)]
    assert by_kind["early"] == [(68, 74.5)]
    assert by_kind["below_resolution"] == [(80.2, 80.7)]
    assert by_kind["censored"] == [(0, 3), (95, 99)]
    # (10, 12) with brackets up to 13 against 10-16: 3/6 = 0.5, a pair; 20-28 against 20-23: 3/8.
    assert (c.tp, c.fp, c.fn) == (5, 3, 3)
    assert c.below_resolution == 1
    assert found.overall.precision == 5 / 8
    assert found.overall.recall == 5 / 8
    assert found.overall.false_per_hour == pytest.approx(3 / 100 * 3600)
    # Onset errors: 10-16 and 50-58 and 68-74.5 and 94.5 (uncensored left edges).
    assert sorted(c.onset_errors_us.tolist()) == [-2_000_000, 0, 0, 1_000_000]


def test_counts_add_up_over_clips_and_ratios_are_made_of_the_sums(tmp_path):
    one = make_run(tmp_path, scores_of(20, [(2, 5)]), every_s=1.0, name="one")
    two = make_run(tmp_path, scores_of(20, [(1, 2), (8, 9), (15, 16)]), every_s=1.0, name="two")
    truth = Truth.from_records(
        [note(one, 2, 5), note(two, 1, 2)], [cover(one, 0, 20), cover(two, 0, 20)]
    )
    found = evaluate([one, two], truth, EACH)
    assert found.overall.precision == 2 / 4
    assert [f["x"].precision for f in found.clips.values()] == [1.0, 1 / 3]
    assert found.overall.covered_s == 40
    assert found.overall.to_dict()["clips"]["tp"] == 2


def note(run, start, end, **more):
    return Annotation(
        media_id=run.media["media_id"],
        label="x",
        start_us=round(start * 1e6),
        end_us=round(end * 1e6),
        **more,
    )


def cover(run, start, end, **more):
    return Coverage(
        media_id=run.media["media_id"],
        label="x",
        start_us=round(start * 1e6),
        end_us=round(end * 1e6),
        **more,
    )


def test_only_what_was_watched_counts(tmp_path):
    run = make_run(tmp_path, scores_of(60, [(5, 8), (20, 23), (40, 43)]), every_s=1.0)
    truth = Truth.from_records([note(run, 5, 8), note(run, 52, 55)], [cover(run, 0, 30)])
    found = evaluate(run, truth, EACH).overall
    assert (found.counts.tp, found.counts.fp, found.counts.fn) == (1, 1, 0)
    assert found.counts.uncovered == 1
    assert found.covered_s == 30


def test_a_sighting_is_cut_at_the_edge_of_what_was_watched(tmp_path):
    run = make_run(tmp_path, scores_of(60, [(10, 50)]), every_s=1.0)
    truth = Truth.from_records([note(run, 10, 20)], [cover(run, 0, 20)])
    found = evaluate(run, truth, EACH)
    assert found.overall.f1 == 1.0
    assert len(found.overall.counts.offset_errors_us) == 0
    assert [kind for kind, *_ in kinds(found)] == ["censored"]


def test_recall_is_refused_without_coverage_and_precision_comes_from_verdicts(tmp_path):
    run = make_run(tmp_path, scores_of(60, [(5, 8), (20, 23), (40, 43)]), every_s=1.0)
    media_id = run.media["media_id"]
    wrong = Verdict(
        media_id=media_id, label="x", start_us=20_000_000, end_us=23_000_000, verdict="rejected"
    )
    truth = Truth.from_records([note(run, 5, 8, origin="accepted")], [], [wrong])
    found = evaluate(run, truth, EACH).overall
    assert found.recall is None
    assert found.f1 is None
    assert "no stretch was watched" in found.refused["recall"]
    assert found.precision == 0.5


def test_edge_errors_are_refused_of_accepted_annotations(tmp_path):
    run = make_run(tmp_path, scores_of(60, [(5, 8)]), every_s=1.0)
    truth = Truth.from_records([note(run, 5, 8, origin="accepted")], [cover(run, 0, 60)])
    found = evaluate(run, truth, EACH).overall
    assert found.f1 == 1.0
    row = found.to_dict()
    assert row["mean_tiou"] is None
    assert row["onset_error"]["n"] == 0
    assert "accepted" in row["refused"]["onset_error"]


def test_headline_figures_are_refused_from_answers_to_the_queue_alone(tmp_path):
    run = make_run(tmp_path, scores_of(60, [(5, 8)]), every_s=1.0)
    answers = [note(run, 5, 8, origin="queue")], [cover(run, 4, 9, origin="queue")]
    found = evaluate(run, Truth.from_records(*answers), EACH).overall
    assert found.precision is None
    assert found.recall is None
    assert "queue" in found.refused["recall"]
    assert (
        evaluate(run, Truth.from_records(*answers, include_queue=True), EACH).overall.counts.tp == 1
    )


def test_failed_samples_and_short_annotations_count_as_nothing(tmp_path):
    scores = scores_of(60, [(5, 8), (30, 30)])
    scores[20:24] = np.nan
    run = make_run(tmp_path, scores, every_s=1.0)
    truth = Truth.from_records(
        [note(run, 5, 8), note(run, 20.5, 23.5), note(run, 30, 30.4)], [cover(run, 0, 60)]
    )
    found = evaluate(run, truth, EACH).overall
    c = found.counts
    assert (c.tp, c.fp, c.fn, c.below_resolution, c.not_analysed) == (1, 0, 0, 1, 1)
    assert found.covered_s == 56


@st.composite
def moments_and_spans(draw, limit=60):
    """Disjoint stretches in quarters of a second, some of no length: int64 (n, 2), microseconds."""
    cuts = sorted(draw(st.sets(st.integers(0, 4 * limit), max_size=12)))
    pairs = [(a, a if draw(st.booleans()) else b) for a, b in zip(cuts[::2], cuts[1::2])]
    return np.array(pairs, np.int64).reshape(-1, 2) * 250_000


def test_segments_are_those_of_sed_eval(tmp_path, peers):
    sed_eval = peers("sed_eval")
    # At 50 and 52 one sample is seen: an instant on a whole second lies in no segment.
    seen = [(5, 8), (20, 23), (40, 43), (50, 50), (52, 52)]
    true = [(5.5, 9.2), (30.0, 31.0), (41.0, 42.5), (51.5, 52.5)]
    run = make_run(tmp_path, scores_of(60, seen), every_s=1.0)
    truth = make_truth(run, *true)
    metrics = sed_eval.sound_event.SegmentBasedMetrics(["x"], time_resolution=1.0)
    events = [
        [
            {"event_onset": float(a), "event_offset": float(b), "event_label": "x", "file": "f"}
            for a, b in rows
        ]
        for rows in (true, seen)
    ]
    metrics.evaluate(*events, evaluated_length_seconds=60)
    theirs = metrics.class_wise["x"]
    ours = evaluate(run, truth, EACH).overall.counts
    assert (ours.segment_tp, ours.segment_fp, ours.segment_fn) == (
        theirs["Ntp"], theirs["Nfp"], theirs["Nfn"])  # fmt: skip


@examples(100)
@given(moments_and_spans(), moments_and_spans())
def test_random_segments_are_those_of_sed_eval(peers, seen, true):
    metrics = peers("sed_eval").sound_event.SegmentBasedMetrics(["x"], time_resolution=1.0)
    rows = [
        [
            {"event_onset": a / 1e6, "event_offset": b / 1e6, "event_label": "x", "file": "f"}
            for a, b in spans.tolist()
        ]
        for spans in (true, seen)
    ]
    metrics.evaluate(*rows, evaluated_length_seconds=60)
    theirs = metrics.class_wise["x"]
    start_us = 700_000  # a media need not begin at 0
    ours = [set(segments(spans + start_us, start_us).tolist()) for spans in (true, seen)]
    assert len(ours[0] & ours[1]) == theirs["Ntp"]
    assert len(ours[1] - ours[0]) == theirs["Nfp"]
    assert len(ours[0] - ours[1]) == theirs["Nfn"]


def nulls_without_a_reason(row, refused=None, group=""):
    """Names of figures that are null in a row of JSON and have no reason, nor has their group."""
    refused = row.get("refused", {}) if refused is None else refused
    for name, value in row.items():
        full = f"{group}{name}".removesuffix("_interval")
        if isinstance(value, dict) and name != "refused":
            if full not in refused:
                yield from nulls_without_a_reason(value, refused, f"{full}.")
        elif value is None and full not in refused:
            yield full


# Annotations and coverage, each (from, to, origin), of a run with sightings at 5 to 8 and at 20.
NULL_FIGURES = {
    "nothing was watched": ([(5, 8, "independent")], []),
    "nothing is annotated": ([], [(0, 60, "independent")]),
    "no sighting where it was watched": ([(52, 55, "independent")], [(50, 60, "independent")]),
    "neither": ([], [(50, 60, "independent")]),
    "no pair": ([(52, 55, "independent")], [(0, 60, "independent")]),
    "all accepted": ([(5, 8, "accepted")], [(0, 60, "independent")]),
    "cut on both sides": ([(5, 8, "independent")], [(6, 7, "independent")]),
    "the queue alone": ([(5, 8, "queue")], [(4, 9, "queue")]),
    "an instant": ([], [(20, 21, "independent")]),
}


@pytest.mark.parametrize("case", NULL_FIGURES)
def test_every_figure_that_is_null_has_its_reason(tmp_path, case):
    run = make_run(tmp_path, scores_of(60, [(5, 8), (20, 20)]), every_s=1.0)
    marks, watched = NULL_FIGURES[case]
    truth = Truth.from_records(
        [note(run, a, b, origin=origin) for a, b, origin in marks],
        [cover(run, a, b, origin=origin) for a, b, origin in watched],
    )
    found = evaluate(run, truth, EACH)
    row = found.to_dict(with_moments=False)
    rows = [row["overall"], row["macro"], *row["labels"].values()]
    rows += [r for by_label in row["clips"].values() for r in by_label.values()]
    for one in rows:
        assert list(nulls_without_a_reason(one)) == []
        assert all(len(reason) > 20 for reason in one["refused"].values())
    assert row["overall"]["refused"]
    given = {name for name, value in row["overall"].items() if isinstance(value, float)}
    assert not given & set(row["overall"]["refused"])
    frame = found.to_frame()
    assert (frame["refused"] != "").tolist() == frame.isna().any(axis=1).tolist()


def test_runs_of_other_protocols_and_of_one_clip_twice_are_not_pooled(tmp_path):
    one = make_run(tmp_path, scores_of(20, [(2, 5)]), every_s=1.0, name="one")
    slower = make_run(tmp_path, scores_of(20, [(2, 5)]), every_s=2.0, name="two")
    with pytest.raises(ValueError, match=r"different protocols .*every_s.*cannot be pooled"):
        evaluate([one, slower], make_truth(one, (2, 5)))
    with pytest.raises(ValueError, match="count twice"):
        evaluate([one, one], make_truth(one, (2, 5)))


def test_the_fragmentation_of_a_perfect_rule_is_empty(tmp_path):
    run = make_run(tmp_path, scores_of(60, [(5, 8), (20, 23)]), every_s=1.0)
    assert evaluate(run, make_truth(run, (4.5, 8.5), (20, 23)), EACH).moments == []


def test_other_matching_rules_are_at_hand(tmp_path):
    run = make_run(tmp_path, scores_of(60, [(5, 8)]), every_s=1.0)
    truth = make_truth(run, (2.0, 8.0))
    assert evaluate(run, truth, EACH, tiou=0.5).overall.counts.tp == 1
    assert evaluate(run, truth, EACH, tiou=0.9).overall.counts.tp == 0
    collar = Matching(criterion="collar", collar_s=1.0, collar_share=0.0)
    assert evaluate(run, truth, EACH, matching=collar).overall.counts.tp == 0
