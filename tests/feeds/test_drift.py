"""A feed says when its picture or its scores have left the footage of its rule, and only then."""

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from lab.detection import Detections
from lab.errors import LabError
from lab.feeds.drift import DriftWatch
from lab.feeds.drift_learning import ReferenceMaker
from lab.feeds.drift_of_runs import reference_of_rule, reference_of_run
from lab.feeds.drift_reference import DriftReference
from lab.feeds.feed_drift import LEARNING, REFERENCE, FeedDrift
from lab.feeds.picture_figures import EDGES_SIZE, PictureFigures, agreement, picture_figures
from lab.frame import FrameStamp
from lab.runs.pipeline import LoggedSample
from lab.video.registered import open_source
from tests.builders import make_detections
from tests.feeds.lamp import wait_for

CLIPS = Path(__file__).parents[3] / "shared" / "clips"
NOON = 12 * 3600.0
TABLE, STREET = "one-by-one-person-detection.mp4", "vtest.avi"


@pytest.fixture(scope="module")
def halves():
    """Of each clip the samples of its first and of its second half, one a second."""
    found = {}
    for name in (TABLE, STREET):
        if not (CLIPS / name).is_file():
            pytest.skip(f"{CLIPS / name} is not there: drift is tried on real footage")
        with open_source(CLIPS / name) as source:
            frames = [(frame.pts_us, frame.image_bgr) for frame in source.frames(1.0)]
        found[name] = frames[: len(frames) // 2], frames[len(frames) // 2 :]
    return found


def reference_of(frames, scores=lambda at: {}, wall_time=NOON):
    maker = ReferenceMaker("a clip")
    for at, (pts_us, image) in enumerate(frames):
        maker.take(pts_us, wall_time, picture_figures(image), scores(at))
    return DriftReference.from_dict(json.loads(json.dumps(maker.made().to_dict())))


def kinds_after(reference, frames, change=lambda image: image, wall_time=NOON):
    watch = watched(reference, frames, change, wall_time)
    return [finding.kind for finding in watch.findings()]


def watched(reference, frames, change=lambda image: image, wall_time=NOON):
    """Shown these frames as if a minute were two seconds."""
    watch = DriftWatch(reference, minute_s=2.0)
    for pts_us, image in frames:
        watch.take(pts_us, wall_time + pts_us / 1e6, change(image), {})
    return watch


@pytest.mark.parametrize("name", [TABLE, STREET])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_other_half_of_the_footage_has_not_drifted(halves, name, order):
    seen, new = (halves[name][half] for half in order)
    assert kinds_after(reference_of(seen), new) == []


def darker(image):
    return (image * 0.15).astype(np.uint8)


def blurred(image):
    return cv2.GaussianBlur(image, (0, 0), 1.5)


def shifted(image):
    return np.roll(image, (12, 40), axis=(0, 1))


def colourless(image):
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)


def covered(image):
    return np.full_like(image, 120)


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        (darker, "brightness", "the picture is darker: mean brightness (of 255)"),
        (blurred, "sharpness", "the picture is blurred"),
        (shifted, "moved", "what it sees is now 5% of its width to the right and"),
        (colourless, "colour", "as by infrared: colour 0 for"),
        (covered, "moved", "something is before it"),
    ],
)
def test_each_change_is_found_with_its_evidence(halves, change, kind, says):
    seen, new = halves[STREET]
    findings = watched(reference_of(seen), new, change).findings()
    (found,) = [finding for finding in findings if finding.kind == kind]
    assert says in found.text
    assert "in its first day" in found.text
    low, high = found.reference_range
    assert not low <= found.value <= high
    assert NOON <= found.since < NOON + new[-1][0] / 1e6
    if change in (darker, blurred, shifted, colourless):
        assert len(findings) == 1


def test_what_passes_is_no_drift_and_what_ends_is_none_any_more(halves):
    seen, new = halves[TABLE]
    reference = reference_of(seen)
    watch = watched(reference, new[:10], darker)
    assert watch.findings() == []
    lasting = watched(reference, new[:40], darker)
    assert lasting.findings()
    for pts_us, image in new[40:]:
        lasting.take(pts_us, NOON, image, {})
    assert lasting.findings() == []


def test_infrared_that_is_stuck_by_day_is_found_though_nights_were_tuned_on(halves):
    seen, new = halves[STREET]
    maker = ReferenceMaker("a day and a night")
    for pts_us, image in seen:
        maker.take(pts_us, NOON, picture_figures(image), {})
        maker.take(pts_us, 0.0, picture_figures(colourless(image)), {})
    reference = maker.made()
    assert kinds_after(reference, new, colourless, wall_time=NOON) == ["colour"]
    assert kinds_after(reference, new, colourless, wall_time=0.0) == []
    assert kinds_after(reference, new, wall_time=NOON) == []


def shown_scores(reference, scores):
    figures = picture_figures(np.zeros((60, 80, 3), np.uint8))
    watch = DriftWatch(reference)
    for at, score in enumerate(scores):
        watch.take(at * 10_000_000, float(at), figures, {"fox": float(score)})
    return watch.findings()


def test_scores_that_come_from_another_distribution_are_found():
    random = np.random.default_rng(8)
    tuned = random.beta(8, 3, 200)
    frames = [(at * 10_000_000, np.zeros((60, 80, 3), np.uint8)) for at in range(200)]
    reference = reference_of(frames, lambda at: {"fox": float(tuned[at])}, wall_time=0.0)
    (found,) = shown_scores(reference, random.beta(3, 4, 150))
    assert (found.kind, found.label) == ("scores", "fox")
    assert "scores of fox are lower: median 0." in found.text
    assert shown_scores(reference, random.beta(8, 3, 150)) == []
    assert shown_scores(reference, random.beta(3, 4, 20)) == [], "too few to say"


def test_a_reference_is_made_from_the_run_of_a_rule(quick_run):
    reference = reference_of_run(quick_run, most=40)
    assert quick_run.run_id in reference.made_from
    assert len(reference.rows) == min(40, int(quick_run.log.ok.sum()))
    assert set(reference.scores) <= set(quick_run.labels)
    watch = DriftWatch(reference, minute_s=0.4)
    with open_source(quick_run.media_path) as source:
        for frame in source.frames(0.2):
            watch.take(frame.pts_us, NOON, frame.image_bgr, {})
    assert watch.findings() == []


def sample_of(at, image, found=None):
    stamp = FrameStamp(at, at * 1_000_000, NOON + at)
    return LoggedSample(stamp, found or make_detections(("fox", 0.7, (1, 1, 9, 9))), image, None)


def test_a_feed_without_a_reference_learns_from_its_beginning(tmp_path, halves):
    seen, new = halves[STREET]
    drift = FeedDrift(tmp_path, learnt_us=(len(seen) - 2) * 1_000_000, minute_s=2.0)
    for at, (_, image) in enumerate(seen):
        drift.take(sample_of(at, image))
    assert (tmp_path / REFERENCE).is_file()
    again = FeedDrift(tmp_path, minute_s=2.0)
    for at, (_, image) in enumerate(new):
        again.take(sample_of(at, blurred(image)))
        again.take(sample_of(at, None, Detections.failed("no picture")))
    assert [text.split(":")[0] for text in again.texts()] == [
        "the picture is blurred, as by dew, dirt or a lost focus"
    ]


def test_a_reference_that_is_broken_is_said_and_stops_nothing(tmp_path, halves):
    (tmp_path / REFERENCE).write_text('{"version": 7}')
    drift = FeedDrift(tmp_path)
    drift.take(sample_of(0, halves[STREET][0][0][1]))
    assert "remove it" in drift.texts()[0]
    with pytest.raises(LabError, match="cannot be read"):
        DriftReference.load(tmp_path / REFERENCE)
    drift.set_reference(reference_of(halves[STREET][0]))
    assert drift.texts() == []


def test_a_finding_can_be_kept_as_json(halves):
    seen, new = halves[STREET]
    for finding in watched(reference_of(seen), new, darker).findings():
        kept = json.loads(json.dumps(finding.to_dict()))
        assert {f.name for f in dataclasses.fields(finding)} == set(kept)


def test_a_feed_is_compared_with_the_footage_of_the_run_its_rule_was_tuned_on(tmp_path, quick_run):
    rule = quick_run.default_rule
    assert reference_of_rule(quick_run.store, rule.rule_hash) is None
    quick_run.store.save_rule("tuned", rule, quick_run.run_id)
    drift = FeedDrift(tmp_path)
    drift.follow(rule.rule_hash, lambda: reference_of_rule(quick_run.store, rule.rule_hash))
    wait_for(lambda: (tmp_path / REFERENCE).is_file(), "a reference")
    assert DriftReference.load(tmp_path / REFERENCE).rule_hash == rule.rule_hash
    asked = []
    FeedDrift(tmp_path).follow(rule.rule_hash, lambda: asked.append(1))
    assert asked == [], "it is kept"


def test_a_long_first_day_is_held_in_little_and_each_row_has_the_edges_of_its_time():
    random = np.random.default_rng(4)
    early, late = (random.random(EDGES_SIZE[::-1]).astype(np.float32) for _ in range(2))
    maker, count = ReferenceMaker("a day"), 12_000
    for at in range(count):
        figures = PictureFigures(at, 1.0, 1.0, 1.0, early if at < count / 4 else late)
        maker.take(at * 10_000_000, NOON, figures, {"fox": at / count})
    assert len(maker._rows) < 1500
    assert len(maker._pictures) <= 128
    assert len(maker._highest["fox"].scores) <= 1000
    made = maker.made()
    assert np.unique(np.diff(made.rows[:, 0])).size == 1  # evenly
    assert made.rows[-1, 0] > count - 20
    is_early = made.rows[:, 0] < count / 4
    assert abs(made.rows[is_early, 4] - agreement(early, made.edges)).max() < 0.01
    is_late = made.rows[:, 0] > count / 4 + count / 64  # for so long one picture stands for all
    assert abs(made.rows[is_late, 4] - agreement(late, made.edges)).max() < 0.01
    assert np.percentile(made.scores["fox"], [10, 50, 90]) == pytest.approx(
        [0.1, 0.5, 0.9], abs=0.02
    )


def taught(drift, count, begin=0, at_s=lambda at: at):
    image = np.random.default_rng(1).integers(0, 255, (60, 80, 3), np.uint8)
    for at in range(begin, begin + count):
        stamp = FrameStamp(at, (at - begin) * 1_000_000, NOON + at_s(at))
        found = make_detections(("fox", 0.7, (1, 1, 9, 9)))
        drift.take(LoggedSample(stamp, found, image, None))


def test_the_first_day_goes_on_over_restarts_and_begins_anew_with_another_source(tmp_path):
    def process(footage, count, begin):
        drift = FeedDrift(tmp_path, learnt_us=50_000_000)
        drift.begin(footage)
        taught(drift, count, begin)
        drift.end()
        return drift

    assert process("pond", 31, 0).compared_with() == "nothing yet: 0.0 of the first 0 h were seen"
    assert (tmp_path / LEARNING).is_file()
    process("another source", 11, 31)
    assert not (tmp_path / REFERENCE).exists()
    process("another source", 31, 42)
    assert not (tmp_path / REFERENCE).exists(), "10 s and 30 s"
    assert process("another source", 15, 80).compared_with() == "the first day of the feed"
    assert not (tmp_path / LEARNING).exists()
    reference = DriftReference.load(tmp_path / REFERENCE)
    assert (len(reference.rows), reference.footage) == (11 + 31 + 11, "another source")
    again = FeedDrift(tmp_path)
    again.begin("another source")
    assert again.compared_with() == "the first day of the feed"
    again.begin("a third one")
    assert "nothing yet" in again.compared_with()
    assert not (tmp_path / REFERENCE).exists()


def test_what_was_learnt_is_the_same_from_its_file_and_a_broken_file_is_none(tmp_path):
    file = tmp_path / LEARNING
    maker, other = ReferenceMaker("a day"), ReferenceMaker("a day")
    for at in range(4000):
        if at == 3100:
            other.save(file, "pond")
            other = ReferenceMaker.load(file, "pond")
            other.begin()
            maker.begin()
        for one in (maker, other):
            figures = PictureFigures(at % 7, 1.0, 1.0, 1.0, np.full((54, 96), at % 5 / 5, "f4"))
            one.take(at * 10_000_000, at * 10.0, figures, {"fox": at % 9 / 9})
    assert other.made().to_dict() == maker.made().to_dict()
    assert ReferenceMaker.load(file, "another") is None
    file.write_bytes(file.read_bytes()[:-100])
    assert ReferenceMaker.load(file, "pond") is None


def test_a_gap_is_not_learnt_from(tmp_path):
    maker = ReferenceMaker("a day")
    figures = PictureFigures(1.0, 1.0, 1.0, 1.0, np.ones((54, 96), np.float32))
    for pts_s in (0, 600, 20 * 3600):
        maker.take(pts_s * 1_000_000, None, figures, {})
    assert maker.covered_us == 1_200_000_000


def test_a_reference_of_a_run_stays_whatever_the_source(tmp_path, halves):
    reference = dataclasses.replace(reference_of(halves[STREET][0]), rule_hash="tuned")
    reference.save(tmp_path / REFERENCE)
    drift = FeedDrift(tmp_path)
    drift.begin("another source")
    assert drift.compared_with() == "a clip"


EDGES = np.random.default_rng(2).random(EDGES_SIZE[::-1]).astype(np.float32)


def look(hour, *, sunrise=6.5, sunset=17.5, cloud=0.0, stuck=False):
    """A place by day, and by infrared by night. cloud: 0 for sun, 1 for a grey sky."""
    is_night = not sunrise < hour < sunset
    if is_night:
        return PictureFigures(60.0, 35.0, 300.0, 0.8, EDGES)
    colour = 0.8 if stuck else 40.0 - 20 * cloud
    return PictureFigures(120.0 - 20 * cloud, 55.0 - 12 * cloud, 260 - 120 * cloud, colour, EDGES)


def a_day(take, seed, **sky):
    """A sample every four minutes; people by day, and by night what is taken for one."""
    random = np.random.default_rng(seed)
    for at in range(360):
        hour = at / 15
        is_night = not sky.get("sunrise", 6.5) < hour < sky.get("sunset", 17.5)
        score = float(random.beta(2, 12) if is_night else random.beta(8, 3))
        take(at * 240_000_000, at * 240.0, look(hour, **sky), {"person": score})


@pytest.mark.parametrize(
    ("sky", "expected"),
    [
        ({}, set()),
        ({"cloud": 1.0}, set()),
        ({"sunrise": 8.3, "sunset": 15.5}, set()),
        ({"sunrise": 4.6, "sunset": 19.5, "cloud": 0.5}, set()),
        ({"stuck": True}, {"colour"}),
        ({"stuck": True, "cloud": 1.0}, {"colour"}),
    ],
)
def test_a_normal_day_is_no_drift_and_infrared_at_noon_is(sky, expected):
    maker = ReferenceMaker("the first day of the feed")
    a_day(maker.take, 1)
    watch = DriftWatch(maker.made())
    found = set()

    def take(*sample):
        watch.take(*sample)
        found.update(finding.kind for finding in watch.findings())

    a_day(take, 2, **sky)
    assert found == expected


def test_by_night_it_is_said_that_a_rule_was_tuned_by_day_alone():
    maker = ReferenceMaker("run 7 of noon.mp4")
    for at in range(60):
        maker.take(at * 1_000_000, NOON + at, look(12.0), {})
    reference = dataclasses.replace(maker.made(), rule_hash="tuned")
    watch = DriftWatch(reference)
    for at in range(30):
        watch.take(at * 60_000_000, 23 * 3600.0 + at * 60, look(23.0), {})
    texts = [finding.text for finding in watch.findings()]
    assert texts
    assert all("where its rule was tuned (none of it near 23:00 UTC)" in text for text in texts)
