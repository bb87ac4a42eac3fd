"""Detectors that stay loaded between jobs."""

import pytest

from lab.errors import SettingError
from lab.jobs.warm import WarmDetectors

MOTION = {"name": "motion"}
VISUAL = {"name": "visual", "labels": ["brightness"]}


def test_the_same_settings_give_the_same_detector_and_others_a_new_one(tmp_path):
    warm = WarmDetectors()
    (first,) = warm.get([MOTION], tmp_path)
    assert warm.get([dict(MOTION)], tmp_path)[0] is first
    (other,) = warm.get([VISUAL], tmp_path)
    assert other is not first
    assert warm.get([MOTION], tmp_path)[0] is not first


def test_a_job_with_several_keeps_those_that_the_next_one_wants(tmp_path):
    warm = WarmDetectors()
    motion, visual = warm.get([MOTION, VISUAL], tmp_path)
    again, fresh, same = warm.get([VISUAL, {"name": "motion", "width_px": 160}, MOTION], tmp_path)
    assert again is visual
    assert same is motion
    assert fresh is not motion


def test_two_of_one_kind_in_a_job_are_two(tmp_path):
    one, two = WarmDetectors().get([MOTION, MOTION], tmp_path)
    assert one is not two


@pytest.mark.long
def test_other_prompts_load_nothing_again(models, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_MODELS", str(tmp_path / "models"))
    settings = {
        "name": "yolo-world",
        "weights": str(models / "yolov8s-world.pt"),
        "image_size": 320,
    }
    warm = WarmDetectors()
    (first,) = warm.get([{**settings, "labels": ["cat"]}], tmp_path)
    (second,) = warm.get([{**settings, "labels": ["dog", "car"]}], tmp_path)
    assert second is first
    assert second.labels == ("dog", "car")
    assert second.made_from["labels"] == ["dog", "car"]
    with pytest.raises(SettingError, match="given twice"):
        warm.get([{**settings, "labels": ["dog", "dog"]}], tmp_path)
