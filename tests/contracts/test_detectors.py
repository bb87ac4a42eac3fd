"""What `lab.detectors.detector.Detector` asks, of every registered detector.

How each is made stands in `tests/contracts/detectors.py`.
"""

import json
import os
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from lab.app.cli.doctor import examine
from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.make import detector_settings
from lab.detectors.registered import detectors
from lab.errors import SettingError
from lab.frame import Frame
from lab.runs.make_detector import make_detector
from lab.video.sources.file import FileSource
from tests.builders import make_frame
from tests.contracts.detectors import Place, cases, name_of

TITLES = sorted({*cases(None), *detectors.names()})
# Of a detector that is tested under its own name, by its other runtime, or in a file of its own.
TESTED_AS_ANOTHER = {
    "ocr",
    "text",
    "yolo-world, joint",
    "yolo, torch",
    "yolo, openvino",
    "yoloe",
}
SIZES_PX = [(1, 1), (1, 1000), (1000, 1), (64, 48)]


@pytest.fixture(scope="module")
def place(tmp_path_factory, request):
    def find_weights(name):
        return request.getfixturevalue("models") / name

    with Place(tmp_path_factory.mktemp("contract"), find_weights) as found:
        yield found


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(title, marks=pytest.mark.long) if title in TESTED_AS_ANOTHER else title
        for title in TITLES
    ],
)
def case(request, place):
    """A case, and its detector, which is made once; `again()` makes another like it."""
    table = cases(place)
    if request.param not in table:
        pytest.fail(f"detector {request.param!r} has no entry in tests/contracts/detectors.py")
    found = table[request.param]()
    store = place.folder / "store"

    def again(**settings):
        return make_detector(found.name, store=store, **{**found.settings, **settings})

    detector = again()
    limits = {"within": found.within, "box_px": found.box_px}
    yield SimpleNamespace(detector=detector, again=again, store=store, name=found.name, **limits)
    detector.close()


@pytest.fixture(scope="module")
def eight(samples):
    """Frames of a clip with a cat and a person, each with a word written on it."""
    frames = []
    for i, frame in enumerate(FileSource(samples / "cat_then_person.mp4").frames(1.2)):
        image = frame.image_bgr.copy()
        cv2.putText(
            image, f"EXIT {i}", (20 + 30 * i, 60), cv2.FONT_HERSHEY_SIMPLEX, 2.0, (0, 0, 255), 5
        )
        frames.append(Frame(image, frame.index, frame.pts_us, 0.0))
    return frames[:8]


@pytest.fixture(scope="module")
def found(case, eight):
    """What the detector says of the eight, asked at once."""
    return case.detector.detect(eight)


@pytest.fixture(scope="module")
def other_eight(samples):
    """Frames of another clip, of another shape."""
    frames = list(FileSource(samples / "cat_comes_and_goes.mp4").frames(0.5))[:8]
    return [Frame(cv2.resize(f.image_bgr, (320, 180)), f.index, f.pts_us, 0.0) for f in frames]


def check(found, frame, detector):
    """One result, by itself."""
    recipe = detector.recipe()
    height_px, width_px = frame.image_bgr.shape[:2]
    assert isinstance(found, Detections)
    assert found.error is None
    assert found.gated is None or found.gated.strip()
    assert found.confidence.dtype == np.float32
    assert found.box_xyxy_px.dtype == np.float32
    assert all(isinstance(label, str) and label for label in found.labels)
    assert not detector.labels or set(found.labels) <= set(detector.labels)
    assert (found.confidence >= np.float32(recipe["score_floor"])).all()
    assert (found.confidence <= 1).all()
    left, top, right, bottom = found.box_xyxy_px.T
    assert ((left >= 0) & (left <= right) & (right <= width_px)).all()
    assert ((top >= 0) & (top <= bottom) & (bottom <= height_px)).all()
    if recipe.get("whole_frame"):
        assert (found.box_xyxy_px == [0, 0, width_px, height_px]).all()


def rows(found):
    return sorted(
        zip(found.labels, found.confidence.tolist(), found.box_xyxy_px.tolist(), strict=True)
    )


def assert_same(one, other, case):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert (sorted(a.labels), a.gated) == (sorted(b.labels), b.gated)
        for label, score, box in zip(a.labels, a.confidence, a.box_xyxy_px, strict=True):
            # By its place, for scores that differ by rounding have no order.
            here = np.array([x == label for x in b.labels], bool)
            near = np.abs(b.box_xyxy_px[here] - box).max(axis=1) <= case.box_px
            assert (np.abs(b.confidence[here][near] - score) <= case.within).any(), (
                label,
                score,
                box,
            )


def test_every_registered_detector_has_an_entry():
    known = {name_of(title) for title in cases(None)}
    missing = set(detectors.names()) - known
    assert not missing, f"add {', '.join(sorted(missing))} to tests/contracts/detectors.py"


def test_it_declares_what_a_run_needs(case):
    detector = case.detector
    assert 0 < detector.default_score_floor < 1
    assert detector.default_score_floor <= detector.default_threshold <= 1
    assert detector.batch_size >= 1
    assert isinstance(detector.labels, tuple)
    assert all(isinstance(label, str) and label for label in detector.labels)


def test_eight_frames_give_eight_results_in_their_order(case, eight, found):
    assert isinstance(found, list)
    assert len(found) == 8
    for one, frame in zip(found, eight, strict=True):
        check(one, frame, case.detector)
    assert any(len(one) for one in found), (
        "nothing was found on any frame; the suite says nothing of it"
    )
    if not case.detector.is_stateful:
        assert rows(found[0]) != rows(found[-1])
        assert_same(case.detector.detect(eight[::-1]), found[::-1], case)


def test_batches_of_one_and_of_eight_are_equal(case, eight, found):
    assert_same([one for frame in eight for one in case.detector.detect([frame])], found, case)


def in_a_pass(detector, frames):
    """What a pass over a clip gives, bit for bit."""
    detector.reset()
    return [
        (f.labels, f.confidence.tobytes(), f.box_xyxy_px.tobytes(), f.text, f.error, f.gated)
        for start in range(0, len(frames), 3)
        for f in detector.detect(frames[start : start + 3])
    ]


def test_a_pass_gives_the_same_after_itself_and_after_another_clip(case, eight, other_eight):
    """`reset` comes before the first frame of a pass, and leaves nothing of the passes before."""
    if not case.detector.is_stateful:  # two batches say as much of it as three
        eight, other_eight = eight[:4], other_eight[:4]
    first = in_a_pass(case.detector, eight)
    assert in_a_pass(case.detector, eight) == first
    in_a_pass(case.detector, other_eight)
    assert in_a_pass(case.detector, eight) == first
    fresh = case.again()
    assert in_a_pass(fresh, eight) == first
    fresh.close()


def test_every_member_of_the_contract_is_there(case):
    assert isinstance(case.detector, Detector)
    assert isinstance(case.detector.name, str)
    for flag in ("is_stateful", "takes_windows", "takes_prompts"):
        assert isinstance(getattr(case.detector, flag), bool)
    assert case.detector.device in ("cpu", "cuda")
    assert case.detector.weights_path is None or os.path.exists(case.detector.weights_path)


def test_no_frames_give_no_results(case):
    assert case.detector.detect([]) == []


@pytest.mark.parametrize("size_px", SIZES_PX)
def test_grey_pictures_of_any_size_are_looked_at(case, size_px):
    frames = [make_frame(i, i * 1000, size_px) for i in range(3)]
    for found, frame in zip(case.detector.detect(frames), frames, strict=True):
        check(found, frame, case.detector)


def test_the_pictures_are_not_changed(case, eight):
    before = [frame.image_bgr.copy() for frame in eight[:3]]
    case.detector.detect(eight[:3])
    for frame, image in zip(eight, before, strict=False):
        assert np.array_equal(frame.image_bgr, image)


def test_the_recipe_is_json_and_whole(case):
    recipe = case.detector.recipe()
    assert json.loads(json.dumps(recipe, allow_nan=False)) == recipe
    assert recipe["detector"] == case.name
    assert sorted(recipe["labels"]) == sorted(case.detector.labels)
    assert 0 < recipe["score_floor"] < 1
    assert ("plugin" in recipe) != ("processing_version" in recipe)
    recipe["labels"] = ["changed"]
    assert case.detector.recipe()["labels"] != ["changed"]


def test_the_same_settings_give_the_same_recipe_and_it_closes_twice(case):
    other = case.again()
    assert other.recipe() == case.detector.recipe()
    other.close()
    other.close()


def test_a_recipe_and_what_is_recorded_beside_it_make_the_detector_again(case):
    recorded = {
        "weights_path": case.detector.weights_path,
        "detector_settings": case.detector.made_from,
    }
    recipe, environment = (
        json.loads(json.dumps(kept)) for kept in (case.detector.recipe(), recorded)
    )
    again = make_detector(store=case.store, **detector_settings(recipe, environment))
    assert again.recipe() == case.detector.recipe()
    assert sorted(again.labels) == sorted(case.detector.labels)
    again.close()


def test_another_score_floor_is_another_recipe(case):
    other = case.again(score_floor=0.3)
    assert other.recipe() == case.detector.recipe() | {"score_floor": 0.3} | (
        {"settings": other.recipe()["settings"]} if "plugin" in other.recipe() else {}
    )
    other.close()


def test_settings_that_are_unknown_are_refused(case):
    with pytest.raises(SettingError, match="no_such_setting"):
        case.again(no_such_setting=1)


def test_the_doctor_names_every_detector_as_ready_or_says_why_not(place):
    states = examine(str(place.folder / "doctor"))["detectors"]
    assert set(states) == set(detectors.names())
    for name, state in states.items():
        why_not = state.partition("not ready: ")[2]
        assert state.startswith("ready (") or why_not.strip(), (name, state)
    for name in ("motion", "visual", "yolo"):
        assert states[name].startswith("ready (")
    assert states["contract-plugin"].endswith("from contract-plugin 1.0")
    assert states["remote"].startswith("not ready: ")
    assert "LAB_OFFLINE" not in os.environ
