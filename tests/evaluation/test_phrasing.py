"""Phrases compared on the same samples: figures, disagreements, the command."""

import json

import numpy as np
import pytest

import lab
from lab.errors import SettingError
from lab.evaluation.phrasing import auc, compare_phrases
from tests.app.test_commands import answer, ask
from tests.builders import make_run, make_truth, scores_of

RULE = lab.Debounce(enter_threshold=0.5, enter_frames=1, exit_frames=2)


@pytest.fixture(scope="module")
def otters(tmp_path_factory):
    """60 samples, one a second; an otter is there from 10 to 20 and from 40 to 45."""
    folder = tmp_path_factory.mktemp("phrases")
    swimming = scores_of(60, [(10, 20), (30, 32)], 0.6, 0.1)
    run = make_run(
        folder,
        {"otter": scores_of(60, [(12, 18)], 0.7, 0.2), "otter swimming": swimming,
         "sea otter": scores_of(60, [(10, 20), (40, 45)], 0.9, 0.1)},
        every_s=1.0,
    )  # fmt: skip
    (folder / "truth.csv").write_text(
        "media,label,start_s,end_s\nclip.mp4,the otter,10,20\nclip.mp4,the otter,40,45\n"
    )
    return folder, run


def rows_of(found):
    return {row["phrase"]: row for row in found.rows}


def test_without_truth_each_phrase_has_its_peak_and_sightings(otters):
    found = compare_phrases(otters[1], ["sea otter", "otter"], RULE)
    assert [row["phrase"] for row in found.rows] == ["sea otter", "otter"]
    row = rows_of(found)["otter"]
    assert (row["peak_s"], row["sightings"], row["presence_s"], row["samples"]) == (
        12.0,
        1,
        6.0,
        60,
    )
    assert row["peak_score"] == pytest.approx(0.7)
    assert row["share_over"] == 7 / 60
    assert (row["auc"], row["mean_inside"], row["f1"], row["precision_interval"]) == (
        None,
        None,
        None,
        None,
    )
    assert found.best == {"peak_score": ["sea otter"]}
    assert found.truth is None


def test_annotations_of_another_label_count_for_every_phrase(otters):
    run = otters[1]
    found = compare_phrases(
        run,
        ["otter", "sea otter", "otter swimming"],
        RULE,
        make_truth(run, (10, 20), (40, 45), label="the otter"),
    )
    rows = rows_of(found)
    assert [rows["sea otter"][k] for k in ("tp", "fp", "fn", "f1", "auc")] == [2, 0, 0, 1.0, 1.0]
    assert [rows["otter swimming"][k] for k in ("tp", "fp", "fn")] == [1, 1, 1]
    assert rows["sea otter"]["mean_inside"] == pytest.approx(0.9)
    assert rows["sea otter"]["mean_outside"] == pytest.approx(0.1)
    # 17 samples inside: 11 score 0.6, 6 score 0.1; 43 outside: 3 score 0.6, 40 score 0.1.
    assert rows["otter swimming"]["auc"] == pytest.approx((11 * (40 + 1.5) + 6 * 20) / (17 * 43))
    assert found.best["f1"] == ["sea otter"]
    assert found.best["mean_outside"] == ["sea otter"]
    assert found.truth == {
        "label": "the otter",
        "annotations": 2,
        "present_s": 15.0,
        "watched_s": 60.0,
    }
    same = (
        lab.evaluate(run, make_truth(run, (10, 20), (40, 45), label="sea otter"), RULE)
        .labels["sea otter"]
        .to_dict()
    )
    assert rows["sea otter"]["precision_interval"] == same["precision_interval"]
    assert rows["sea otter"]["f1_interval"] == same["f1_interval"]


def test_what_was_not_watched_is_on_neither_side(otters):
    from lab.annotation import Annotation, Coverage
    from lab.evaluation.truth import Truth

    run = otters[1]
    media_id = run.media["media_id"]
    marks = [
        Annotation(media_id=media_id, label="o", start_us=a, end_us=b)
        for a, b in ((10_000_000, 20_000_000), (40_000_000, 45_000_000))
    ]
    half = Coverage(media_id=media_id, label="o", start_us=0, end_us=25_000_000)
    found = compare_phrases(
        run, ["otter swimming", "otter"], RULE, Truth.from_records(marks, [half])
    )
    assert rows_of(found)["otter swimming"]["auc"] == 1.0
    nowhere = compare_phrases(run, ["sea otter", "otter"], RULE, Truth.from_records(marks, []))
    row = rows_of(nowhere)["sea otter"]
    assert row["mean_inside"] == pytest.approx(0.9)
    assert (row["mean_outside"], row["auc"], row["recall"], row["f1"]) == (None, None, None, None)
    assert any("no stretch was watched" in n for n in nowhere.notes)


def test_auc_is_that_of_all_pairs():
    rng = np.random.default_rng(3)
    inside, outside = np.round(rng.random(80), 1), np.round(rng.random(120), 1)
    pairs = inside[:, None] - outside[None]
    assert auc(inside, outside) == pytest.approx((pairs > 0).mean() + (pairs == 0).mean() / 2)
    assert auc(inside, inside) == 0.5
    assert auc(inside, outside[:0]) is None
    assert auc(inside[:0], outside) is None


def test_disagreements_are_the_widest_and_lie_apart(tmp_path):
    n = 40
    flat, other = np.full(n, 0.2), np.full(n, 0.2)
    for i, score in ((5, 0.9), (6, 0.89), (7, 0.85), (20, 0.6), (30, 0.5)):
        other[i] = score
    found = compare_phrases(
        make_run(tmp_path, {"a": flat, "b": other}, every_s=1.0), ["a", "b"], RULE
    ).disagreements
    assert [d.pts_s for d in found] == [5.0, 7.0, 20.0, 30.0]
    assert found[0].spread == pytest.approx(0.7)
    assert found[0].scores == pytest.approx({"a": 0.2, "b": 0.9})


def test_failed_samples_count_nowhere(tmp_path):
    a, b = scores_of(20, [(5, 9)], 0.8, 0.1), scores_of(20, [(5, 9)], 0.3, 0.1)
    a[7] = b[7] = np.nan
    found = compare_phrases(make_run(tmp_path, {"a": a, "b": b}, every_s=1.0), ["a", "b"], RULE)
    assert rows_of(found)["a"]["samples"] == 19
    assert rows_of(found)["a"]["share_over"] == 4 / 19
    assert 7.0 not in [d.pts_s for d in found.disagreements]


def test_phrases_added_later_are_compared_where_all_were_looked_for(otters):
    from dataclasses import replace

    run = otters[1].refresh()
    missing = np.arange(60) >= 30
    run.__dict__["log"] = replace(
        run.log, missing={"otter swimming": missing}, adding=("otter swimming",)
    )
    found = compare_phrases(
        run, ["otter swimming", "sea otter"], RULE, make_truth(run, (10, 20), (40, 45))
    )
    rows = rows_of(found)
    assert (rows["otter swimming"]["samples"], rows["sea otter"]["samples"]) == (30, 60)
    assert rows["sea otter"]["share_over"] == 11 / 30
    assert rows["sea otter"]["sightings"] == 2
    assert all(d.pts_s < 30 for d in found.disagreements)
    assert any("not looked for on the same samples" in n for n in found.notes)
    assert any("not looked for everywhere yet: otter swimming" in n for n in found.notes)


def test_a_box_filter_counts_and_rules_of_others_do_not(otters):
    run = otters[1]
    rule = lab.Rule.from_dict({
        "default": {"debounce": RULE.to_dict()}, "only": ["otter"],
        "labels": {
            "otter": {"debounce": RULE.to_dict(), "box_filter": {"min_area_fraction": 0.5}},
            "beaver": {},
        },
    })  # fmt: skip
    found = compare_phrases(run, ["otter", "sea otter"], rule)
    assert rows_of(found)["otter"]["peak_score"] == 0
    assert rows_of(found)["otter"]["peak_s"] is None
    assert rows_of(found)["sea otter"]["sightings"] == 2
    assert any("'beaver'" in n for n in found.notes)


@pytest.mark.parametrize(
    ("phrases", "options", "says"),
    [
        (["otter", "see otter"], {}, "no label 'see otter'"),
        (["otter", "otter"], {}, "two or more"),
        ("otter", {}, "must be a list"),
        (["otter", "sea otter"], {"truth_label": "beaver"}, "nobody annotated 'beaver'"),
        (
            ["otter", "sea otter"],
            {"rule": {"default": {"debounce": {"enter_threshold": 0.01}}}},
            "score floor",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(otters, phrases, options, says):
    with pytest.raises(SettingError, match=says):
        compare_phrases(otters[1], phrases, **options)


def test_the_command_gives_what_python_gives(otters):
    folder, run = otters
    words = (
        "phrases",
        run.run_id,
        "otter,sea otter",
        "--labels",
        folder / "truth.csv",
        "--label",
        "the otter",
        "--enter-threshold",
        0.5,
        "--enter-frames",
        1,
        "--exit-frames",
        2,
    )
    found = compare_phrases(run, ["otter", "sea otter"], RULE, folder / "truth.csv", "the otter")
    assert answer(folder, *words) == json.loads(json.dumps(found.to_dict()))
    plain = ask(folder, *words)
    assert "10.00 s: 0.70 apart: otter 0.20, sea otter 0.90" in plain.stdout
    assert "wholly watched" in plain.stderr
    header, *lines = ask(folder, *words, "--csv").stdout.splitlines()
    assert header.startswith("phrase,samples,threshold,peak_score")
    assert {"precision_low", "precision_high", "auc"} <= set(header.split(","))
    assert len(lines) == 2
    assert "nan" not in " ".join(lines)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["otter,seal"], "no label 'seal'"),
        (["otter"], "two or more"),
        (["otter,sea otter", "--only", "otter"], "cannot be combined with named phrases"),
        (["otter,sea otter", "--label", "beaver"], "nobody annotated"),
        (["otter,sea otter", "--coverage", "x.csv"], "--labels"),
    ],
)
def test_errors_of_the_command_are_one_line(otters, words, says):
    folder, run = otters
    done = ask(folder, "phrases", run.run_id, *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
