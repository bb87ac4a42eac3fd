"""Detectors of detstream and algorithms of Stream Infer, as they are, in the lab."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

import lab
from lab.detection import Detections
from lab.detectors.plugins.detstream import DetstreamDetector
from lab.detectors.plugins.stream_infer import StreamInferAlgo
from lab.detectors.plugins.wrapper import complete
from lab.errors import DetectorError, LabError, SettingError
from lab.store.store import Store
from tests.builders import make_detections, make_frame

HERE = "tests.detectors.test_adapters"


@dataclass
class Detection:
    """As in detstream 0.3: `detstream.detectors.Detection`."""

    present: bool
    confidence: float
    box: tuple[float, float, float, float] | None = None
    label: str | None = None


class Brightness:
    """In the style of detstream: how bright the picture is."""

    def __init__(self, prompt: str = "light", confidence_threshold: float = 0.4):
        self.prompt, self.threshold = prompt, confidence_threshold

    def detect(self, frame):
        score = float(frame.mean()) / 255
        return Detection(score >= self.threshold, score)


class Batched:
    def detect(self, frame):
        raise RuntimeError("one at a time")

    def detect_batch(self, frames):
        return [Detection(True, 0.5, (1, 2, 3, 4), f"shape {frame.shape[0]}") for frame in frames]


def factory_of_config(config: dict):
    return Brightness(prompt=config.get("prompt", "object"))


class Says:
    """A detector of detstream that says what it was handed."""

    def __init__(self, found, **attributes):
        self.found = found
        self.__dict__.update(attributes)

    def detect(self, frame):
        return self.found


def of_detstream(found, options=None, **attributes):
    made = DetstreamDetector(Says(found, **attributes), **(options or {}))
    return complete("d", made, {}).detect([make_frame()])[0]


def rows(found):
    assert found.error is None, found.error
    return [
        (label, round(float(score), 3), box.tolist())
        for label, score, box in zip(found.labels, found.confidence, found.box_xyxy_px, strict=True)
    ]


WHOLE = [0, 0, 64, 48]


@pytest.mark.parametrize(
    ("found", "options", "attributes", "expected"),
    [
        (Detection(True, 0.5, (1, 2, 3, 4), "owl"), {}, {}, [("owl", 0.5, [1, 2, 3, 4])]),
        (Detection(True, 0.5), {}, {"prompt": "otter"}, [("otter", 0.5, WHOLE)]),
        (Detection(True, 0.5), {}, {"class_name": "otter"}, [("otter", 0.5, WHOLE)]),
        (Detection(True, 0.5), {}, {"label": "otter"}, [("otter", 0.5, WHOLE)]),
        (Detection(True, 0.5, label="a"), {"label": "b"}, {"prompt": "c"}, [("b", 0.5, WHOLE)]),
        (Detection(True, 0.5, (1, 2, 3, 4), "a"), {"whole_frame": True}, {}, [("a", 0.5, WHOLE)]),
        (Detection(False, 0.3, None, "a"), {}, {}, [("a", 0.3, WHOLE)]),
        (Detection(False, 0.3, None, "a"), {"only_present": True}, {}, []),
        (Detection(False, 0.0), {}, {}, []),
    ],
)
def test_a_detection_of_detstream_keeps_score_box_and_label(found, options, attributes, expected):
    assert rows(of_detstream(found, options, **attributes)) == expected


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (None, "detect returned NoneType, expected a Detection with present and confidence"),
        ({"present": True}, "detect returned dict"),
        (Detection(True, 0.5), "no label; name it with the setting label"),
        (Detection(True, float("nan"), label="a"), "confidence must be in"),
        (Detection(True, "high", label="a"), "confidence must be in"),
        (Detection(True, 0.5, (1, 2, 3), "a"), "box must be left, top, right, bottom"),
    ],
)
def test_what_is_no_detection_of_detstream_is_a_failed_frame(found, words):
    assert words in of_detstream(found).error


def test_the_labels_of_a_detector_of_detstream_are_declared_where_they_are_known():
    def labels(**attributes):
        return DetstreamDetector(Says(None, **attributes)).labels

    assert labels(prompts=["a", "b"]) == ("a", "b")
    assert labels(names={0: "a", 1: "b"}, class_id=None) == ("a", "b")
    assert labels(names={0: "a", 1: "b"}, class_id=1) == ("b",)
    assert labels() == ()


def test_several_frames_go_through_detect_batch_and_one_failure_stays_one():
    frames = [make_frame(0), make_frame(1)]
    detector = complete("d", DetstreamDetector(Batched(), batch_size=4), {})
    assert detector.batch_size == 4
    assert [found.labels for found in detector.detect(frames)] == [["shape 48"], ["shape 48"]]
    assert "one at a time" in detector.detect(frames[:1])[0].error


def algo_of(result):
    class Algo:
        def __init__(self):
            self.begun, self.seen = 0, []

        def init(self):
            self.begun += 1

        def run(self, frames):
            self.seen.append([frame.shape for frame in frames])
            return result

    return Algo()


def of_stream_infer(result, **options):
    detector = complete("s", StreamInferAlgo(algo_of(result), **options), {})
    return detector.detect([make_frame(0), make_frame(1)])


@pytest.mark.parametrize(
    ("result", "options", "expected"),
    [
        (None, {}, []),
        ([], {}, []),
        (np.zeros((0, 6)), {}, []),
        (0.75, {"label": "smoke"}, [("smoke", 0.75, WHOLE)]),
        (1, {"label": "smoke"}, [("smoke", 1.0, WHOLE)]),
        (np.float32(0.5), {"label": "smoke"}, [("smoke", 0.5, WHOLE)]),
        (np.array(0.5), {"label": "smoke"}, [("smoke", 0.5, WHOLE)]),
        (True, {"label": "smoke"}, [("smoke", 1.0, WHOLE)]),
        (False, {"label": "smoke"}, []),
        ({"cat": 0.5, "dog": 0.01}, {}, [("cat", 0.5, WHOLE)]),
        (["cat", "cat", "dog"], {}, [("cat", 1.0, WHOLE), ("dog", 1.0, WHOLE)]),
        (np.array([[1, 2, 3, 4, 0.5, 1]]), {"names": ["cat", "dog"]}, [("dog", 0.5, [1, 2, 3, 4])]),
        (np.array([[1, 2, 3, 4, 0.5, 1]]), {"label": "dog"}, [("dog", 0.5, [1, 2, 3, 4])]),
        ([[1, 2, 3, 4, 0.5, 1]], {}, [("class 1", 0.5, [1, 2, 3, 4])]),
        ([{"label": "cat", "score": 0.5, "box": [1, 2, 3, 4]}], {}, [("cat", 0.5, [1, 2, 3, 4])]),
        ([{"name": "cat", "confidence": 0.5}], {}, [("cat", 0.5, WHOLE)]),
        (
            [
                {
                    "name": "cat",
                    "class": 0,
                    "confidence": 0.5,
                    "box": {"x1": 1, "y1": 2, "x2": 3, "y2": 4},
                }
            ],
            {},
            [("cat", 0.5, [1, 2, 3, 4])],
        ),
        (
            [{"class": 1, "conf": 0.5, "xyxy": (1, 2, 3, 4)}],
            {"names": ["a", "b"], "whole_frame": True},
            [("b", 0.5, WHOLE)],
        ),
    ],
)
def test_common_results_of_stream_infer_are_understood(result, options, expected):
    (found,) = of_stream_infer(result, **options)
    assert rows(found) == expected


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (0.5, "returned a score without a name; name it with the setting label"),
        ("cat", "run returned str; accepted are None"),
        (object(), "run returned object; accepted are None"),
        (np.zeros((2, 5)), "run returned a list of ndarray of shape (2, 5); accepted are"),
        ({"counter": 3, "frames_count": 1}, "returned 3, which is not a score in [0, 1]"),
        ({"cat": {"score": 1}}, "a dict with 'cat': dict, expected names and scores"),
        ([{"label": "cat", "bbox": [1, 2, 3, 4]}], "a dict with ['bbox', 'label'] and no score"),
        ([{"label": "cat", "score": 0.5, "box": [1, 2]}], "the box [1, 2], expected left, top"),
        ([[1, 2, 3, 4, float("nan"), 0]], "not numbers"),
        ([1, "a"], "run returned a list of int, str; accepted are"),
    ],
)
def test_other_results_are_failed_frames_that_say_what_came(result, words):
    (found,) = of_stream_infer(result)
    assert words in found.error


def test_an_algorithm_begins_once_and_is_given_the_pictures_of_each_window():
    algo = algo_of(None)
    detector = StreamInferAlgo(algo, label="x")
    assert detector.takes_windows
    for _ in range(2):
        detector.detect([make_frame(0), make_frame(1), make_frame(2)])
    assert algo.begun == 1
    assert algo.seen == [[(48, 64, 3)] * 3] * 2


def to_detections(result, frame):
    return make_detections(("found", result["level"] / 10, (0, 0, frame.index, 5)))


@pytest.mark.parametrize("given", [to_detections, f"{HERE}:to_detections"])
def test_a_function_of_ones_own_turns_a_result_into_detections(given):
    (found,) = of_stream_infer({"level": 7}, to_detections=given)
    assert rows(found) == [("found", 0.7, [0, 0, 1, 5])]


def test_what_that_function_gives_is_checked_too():
    (found,) = of_stream_infer({}, to_detections=lambda result, frame: [0.5])
    assert "returned list for a frame, expected Detections" in found.error
    (found,) = of_stream_infer({}, to_detections=to_detections)
    assert "raised KeyError: 'level'" in found.error


def test_a_result_of_ultralytics_gives_its_boxes():
    pytest.importorskip("torch")
    from lab.detectors.yolo.checkpoint import ultralytics

    ultralytics()
    import torch
    from ultralytics.engine.results import Results

    boxes = torch.tensor([[1.0, 2.0, 30.0, 40.0, 0.5, 1.0]])
    result = Results(np.zeros((48, 64, 3), np.uint8), "", {0: "cat", 1: "dog"}, boxes=boxes)
    assert rows(of_stream_infer(result)[0]) == [("dog", 0.5, [1, 2, 30, 40])]
    assert rows(of_stream_infer(boxes, names=["cat", "dog"])[0]) == [("dog", 0.5, [1, 2, 30, 40])]


class Level:
    """In the style of Stream Infer: how bright the last picture is."""

    def __init__(self, gain: float = 1.0):
        self.gain = gain

    def init(self, offset: float = 0.0):
        self.offset = offset

    def run(self, frames):
        return float(frames[-1].mean()) / 255 * self.gain + self.offset


class InTheStyleOfTheLab:
    labels = ("x",)

    def detect(self, frames):
        return [Detections()] * len(frames)


def from_python(name, **settings):
    return lab.make_detector("python", target=f"{HERE}:{name}", **settings)


def test_a_target_of_each_style_is_loaded_and_named_in_the_recipe():
    detector = from_python("InTheStyleOfTheLab")
    assert detector.detect([make_frame()])[0].error is None
    assert len(detector.recipe()["plugin"]["source_sha256"]) == 64
    detector = from_python("Brightness", style="detstream", prompt="lamp", only_present=True)
    assert detector.labels == ("lamp",)
    assert rows(detector.detect([make_frame()])[0]) == []
    assert from_python("factory_of_config", style="detstream", prompt="lamp").labels == ("lamp",)
    detector = from_python(
        "Level", style="stream-infer", gain=2.0, init={"offset": 0.1}, label="light"
    )
    assert rows(detector.detect([make_frame()])[0]) == [("light", 0.806, WHOLE)]
    assert detector.recipe()["settings"] == {
        "target": f"{HERE}:Level",
        "style": "stream-infer",
        "gain": 2.0,
        "init": {"offset": 0.1},
        "label": "light",
    }


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({}, SettingError, "target must be package.module:Name"),
        ({"target": "os.system('x')"}, SettingError, "target must be package.module:Name"),
        (
            {"target": "no_such_module:X"},
            LabError,
            "No module named 'no_such_module'; install it, or name its folder",
        ),
        ({"target": f"{HERE}:Nothing"}, LabError, "has no attribute 'Nothing'"),
        ({"target": f"{HERE}:WHOLE"}, LabError, "not a class or function"),
        (
            {"target": f"{HERE}:Level", "style": "deepstream"},
            SettingError,
            "known: detstream, lab, stream-infer",
        ),
        ({"target": f"{HERE}:Level"}, DetectorError, "has no detect"),
        (
            {"target": f"{HERE}:Level", "style": "detstream"},
            DetectorError,
            r"has no detect\(frame\)",
        ),
        (
            {"target": f"{HERE}:Brightness", "style": "stream-infer"},
            DetectorError,
            r"has no run\(frames\)",
        ),
        (
            {"target": f"{HERE}:Level", "style": "stream-infer", "gian": 2},
            SettingError,
            "does not take 'gian'; it takes: gain, init,",
        ),
        (
            {"target": f"{HERE}:Level", "style": "stream-infer", "init": {"x": 1}},
            DetectorError,
            "unexpected keyword argument 'x'",
        ),
    ],
)
def test_targets_that_cannot_be_used_say_why(settings, error, words):
    with pytest.raises(error, match=words):
        lab.make_detector("python", **settings)


def test_a_clip_is_analysed_and_resumed_with_a_detector_of_detstream(samples, tmp_path):
    stop = iter([False, True])
    begun = lab.analyze(
        samples / "cat_then_person.mp4",
        detector="python",
        target=f"{HERE}:Brightness",
        style="detstream",
        every_s=1.2,
        store=tmp_path,
        progress=False,
        cancelled=lambda: next(stop, True),
    )
    assert begun.state == "cancelled"
    run = lab.resume(Store(tmp_path), begun.run_id, progress=False)
    assert (run.state, run.labels, len(run.log.pts_us), run.log.reasons) == (
        "done",
        ("light",),
        10,
        {},
    )
    assert len(run.log.confidence) == 10


def test_a_clip_is_analysed_with_an_algorithm_of_stream_infer(samples, tmp_path):
    run = lab.analyze(
        samples / "nothing.mp4",
        detector="python",
        target=f"{HERE}:Level",
        style="stream-infer",
        label="light",
        every_s=1.2,
        store=tmp_path,
        progress=False,
    )
    assert (run.state, run.labels, len(run.log.confidence)) == ("done", ("light",), 7)


def test_the_real_detstream_gives_what_the_adapter_expects(peers):
    peers("detstream")
    from detstream.detectors import Detection as Real

    found = of_detstream(Real(present=True, confidence=0.5, box=(1, 2, 3, 4), label="owl"))
    assert rows(found) == [("owl", 0.5, [1, 2, 3, 4])]


def test_an_adapted_detector_is_analysed_as_it_is(samples, tmp_path):
    class Always:
        def detect(self, image_bgr):
            return SimpleNamespace(present=True, confidence=0.75, label="cat", box=(1, 1, 5, 5))

    run = lab.analyze(
        samples / "nothing.mp4",
        detector=lab.DetstreamDetector(Always()),
        every_s=2.0,
        store=tmp_path,
        progress=False,
    )
    assert set(run.log.scores("cat").tolist()) == {0.75}
    assert run.recipe["detector"] == "Always"
    assert run.recipe["adapter"]["style"] == "detstream"
