"""The series of a picture, on pictures whose numbers are known."""

import inspect
import json

import cv2
import numpy as np
import pytest

from lab.detectors.visual import LABELS, Visual, hex_colour
from lab.errors import SettingError
from lab.frame import Frame
from lab.video.sources.file import FileSource
from tests.builders import make_frame


def frame_of(image):
    return Frame(np.ascontiguousarray(image, np.uint8), 0, 0, 0.0)


def series(image, **settings):
    (answer,) = Visual(**settings).detect([frame_of(image)])
    return dict(zip(answer.labels, answer.confidence.tolist(), strict=True))


def plain(bgr, size_px=(64, 48)):
    return np.full((size_px[1], size_px[0], 3), bgr, np.uint8)


def stripes():
    """Half red, three eighths blue, an eighth white."""
    image = plain((0, 0, 255), (128, 60))
    image[:, 64:112] = (255, 0, 0)
    image[:, 112:] = 255
    return image


def test_brightness_is_the_mean_luma():
    assert series(plain(255))["brightness"] == 1.0
    assert series(plain(51))["brightness"] == pytest.approx(0.2)


def test_contrast_is_1_for_half_black_half_white_and_0_for_one_grey():
    image = plain(0)
    image[:, 32:] = 255
    assert series(image)["contrast"] == pytest.approx(1.0)
    assert "contrast" not in series(plain(90))


def test_saturation_is_1_for_pure_colours_and_0_for_grey():
    assert series(plain((0, 0, 255)))["saturation"] == 1.0
    assert "saturation" not in series(plain(90))


def test_sharpness_falls_when_the_picture_is_blurred():
    image = np.random.default_rng(1).integers(0, 255, (120, 160, 3)).astype(np.uint8)
    sharp, soft = (
        series(image)["sharpness"],
        series(cv2.GaussianBlur(image, (0, 0), 3))["sharpness"],
    )
    assert sharp > 0.9
    assert soft < sharp / 2


def test_sharpness_is_a_half_where_the_laplacian_varies_by_100():
    image = (
        np.random.default_rng(1).normal(128, 100**0.5 / 20**0.5, (400, 400, 1)).repeat(3, axis=2)
    )
    # White noise of variance s has a Laplacian of variance (4^2 + 4) s.
    assert series(image.round())["sharpness"] == pytest.approx(0.5, abs=0.02)


def test_dominant_colours_come_by_their_share():
    values = series(stripes())
    assert [hex_colour(values, rank) for rank in (1, 2, 3)] == ["#ff0000", "#0000ff", "#ffffff"]
    shares = [values[f"colour {rank} share"] for rank in (1, 2, 3)]
    assert shares == pytest.approx([1 / 2, 3 / 8, 1 / 8])


def test_a_picture_of_one_colour_has_one_dominant_colour():
    values = series(plain((0, 128, 255)))
    assert hex_colour(values) == "#ff8000"
    assert values["colour 1 share"] == 1.0
    assert hex_colour(values, 2) is None
    assert not any(label.startswith(("colour 2", "colour 3")) for label in values)


def test_a_value_of_0_is_no_detection():
    assert series(plain(0)) == {"colour 1 share": 1.0}


def test_every_series_of_a_real_picture_is_in_range_with_the_whole_picture_as_its_box(samples):
    frame = next(FileSource(samples / "cat_then_person.mp4").frames(1.0))
    (answer,) = Visual().detect([frame])
    height, width = frame.image_bgr.shape[:2]
    assert set(answer.labels) <= set(LABELS)
    assert len(LABELS) == 16
    assert len(answer) >= 14
    assert ((answer.confidence > 0) & (answer.confidence <= 1)).all()
    assert np.array_equal(answer.box_xyxy_px, np.tile([0, 0, width, height], (len(answer), 1)))


def test_the_same_frame_gives_the_same_numbers_alone_in_a_batch_and_again(samples):
    frames = list(FileSource(samples / "cat_then_person.mp4").frames(0.8))[:8]
    detector = Visual()
    alone = [a for f in frames for a in detector.detect([f])]
    cv2.setRNGSeed(99)
    for a, b in zip(alone, Visual().detect(frames), strict=True):
        assert list(a.labels) == list(b.labels)
        assert np.array_equal(a.confidence, b.confidence)


def test_a_series_does_not_depend_on_which_others_were_asked_for():
    every = series(stripes())
    for label in ("saturation", "colour 2 blue"):
        assert series(stripes(), labels=[label]) == {label: every[label]}
    two = Visual(labels=["colour 1 share", "brightness"])
    assert two.labels == ("brightness", "colour 1 share")


@pytest.mark.parametrize("size_px", [(1, 1), (2, 500), (3000, 2)])
def test_grey_pictures_of_any_size_are_measured(size_px):
    (answer,) = Visual().detect([make_frame(size_px=size_px)])
    values = dict(zip(answer.labels, answer.confidence.tolist(), strict=True))
    assert values["brightness"] == pytest.approx(90 / 255)
    assert hex_colour(values) == "#5a5a5a"


def test_no_frames_give_nothing_and_closing_twice_is_fine():
    detector = Visual()
    assert detector.detect([]) == []
    detector.close()
    detector.close()


def test_the_recipe_is_json_and_makes_the_same_detector():
    recipe = Visual(labels=["contrast"], score_floor=0.01).recipe()
    assert json.loads(json.dumps(recipe)) == recipe
    assert recipe["whole_frame"] is True
    names = inspect.signature(Visual).parameters
    assert Visual(**{n: recipe[n] for n in names}).recipe() == recipe


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"labels": ["brightnes"]}, "did you mean 'brightness'"),
        ({"labels": []}, "no label given"),
        ({"labels": [3]}, "must be a list of names"),
        ({"score_floor": 0.0}, "score_floor"),
    ],
)
def test_settings_that_cannot_work_say_why(settings, words):
    with pytest.raises(SettingError, match=words):
        Visual(**settings)


def test_there_are_three_colours_to_name():
    with pytest.raises(SettingError, match="rank must be from 1 to 3"):
        hex_colour({}, 4)
