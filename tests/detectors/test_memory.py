"""The same recipe gives the same log, whatever a detector was shown before."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import lab
from lab.detectors.make import as_detector, make_detector
from lab.errors import DetectorError
from lab.jobs.local import LocalEngine
from lab.runs.analyze import Analysis, analyze_all
from tests.builders import make_detections, make_frame

ROOT = Path(__file__).parents[2]
COUNTING = '''
import numpy as np
from lab.detection import Detections

class Counting:
    """Counts what it is shown, and says nothing of its memory."""
    def __init__(self):
        self.count = 0
    def detect(self, frames):
        return [self.one(frame) for frame in frames]
    def one(self, frame):
        self.count += 1
        box = np.array([[0, 0, 9, 9]], np.float32)
        return Detections(["x"], np.array([0.1 + self.count / 100], np.float32), box)

class Resetting(Counting):
    is_stateful = True
    def reset(self):
        self.count = 0

class Stateful(Counting):
    is_stateful = True

class Careless(Counting):
    """Says that it has no memory, which is its own affair."""
    is_stateful = False

ONLY = Counting()
def only_one():
    return ONLY

class Seen:
    def __init__(self, score):
        self.present, self.confidence, self.label = True, score, "x"

class OfDetstream:
    count = 0
    def detect(self, image):
        self.count += 1
        return Seen(0.1 + self.count / 100)

class OfStreamInfer:
    def init(self):
        self.count = 0
    def run(self, images):
        self.count += 1
        return {"x": 0.1 + self.count / 100}
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "counting.py").write_text(COUNTING)
    return folder


@pytest.fixture
def counting(site, monkeypatch):
    monkeypatch.syspath_prepend(str(site))
    yield
    sys.modules.pop("counting", None)


def first_scores(detector):
    detector.reset()
    return [float(found.confidence[0]) for found in detector.detect([make_frame(), make_frame(1)])]


BEGINNING = pytest.approx([0.11, 0.12])


@pytest.mark.parametrize(
    ("name", "style"),
    [
        ("Counting", "lab"),
        ("Stateful", "lab"),
        ("Resetting", "lab"),
        ("OfDetstream", "detstream"),
    ],
)
def test_a_plugin_begins_every_pass_without_what_it_saw(counting, name, style):
    detector = make_detector("python", target=f"counting:{name}", style=style)
    assert first_scores(detector) == BEGINNING
    assert first_scores(detector) == BEGINNING


def test_an_algorithm_of_stream_infer_begins_every_pass_anew(counting):
    detector = make_detector("python", target="counting:OfStreamInfer", style="stream-infer")
    for _ in range(2):
        detector.reset()
        (found,) = detector.detect([make_frame(), make_frame(1)])
        assert found.confidence[0] == np.float32(0.11)


def test_a_plugin_that_declares_no_memory_is_not_made_again(counting):
    detector = make_detector("python", target="counting:Careless")
    assert first_scores(detector) == BEGINNING
    assert first_scores(detector) == pytest.approx([0.13, 0.14])
    styled = make_detector(
        "python", target="counting:OfDetstream", style="detstream", is_stateful=False
    )
    assert first_scores(styled) == BEGINNING
    assert first_scores(styled) == pytest.approx([0.13, 0.14])


def test_a_factory_that_gives_the_same_object_again_is_refused(counting):
    detector = make_detector("python", target="counting:only_one")
    first_scores(detector)
    with pytest.raises(DetectorError, match=r"gives the same object .* give it a reset\(\)"):
        detector.reset()


def test_a_reset_that_raises_says_of_which_plugin(counting):
    def broken():
        raise RuntimeError("no disk")

    bare = SimpleNamespace(detect=lambda frames: [], reset=broken)
    with pytest.raises(DetectorError, match=r"reset\(\) raised RuntimeError: no disk"):
        as_detector(bare).reset()


class HandedOver:
    """A detector made by the user, with a memory and no way to clear it."""

    is_stateful = True
    labels = ("x",)

    def detect(self, frames):
        return [make_detections(("x", 0.5, (0, 0, 9, 9))) for _ in frames]


class WithRecipe(HandedOver):
    def recipe(self):
        return {"detector": "handed-over", "labels": ["x"], "score_floor": 0.05}


@pytest.mark.parametrize("kind", [HandedOver, WithRecipe])
def test_an_object_with_a_memory_and_no_reset_serves_one_pass(samples, tmp_path, kind):
    made = kind()
    lab.analyze(samples / "nothing.mp4", detector=made, every_s=2, store=tmp_path, progress=False)
    with pytest.raises(DetectorError, match=r"give it a reset\(\), or make another one for each"):
        lab.analyze(
            samples / "nothing.mp4", detector=made, every_s=2, store=tmp_path, progress=False
        )


def test_logos_forget_what_their_box_detector_saw(counting, tmp_path, monkeypatch):
    from tests.detectors.tiny_clip import tiny_open_clip

    detector = make_detector(
        "logos",
        model="tiny-clip",
        weights=str(tiny_open_clip(tmp_path)),
        brands=[{"name": "Acme", "terms": ["Acme"]}],
        on="boxes",
        boxes_from={"name": "python", "target": "counting:Counting"},
        boxes_threshold=0.125,
        score_floor=1e-6,
    )

    def found():
        detector.reset()
        return [len(one) for one in detector.detect([make_frame(i) for i in range(4)])]

    first = found()
    assert first[:2] == [0, 0]
    assert first[2:] != [0, 0]
    assert found() == first


def test_the_command_line_gives_each_clip_the_log_that_it_gets_by_itself(samples, site, tmp_path):
    clips = [str(samples / "nothing.mp4"), str(samples / "cat_then_person.mp4")]
    done = subprocess.run(
        [sys.executable, "-m", "lab", "analyze", *clips, "--detector", "python", "--set",
         "target=counting:Counting", "--every", "2", "--store", str(tmp_path), "--json"],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(site)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    store = lab.open_store(tmp_path)
    for row in json.loads(done.stdout):
        assert store.run(row["run_id"]).log.confidence[:2].tolist() == BEGINNING


def test_a_warm_worker_gives_the_same_log_for_the_same_recipe(samples, site, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(site))
    engine = LocalEngine(trust=True)
    try:
        one = {
            "name": "one",
            "detector": {"name": "python", "target": "counting:Counting"},
            "interval_s": 2.0,
        }
        jobs = [
            engine.submit(
                "analyze",
                "counting",
                path=str(samples / "nothing.mp4"),
                store=str(tmp_path),
                analyses=[one],
            )
            for _ in range(2)
        ]
        for job in jobs:
            assert job.finished.wait(120)
            assert job.state == "done", job.error
    finally:
        engine.close()
    runs = [lab.open_store(tmp_path).run(job.result["run_id"]) for job in jobs]
    assert runs[0].recipe_hash == runs[1].recipe_hash
    for run in runs:
        assert run.log.confidence[:2].tolist() == BEGINNING


def test_two_passes_of_one_made_motion_detector_give_one_log(samples, tmp_path):
    motion = make_detector("motion", warm_up_samples=2)
    clips = ("cat_then_person.mp4", "nothing.mp4", "cat_then_person.mp4")
    logs = []
    for clip in clips:
        one = Analysis(detector=motion, interval_s=1.0)
        (run,) = analyze_all(samples / clip, [one], store=tmp_path, progress=False)
        logs.append(run.log)
    assert np.array_equal(logs[0].confidence, logs[2].confidence)
    assert np.array_equal(logs[0].box_xyxy_px, logs[2].box_xyxy_px)
