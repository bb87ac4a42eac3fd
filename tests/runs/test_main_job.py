"""The whole job on real video: the figures that the product promises."""

import csv

import numpy as np
import pytest

import lab


def truth(path, media):
    with path.open() as file:
        rows = [r for r in csv.DictReader(file) if r["media"] == media]
    return [(r["label"], float(r["start_s"]), float(r["end_s"])) for r in rows if r["start_s"]]


def temporal_iou(a, b):
    meet = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return meet / (max(a[1], b[1]) - min(a[0], b[0]))


def assert_finds(run, expected, least_iou=0.9, **rule):
    labels = sorted({label for label, _, _ in expected}) or None
    found = run.find(lab.Debounce(enter_threshold=0.4, enter_frames=3, exit_frames=5, **rule))
    found = [s for s in found if labels is None or s.label in labels]
    assert len(found) == len(expected)
    for sighting, (label, start_s, end_s) in zip(
        sorted(found, key=lambda s: s.onset_us), sorted(expected, key=lambda e: e[1]), strict=True
    ):
        assert sighting.label == label
        assert temporal_iou((sighting.onset_s, sighting.offset_s), (start_s, end_s)) >= least_iou


@pytest.mark.long
@pytest.mark.parametrize(
    "name",
    [
        "cat_comes_and_goes.mp4",
        "cat_then_person.mp4",
        "nothing.mp4",
        "person_hidden_for_a_moment.mp4",
    ],
)
def test_the_samples_give_their_own_truth(analysed, samples, tmp_path, name):
    (run,) = analysed(tmp_path / "store", (samples / name, {}))
    assert_finds(run, truth(samples / "ground_truth.csv", name))


@pytest.mark.long
def test_the_hidden_moment_needs_the_debounce(analysed, samples, tmp_path):
    clip = samples / "person_hidden_for_a_moment.mp4"
    (run,) = analysed(tmp_path / "store", (clip, {"labels": ["person"]}))
    assert len(run.find(lab.Debounce(exit_frames=5))) == 1
    assert len(run.find(lab.Debounce(exit_frames=1))) == 2


def test_two_labels_swap_from_one_sample_to_the_next(quick_run):
    cat, person = quick_run.find()
    assert (cat.label, person.label) == ("cat", "person")
    assert cat.offset_latest_us == person.onset_us
    assert person.onset_earliest_us == cat.offset_us


def test_six_visits_of_one_person(clips, visits):
    assert visits.recipe["every_s"] == 0.2
    assert_finds(visits, truth(clips / "ground_truth.csv", visits.media["name"]))
    assert visits.effort().analysed_s == pytest.approx(139.4)


@pytest.mark.long
def test_six_visits_of_one_person_in_pictures_of_the_default_size(clips, tmp_path):
    clip = clips / "one-by-one-person-detection.mp4"
    run = lab.analyze(clip, labels=["person"], store=tmp_path, progress=False)
    assert_finds(run, truth(clips / "ground_truth.csv", run.media["name"]))


@pytest.mark.long
def test_most_labelled_pedestrians_are_matched(clips, tmp_path):
    """At IoU 0.5, one detection for each, on the labelled frames of vtest.avi."""
    with (clips / "vtest_gt_sample.csv").open() as file:
        rows = list(csv.DictReader(file))
    last, seen = max(int(r["frame"]) for r in rows), []
    run = lab.analyze(
        clips / "vtest.avi", every_s=0, labels=["person"], store=tmp_path, progress=seen.append,
        cancelled=lambda: bool(seen) and seen[-1].samples >= last,
    )  # fmt: skip
    log, matched = run.log, 0
    for frame in {r["frame"] for r in rows}:
        (position,) = np.flatnonzero(log.frame_index == int(frame) - 1)
        boxes = log.box_xyxy_px[(log.sample == position) & (log.confidence >= 0.25)]
        free = set(range(len(boxes)))
        for r in (r for r in rows if r["frame"] == frame):
            x, y, w, h = (float(r[k]) for k in "xywh")
            best = max(free, key=lambda i: iou(boxes[i], (x, y, x + w, y + h)), default=None)
            if best is not None and iou(boxes[best], (x, y, x + w, y + h)) >= 0.5:
                free.remove(best)
                matched += 1
    assert matched / len(rows) >= 0.8, f"{matched} of {len(rows)}"


def iou(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union


def test_the_same_recipe_gives_the_same_log(samples, tmp_path):
    clip = samples / "cat_then_person.mp4"
    one, two = (lab.analyze(clip, every_s=0.5, store=tmp_path, progress=False) for _ in range(2))
    assert one.run_id != two.run_id
    assert one.recipe_hash == two.recipe_hash
    for name in ("pts_us", "sample", "label", "confidence", "box_xyxy_px"):
        assert np.array_equal(getattr(one.log, name), getattr(two.log, name))
    assert lab.analyze(clip, every_s=0.5, store=tmp_path, progress=False, reuse=True).run_id in (
        one.run_id,
        two.run_id,
    )


@pytest.mark.long
def test_a_cancelled_run_is_resumed_to_an_unbroken_log(samples, tmp_path, quick_run):
    seen = []
    clip = samples / "cat_then_person.mp4"
    run = lab.analyze(clip, store=tmp_path, progress=seen.append, cancelled=lambda: len(seen) > 9)
    assert run.state == "cancelled"
    assert 0 < len(run.log.pts_us) < 60
    assert all(s.close_reason in ("exit", "cancelled") for s in run.find())
    run = lab.resume(run.store, run.run_id, progress=False)
    assert run.state == "done"
    for name in ("pts_us", "sample", "label", "confidence", "box_xyxy_px"):
        assert np.array_equal(getattr(run.log, name), getattr(quick_run.log, name))


@pytest.mark.long
def test_scores_of_failed_samples_are_missing_not_zero(encode, h264, tmp_path):
    data = bytearray(h264.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = (
        np.random.default_rng(1).integers(0, 256, 3000, np.uint8).tobytes()
    )
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)
    run = lab.analyze(
        damaged, every_s=0, labels=["person"], image_size=320, store=tmp_path / "s", progress=False
    )
    scores = run.scores()
    assert scores["failed"].any()
    assert scores.loc[scores["failed"], "person"].isna().all()
    assert run.effort().analysed_s < 12
    explained = run.explain("person")
    assert (explained["state"] == "failed").sum() == scores["failed"].sum()


def test_why_names_the_streak_the_miss_and_the_silence(quick_run):
    rule = lab.Debounce(enter_threshold=0.4, exit_frames=2, cooldown_s=60, cooldown_from="start")
    reasons = " | ".join(quick_run.explain("cat", rule)["reason"])
    for words in (
        "1 of 3 over samples to enter",
        "the sighting opens",
        "missed by",
        "the sighting ends",
    ):
        assert words in reasons


@pytest.mark.long
def test_a_run_with_a_damaged_part_is_completed_by_resuming(samples, tmp_path):
    seen = []
    run = lab.analyze(
        samples / "nothing.mp4",
        labels=["cat"],
        store=tmp_path,
        progress=seen.append,
        cancelled=lambda: len(seen) > 5,
    )
    (part,) = run.store.log_folder(run.run_id).glob("samples-*.parquet")
    part.write_bytes(part.read_bytes()[:50])
    run = lab.resume(run.store, run.run_id, progress=False)
    assert (run.state, len(run.log.pts_us), run.log.damaged) == ("done", 40, ())


@pytest.mark.long
def test_weights_given_by_path_are_found_again_on_resuming(samples, models, tmp_path):
    seen = []
    clip, weights = samples / "nothing.mp4", str(models / "yolo26n.pt")
    run = lab.analyze(
        clip,
        weights=weights,
        labels=["cat"],
        every_s=1,
        store=tmp_path,
        progress=seen.append,
        cancelled=lambda: bool(seen),
    )
    assert lab.resume(run.store, run.run_id, progress=False).state == "done"


def test_a_run_that_another_process_writes_is_left_to_it(samples, tmp_path):
    from lab.score_log.writer import ScoreLogWriter

    seen = []
    run = lab.analyze(
        samples / "nothing.mp4",
        labels=["cat"],
        store=tmp_path,
        progress=seen.append,
        cancelled=lambda: bool(seen),
    )
    with ScoreLogWriter(run.store.log_folder(run.run_id), {"labels": ["cat"]}):
        with pytest.raises(lab.StoreError, match="another process"):
            lab.resume(run.store, run.run_id, progress=False)
        assert run.store.run(run.run_id)["state"] == "cancelled"
