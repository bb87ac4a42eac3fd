"""What moves, and what the gate holds back: on made pictures, and on a real clip."""

import inspect
import json

import numpy as np
import pytest

import lab
from lab.detectors.motion import Motion, MotionGate
from lab.errors import SettingError
from lab.frame import Frame
from lab.rules.replay import replay
from lab.rules.series import ScoreSeries
from lab.video.sources.file import FileSource
from tests.builders import make_frame

EVERY_US = 200_000


def still(n, size_px=(160, 120), seed=1):
    """n pictures of a still, textured scene with the noise of a camera."""
    noise = np.random.default_rng(seed)
    width, height = size_px
    scene = noise.integers(80, 200, (height // 8, width // 8, 3)).repeat(8, 0).repeat(8, 1)
    for _ in range(n):
        yield np.clip(scene + noise.normal(0, 2, scene.shape), 0, 255).astype(np.uint8)


def frames_of(pictures, every_us=EVERY_US):
    return [Frame(image, i, i * every_us, 0.0) for i, image in enumerate(pictures)]


def paint(image, box, colour=(10, 10, 250)):
    left, top, right, bottom = box
    image[top:bottom, left:right] = colour
    return image


def walking(n=74, size_px=(160, 120), from_=64, others=()):
    """A square of 20 px that walks 4 px a sample from sample `from_` on."""
    pictures, boxes = [], []
    for i, image in enumerate(still(n, size_px)):
        box = None
        if i >= from_:
            left = 8 + 4 * (i - from_)
            box = (left, 40, left + 20, 60)
            for one in (box, *others):
                paint(image, one)
        pictures.append(image)
        boxes.append(box)
    return frames_of(pictures), boxes


def test_the_first_samples_are_held_back_and_say_so():
    detections = Motion().detect(frames_of(still(10)))
    assert [a.gated for a in detections[:8]] == [
        f"warming up: {k} of 8 samples" for k in range(1, 9)
    ]
    assert [a.gated for a in detections[8:]] == [None, None]


def test_a_still_scene_does_not_move():
    assert [len(a) for a in Motion().detect(frames_of(still(60)))] == [0] * 60


def test_what_moves_is_boxed_and_its_score_is_its_share():
    frames, boxes = walking()
    detections = Motion().detect(frames)
    assert all(len(a) == 0 for a in detections[:64])
    for answer, box in zip(detections[64:], boxes[64:], strict=True):
        assert list(answer.labels) == ["motion"]
        assert np.abs(answer.box_xyxy_px[0] - box).max() <= 2
        assert answer.confidence[0] == pytest.approx(400 / (160 * 120), rel=0.15)


def test_every_region_has_the_share_of_all():
    frames, _ = walking(n=66, others=[(100, 80, 120, 110)])
    answer = Motion().detect(frames)[-1]
    assert len(answer) == 2
    assert answer.confidence[0] == answer.confidence[1]
    assert answer.confidence[0] == pytest.approx((400 + 600) / (160 * 120), rel=0.15)


def test_boxes_are_in_pixels_of_the_frame_however_small_it_is_looked_at():
    pictures = [p.repeat(8, 0).repeat(8, 1) for p in still(20)]
    paint(pictures[-1], (640, 160, 960, 480))
    (box,) = Motion().detect(frames_of(pictures))[-1].box_xyxy_px
    assert np.abs(box - (640, 160, 960, 480)).max() <= 16


def test_shadows_are_not_motion():
    pictures = list(still(20))
    pictures[-1][40:80, 40:80] = (pictures[-1][40:80, 40:80] * 0.7).astype(np.uint8)
    assert len(Motion().detect(frames_of(pictures))[-1]) == 0


def test_small_regions_are_ignored():
    pictures = list(still(20))
    paint(pictures[-1], (40, 40, 46, 46))
    assert len(Motion().detect(frames_of(pictures))[-1]) == 1
    larger = Motion(least_region_fraction=0.01)
    assert len(larger.detect(frames_of(pictures))[-1]) == 0


def test_what_stays_still_becomes_background():
    pictures = [paint(p, (40, 40, 80, 80)) if i >= 120 else p for i, p in enumerate(still(150))]
    moves = [len(a) > 0 for a in Motion().detect(frames_of(pictures))]
    assert moves[120:130] == [True] * 10
    assert moves[136:] == [False] * 14


def test_at_a_cut_nearly_everything_moves():
    pictures = [*still(20), *(255 - p for p in still(1, seed=5))]
    assert Motion().detect(frames_of(pictures))[-1].confidence[0] > 0.7


def test_batches_change_nothing():
    frames, _ = walking(n=80)
    one, eight = Motion(), Motion()
    alone = [a for f in frames for a in one.detect([f])]
    together = [a for i in range(0, 80, 8) for a in eight.detect(frames[i : i + 8])]
    assert [a.gated for a in alone] == [a.gated for a in together]
    for a, b in zip(alone, together, strict=True):
        assert np.array_equal(a.confidence, b.confidence)
        assert np.array_equal(a.box_xyxy_px, b.box_xyxy_px)


def test_another_shape_and_time_that_goes_back_begin_anew():
    detector = Motion()
    frames = frames_of(still(12))
    detector.detect(frames)
    wide = Frame(next(still(1, (320, 120))), 12, 12 * EVERY_US, 0.0)
    assert detector.detect([wide])[0].gated == "warming up: 1 of 8 samples"
    detector.detect(frames)
    assert detector.detect(frames[:1])[0].gated == "warming up: 1 of 8 samples"


def test_the_score_floor_leaves_out_weaker_frames():
    frames, _ = walking(n=66)
    assert len(Motion(score_floor=0.1).detect(frames)[-1]) == 0


@pytest.mark.parametrize("size_px", [(1, 1), (3, 400), (640, 360)])
def test_grey_pictures_of_any_size_do_not_move(size_px):
    frames = [make_frame(i, i * EVERY_US, size_px) for i in range(12)]
    detections = Motion().detect(frames)
    assert detections[-1].gated is None
    assert len(detections[-1]) == 0


def test_no_frames_give_nothing_and_closing_twice_is_fine():
    detector = Motion()
    assert detector.detect([]) == []
    detector.close()
    detector.close()


def test_the_recipe_holds_every_setting_as_json():
    recipe = Motion(history_samples=50, variance_threshold=20).recipe()
    assert json.loads(json.dumps(recipe)) == recipe
    assert recipe["history_samples"] == 50
    names = inspect.signature(Motion).parameters
    assert Motion(**{n: recipe[n] for n in names}).recipe() == recipe


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"history_samples": 1}, "history_samples must be a whole number"),
        ({"history_samples": 10.5}, "history_samples must be a whole number"),
        ({"variance_threshold": 0}, "variance_threshold"),
        ({"warm_up_samples": 0}, "warm_up_samples"),
        ({"width_px": 8}, "width_px"),
        ({"least_region_fraction": 2}, "least_region_fraction"),
        ({"least_region_fraction": float("nan")}, "least_region_fraction"),
        ({"score_floor": 0}, "score_floor"),
        ({"labels": ["person"]}, "no label 'person'; known: motion"),
        ({"labels": "motion"}, "must be a list"),
    ],
)
def test_settings_that_cannot_work_say_why(settings, words):
    with pytest.raises(SettingError, match=words):
        Motion(**settings)


@pytest.mark.parametrize("settings", [{"least_share": 0}, {"hold_s": -1}, {"hold_samples": 1.5}])
def test_a_gates_settings_are_checked(settings):
    with pytest.raises(SettingError, match=next(iter(settings))):
        MotionGate(**settings)


def test_the_gate_holds_back_a_still_scene_after_the_hold_and_says_why():
    gate = MotionGate()
    reasons = [gate.check(f) for f in frames_of(still(40))]
    # 8 samples of warming up, then 2 s = 10 samples of hold.
    assert reasons[:18] == [None] * 18
    assert set(reasons[18:]) == {"nothing moved: 0.0000 of the picture, minimum 0.002"}


def test_the_gate_lets_motion_pass_and_holds_it_in_media_time():
    pictures = list(still(80))
    for i in (40, 41):
        paint(pictures[i], (40, 40, 80, 80))
    gate = MotionGate(hold_s=3.0)
    passed = [gate.check(f) is None for f in frames_of(pictures)]
    assert passed[30:40] == [False] * 10
    assert passed[40:57] == [True] * 17
    assert passed[57:] == [False] * 23


def test_the_hold_is_never_fewer_than_its_samples():
    pictures = list(still(60))
    paint(pictures[40], (40, 40, 80, 80))
    gate = MotionGate()
    passed = [gate.check(f) is None for f in frames_of(pictures, every_us=5_000_000)]
    assert passed[39] is False
    assert passed[40:49] == [True] * 9
    assert passed[49:] == [False] * 11


def test_a_frame_without_a_picture_passes():
    gate = MotionGate()
    for frame in frames_of(still(40)):
        gate.check(frame)
    assert gate.check(make_frame(40, 40 * EVERY_US, error="broken")) is None


def test_a_gates_settings_are_json_and_name_its_kind():
    settings = MotionGate(least_share=0.01).settings()
    assert json.loads(json.dumps(settings)) == settings
    assert (settings["kind"], settings["least_share"]) == ("motion", 0.01)


@pytest.mark.long
def test_the_gate_saves_a_quarter_of_a_clip_and_loses_no_visit(visits):
    gate = MotionGate()
    kept = np.array(
        [gate.check(frame) is None for frame in FileSource(visits.media_path).frames(0.2)]
    )
    times, values = visits.log.pts_us, visits.log.scores("person")
    rule = lab.Debounce(enter_threshold=0.4)
    full = replay(ScoreSeries.from_arrays("person", times, values), rule)
    gated = replay(ScoreSeries.from_arrays("person", times[kept], values[kept]), rule)
    assert kept.mean() <= 0.75
    assert len(full) == len(gated) == 6
    for a, b in zip(full, gated, strict=True):
        assert abs(a.onset_us - b.onset_us) <= 1_000_000
        assert abs(a.offset_us - b.offset_us) <= 1_000_000


def test_where_something_always_moves_nothing_is_held_back(clips):
    gate = MotionGate()
    frames = FileSource(clips / "vtest.avi").frames(0.5)
    assert all(gate.check(frame) is None for frame in frames)
