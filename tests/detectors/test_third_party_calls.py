"""What third-party detectors print, and detections that they lose without a word."""

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.detectors.make import as_detector, make_detector
from lab.detectors.plugins.calls import third_party_call
from lab.video.sources.file import FileSource

ROOT = Path(__file__).parents[2]
HERE = "tests.detectors.test_third_party_calls"
PRINTING = """
import logging, os, sys
import numpy as np
from lab.detection import Detections

print("imported")
LOG = logging.getLogger("printing")
LOG.addHandler(logging.StreamHandler(sys.stdout))
LOG.setLevel(logging.INFO)

class Printing:
    is_stateful = False
    def __init__(self):
        print("made")
    def detect(self, frames):
        print("printed")
        LOG.info("logged")
        os.system("echo from another program")
        os.write(1, b"written below Python")
        return [Detections() for _ in frames]
"""


class UltralyticsYolo:
    """As the detector `yolo` of detstream 0.3: several frames in one call of Ultralytics."""

    def __init__(self, weights):
        from ultralytics import YOLO

        self.model = YOLO(weights)
        self.names = dict(self.model.names)

    def detect(self, image):
        return self.detect_batch([image])[0]

    def detect_batch(self, images):
        results = self.model.predict(images, conf=0.01, imgsz=160, verbose=False)
        return [Best(float(r.boxes.conf.max()) if len(r.boxes) else 0.0) for r in results]


class Best:
    label, box = "something", None

    def __init__(self, confidence):
        self.present, self.confidence = confidence > 0.4, confidence


class WithRecipe(UltralyticsYolo):
    """The same, written for the lab."""

    labels = ("something",)

    def detect(self, frames):
        from tests.builders import make_detections

        best = self.detect_batch([f.image_bgr for f in frames])
        return [make_detections(("something", b.confidence, (0, 0, 9, 9))) for b in best]

    def recipe(self):
        return {"detector": "mine", "labels": ["something"], "score_floor": 0.05}


@pytest.fixture
def out_of_time(monkeypatch):
    """Ultralytics' suppression runs out of time after the first picture of a batch."""
    nms = pytest.importorskip("ultralytics.utils.nms")
    defaults = list(nms.non_max_suppression.__defaults__)
    defaults[defaults.index(0.05)] = -10.0  # seconds that each picture adds to the limit of 2
    monkeypatch.setattr(nms.non_max_suppression, "__defaults__", tuple(defaults))


@pytest.fixture
def four(samples):
    return list(FileSource(samples / "cat_then_person.mp4").frames(2.0))[:4]


@pytest.mark.parametrize("level", [logging.INFO, logging.ERROR])
def test_frames_that_suppression_lost_to_its_time_out_are_failed(
    models, four, out_of_time, level, monkeypatch
):
    monkeypatch.setattr(logging.getLogger("ultralytics"), "level", level)
    detector = make_detector(
        "python",
        target=f"{HERE}:UltralyticsYolo",
        style="detstream",
        weights=str(models / "yolov8s-world.pt"),
        batch_size=4,
    )
    found = detector.detect(four)
    assert all("ran out of time" in one.error for one in found), found
    assert "use a smaller batch_size" in found[0].error
    assert logging.getLogger("ultralytics").level == level


def test_a_detector_with_its_own_recipe_is_watched_as_well(models, four, out_of_time):
    found = as_detector(WithRecipe(str(models / "yolov8s-world.pt"))).detect(four)
    assert all("ran out of time" in one.error for one in found), found


def test_without_a_time_out_no_frame_is_failed(models, four):
    found = as_detector(WithRecipe(str(models / "yolov8s-world.pt"))).detect(four)
    assert [one.error for one in found] == [None] * 4


def test_a_time_out_that_is_printed_is_noticed_too():
    with third_party_call() as call:
        print("WARNING: NMS time limit 2.05s exceeded")
    assert "NMS time limit 2.05s exceeded" in call.failure


def test_a_detector_that_prints_leaves_standard_output_to_the_json(samples, tmp_path):
    (tmp_path / "printing.py").write_text(PRINTING)
    command = [
        sys.executable, "-m", "lab", "analyze", str(samples / "nothing.mp4"),
        "--detector", "python", "--set", "target=printing:Printing",
        "--every", "2", "--store", str(tmp_path / "store"), "--json",
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["samples"] > 0
    for words in ("imported", "made", "printed", "logged", "from another program", "below Python"):
        assert words in done.stderr
