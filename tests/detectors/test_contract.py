"""The contract's defaults, and objects that are completed to it."""

from types import SimpleNamespace

import numpy as np
import pytest

from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.gate import make_gate
from lab.detectors.make import as_detector
from lab.errors import DetectorError, SettingError
from tests.builders import make_detections, make_frame


class Least(Detector):
    """No more than the contract demands."""

    def detect(self, frames):
        return [Detections() for _ in frames]

    def recipe(self):
        return {"detector": "least", "labels": [], "score_floor": self.default_score_floor}


class Drawing:
    """Not of the lab, with a recipe of its own; it draws on what it is given."""

    def detect(self, frames):
        for frame in frames:
            frame.image_bgr[:] = 0
        return [make_detections(("cat", 0.9, (0, 0, 10, 10))) for _ in frames]

    def recipe(self):
        return {"detector": "drawing", "labels": ["cat"], "score_floor": 0.05}


def test_a_detector_that_gives_only_what_it_must_has_every_member():
    least = Least()
    assert as_detector(least) is least
    assert (least.default_score_floor, least.default_threshold) == (0.05, 0.4)
    assert (least.labels, least.batch_size, least.device) == ((), 1, "cpu")
    assert (least.is_stateful, least.takes_windows, least.takes_prompts) == (False,) * 3
    assert least.made_from is None
    assert least.weights_path is None
    assert least.name == "Least"
    least.reset()
    least.close()
    with pytest.raises(SettingError, match="takes no other labels"):
        least.ask_for(["cat"])


def test_a_detector_with_a_memory_that_it_cannot_clear_says_so():
    least = Least()
    least.is_stateful = True
    with pytest.raises(DetectorError, match=r"has a memory \(is_stateful\) and no reset\(\)"):
        least.reset()


def test_an_object_with_a_recipe_keeps_it_and_is_given_pictures_of_its_own():
    frame = make_frame()
    made = as_detector(Drawing())
    assert made.recipe() == {"detector": "drawing", "labels": ["cat"], "score_floor": 0.05}
    assert made.detect([frame])[0].labels == ["cat"]
    assert (frame.image_bgr == 90).all()
    assert (made.name, made.labels, made.is_stateful) == ("Drawing", (), False)
    made.close()


def test_an_object_without_a_recipe_is_completed_as_a_plugin_is():
    bare = SimpleNamespace(detect=lambda frames: "a cat")
    made = as_detector(bare)
    assert made.recipe()["detector"] == "SimpleNamespace"
    (found,) = made.detect([make_frame()])
    assert "returned str, expected list[Detections]" in found.error


@pytest.mark.parametrize("made", [None, 3, object(), Drawing])
def test_what_has_no_detect_is_refused(made):
    with pytest.raises(SettingError, match=r"an object with detect\(frames\), got"):
        as_detector(made)


def test_a_gate_that_is_reset_decides_as_a_new_one():
    rng = np.random.default_rng(3)
    frames = [make_frame(i, i * 200_000) for i in range(60)]
    for frame in frames[30:34]:
        frame.image_bgr[:] = rng.integers(0, 255, frame.image_bgr.shape)
    gate = make_gate({"kind": "motion", "warm_up_samples": 2, "hold_s": 0.4, "hold_samples": 1})
    first = [gate.check(frame) for frame in frames]
    assert None in first
    assert any(first)
    gate.reset()
    assert [gate.check(frame) for frame in frames] == first
