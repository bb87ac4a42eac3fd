"""Detectors of other packages: found, made, completed, and checked at every answer."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lab
from lab.app.cli.doctor import examine
from lab.detection import Detections
from lab.detectors.plugins.wrapper import complete
from lab.detectors.registered import detectors
from lab.errors import DetectorError, LabError, SettingError
from lab.store.store import Store
from tests.builders import make_detections, make_frame

ROOT = Path(__file__).parent.parent.parent
GOOD = """
import numpy as np
from lab.detection import Detections

class Good:
    def __init__(self, *, prompt, size=3, api_key=None):
        if api_key == "refused-by-the-service":
            raise RuntimeError(f"no entry with {api_key}")
    def detect(self, frames):
        return [Detections(["x"], np.array([0.5], np.float32), \
np.array([[0, 0, 5, 5]], np.float32)) for _ in frames]
"""


def install(folder, package, module, text, points, version="1.0"):
    """A package as pip leaves it: a module, and a dist-info folder with its entry points."""
    folder.mkdir(exist_ok=True)
    (folder / f"{module}.py").write_text(text)
    info = folder / f"{package.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[lab.detectors]\n" + points)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """site(package, module, text, points) installs a package for one test."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    modules = []

    def put(package, module, text, points, **more):
        install(folder, package, module, text, points, **more)
        modules.append(module)
        return folder

    yield put
    for module in modules:
        sys.modules.pop(module, None)


class Answering:
    """A plugin that answers with what it was handed; an exception is raised."""

    labels = ("x",)

    def __init__(self, answer, **attributes):
        self.answer = answer
        self.__dict__.update(attributes)

    def detect(self, frames):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer(frames) if callable(self.answer) else self.answer


def ask(answer, frames=None, settings=None, **attributes):
    detector = complete("mine", Answering(answer, **attributes), settings or {})
    return detector.detect(frames or [make_frame()])


def changed(confidence=0.5, box=(1, 1, 5, 5), label="x"):
    """Detections that were right when they were made."""
    found = make_detections((label, 0.5, (1, 1, 5, 5)))
    found.confidence[0] = confidence
    found.box_xyxy_px[0] = box
    return [found]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "plugin 'mine' returned dict, expected list[Detections]"),
        (None, "returned NoneType, expected list[Detections]"),
        (Detections(), "returned Detections, expected list[Detections]"),
        (iter([Detections()]), "returned list_iterator, expected list[Detections]"),
        ([], "returned 0 results, expected 1"),
        ([Detections()] * 2, "returned 2 results, expected 1"),
        ([{"label": "x"}], "returned dict for a frame, expected Detections"),
        (changed(label="y"), "returned the label 'y', which it did not declare; declared: x"),
        (changed(confidence=float("nan")), "returned confidence nan for 'x', expected 0 to 1"),
        (changed(confidence=1.2), "returned confidence 1.2 for 'x', expected 0 to 1"),
        (changed(confidence=-0.1), "returned confidence -0.1 for 'x'"),
        (changed(box=(1, float("nan"), 5, 5)), "expected finite pixels"),
        (changed(box=(30, 1, 5, 5)), "expected left, top, right, bottom in pixels"),
        (RuntimeError("out of\nmemory"), "plugin 'mine' raised RuntimeError: out of memory"),
        (SystemExit(3), "plugin 'mine' raised SystemExit: 3"),
        (
            lambda frames: make_detections(("x", 2.0, (0, 0, 1, 1))),
            "raised ValueError: confidence must be in",
        ),
    ],
)
def test_a_wrong_answer_is_a_failed_frame_that_says_what_came(answer, words):
    (found,) = ask(answer)
    assert words in found.error


def test_a_wrong_answer_fails_all_frames_of_the_batch_and_a_wrong_element_only_its_own():
    frames = [make_frame(i) for i in range(3)]
    assert [f.error is not None for f in ask({}, frames)] == [True] * 3
    assert [f.error is not None for f in ask([Detections(), 7, Detections()], frames)] == [
        False,
        True,
        False,
    ]


def test_boxes_are_clipped_and_weak_detections_left_out():
    wide, weak = ("x", 0.5, (-5, -5, 900, 20)), ("x", 0.02, (0, 0, 1, 1))
    (found,) = ask([make_detections(wide, weak)], [make_frame(size_px=(64, 48))])
    assert found.box_xyxy_px.tolist() == [[0, 0, 64, 20]]
    (found,) = ask([make_detections(wide)], settings={"score_floor": 0.6})
    assert found.error is None
    assert len(found) == 0


def test_frames_that_the_plugin_failed_or_held_back_stay_so():
    failed, held = ask(
        [Detections.failed("dark"), Detections.held_back("still")], [make_frame(0), make_frame(1)]
    )
    assert (failed.error, held.gated) == ("dark", "still")


def test_texts_stay_with_their_boxes():
    boxes = make_detections(("x", 0.01, (0, 0, 1, 1)), ("x", 0.9, (0, 0, 9, 9)))
    read = Detections(boxes.labels, boxes.confidence, boxes.box_xyxy_px, ["weak", "AB 123"])
    assert ask([read])[0].text == ["AB 123"]
    wrong = Detections(boxes.labels, boxes.confidence, boxes.box_xyxy_px, [1, 2])
    assert "text of type int" in ask([wrong])[0].error


def test_a_window_has_one_answer_for_its_last_frame():
    frames = [make_frame(i) for i in range(4)]
    assert len(ask([Detections()], frames, takes_windows=True)) == 1
    (failed,) = ask([Detections()] * 4, frames, takes_windows=True)
    assert "returned 4 results, expected 1, for the last frame of the window" in failed.error


def test_what_a_plugin_leaves_out_has_defaults():
    class Bare:
        def detect(self, frames):
            return [Detections()] * len(frames)

    detector = complete(
        "bare", Bare(), {"size": 3, "labels": None}, {"name": "bare", "version": "1.0"}
    )
    assert (detector.default_score_floor, detector.default_threshold, detector.batch_size) == (
        0.05,
        0.4,
        1,
    )
    assert (detector.labels, detector.is_stateful, detector.takes_windows) == ((), False, False)
    assert detector.recipe() == {
        "detector": "bare",
        "labels": [],
        "score_floor": 0.05,
        "plugin": {"name": "bare", "version": "1.0"},
        "settings": {"size": 3},
    }
    detector.close()
    detector.close()


def test_its_own_recipe_is_kept_but_cannot_call_itself_otherwise():
    made = Answering(
        [], recipe=lambda: {"detector": "other", "whole_frame": True, "weights_sha256": "ab"}
    )
    recipe = complete("mine", made, {}).recipe()
    assert (recipe["detector"], recipe["whole_frame"], recipe["weights_sha256"]) == (
        "mine",
        True,
        "ab",
    )


def test_labels_can_be_asked_of_a_plugin_that_knows_no_such_setting():
    both = [make_detections(("x", 0.5, (0, 0, 1, 1)), ("y", 0.5, (0, 0, 1, 1)))]
    detector = complete("mine", Answering(both, labels=["x", "y"]), {"labels": ["y"]})
    assert detector.labels == ("y",)
    assert detector.detect([make_frame()])[0].labels == ["y"]
    assert complete("mine", Answering(both, labels=()), {"labels": ["y"]}).labels == ("y",)


@pytest.mark.parametrize(
    ("attributes", "settings", "error", "words"),
    [
        ({"detect": None}, {}, DetectorError, "has no detect"),
        ({"labels": "cat"}, {}, DetectorError, "labels must be a list of names"),
        ({"batch_size": 0}, {}, DetectorError, "batch_size 0, expected 1 or more"),
        ({"default_threshold": 40}, {}, DetectorError, "default_threshold 40, expected a number"),
        ({"recipe": lambda: {"a": {1, 2}}}, {}, DetectorError, "is not a dict of JSON values"),
        ({"recipe": lambda: 1 / 0}, {}, DetectorError, "ZeroDivisionError"),
        ({}, {"labels": ["z"]}, SettingError, "does not know 'z'; known: x"),
        ({}, {"labels": []}, SettingError, "no label given"),
        ({}, {"labels": "x"}, SettingError, "labels must be a list of names"),
        ({}, {"score_floor": 0}, SettingError, "score_floor must be in"),
    ],
)
def test_a_plugin_that_cannot_be_used_says_why(attributes, settings, error, words):
    with pytest.raises(error, match=words):
        complete("mine", Answering([], **attributes), settings)


def test_what_goes_wrong_at_the_close_is_only_a_warning():
    def close():
        raise OSError("gone")

    detector = complete("mine", Answering([Detections()], close=close), {})
    with pytest.warns(RuntimeWarning, match="plugin 'mine' raised OSError: gone"):
        detector.close()
    detector.close()
    assert "closed" in detector.detect([make_frame()])[0].error


def test_an_installed_plugin_is_made_by_its_name_with_package_and_version(site):
    site("good-eyes", "good_eyes", GOOD, "good = good_eyes:Good\n", version="2.1")
    assert "good" in detectors.names()
    assert detectors.problems() == {}
    detector = lab.make_detector("good", prompt="cat")
    assert detector.recipe()["plugin"] == {"name": "good-eyes", "version": "2.1"}
    assert detector.detect([make_frame()])[0].labels == ["x"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"prompt": "cat", "sise": 1},
            r"does not take 'sise'; it takes: api_key, labels, prompt, score_floor, size",
        ),
        ({}, r"needs the setting 'prompt'; it takes: prompt, size, api_key"),
    ],
)
def test_settings_that_a_plugin_does_not_take_name_those_it_takes(site, settings, words):
    site("good-eyes", "good_eyes", GOOD, "good = good_eyes:Good\n")
    with pytest.raises(SettingError, match=words):
        lab.make_detector("good", **settings)


def test_keys_are_in_no_recipe_and_no_error(site):
    site("good-eyes", "good_eyes", GOOD, "good = good_eyes:Good\n")
    recipe = lab.make_detector("good", prompt="http://me:pass@host/", api_key="hush-hush").recipe()
    assert recipe["settings"] == {"prompt": "http://host/"}
    assert "hush" not in json.dumps(recipe)
    with pytest.raises(DetectorError, match=r"RuntimeError: no entry with \*\*\*"):
        lab.make_detector("good", prompt="a", api_key="refused-by-the-service")
    (failed,) = ask(RuntimeError("403 for hush-hush"), settings={"token": "hush-hush"})
    assert failed.error == "plugin 'mine' raised RuntimeError: 403 for ***"


def test_settings_that_are_no_json_are_named_in_the_recipe():
    recipe = complete("mine", Answering([]), {"model": object(), "path": Path("a/b")}).recipe()
    assert recipe["settings"] == {"path": "a/b"}
    assert recipe["unrecorded_settings"] == {"model": "object"}


@pytest.mark.parametrize(
    ("text", "point", "words"),
    [
        (
            "import no_such_package_at_all",
            "bad:Bad",
            "ModuleNotFoundError: No module named 'no_such_package_at_all'",
        ),
        ("raise SystemExit('no licence')", "bad:Bad", "SystemExit: no licence"),
        ("class Odd(BaseException): pass\nraise Odd('odd')", "bad:Bad", "Odd: odd"),
        ("def (", "bad:Bad", "SyntaxError"),
        ("", "bad:Bad", "AttributeError"),
        ("Bad = 3", "bad:Bad", "bad:Bad is a int, not a class or function"),
        ("", "not a place!", "cannot be loaded"),
    ],
)
def test_a_broken_plugin_is_listed_with_its_error_and_hurts_nobody(site, text, point, words):
    site("bad-eyes", "bad", text, f"bad = {point}\n")
    site("good-eyes", "good_eyes", GOOD, "good = good_eyes:Good\n")
    assert {"bad", "good", "yolo"} <= set(detectors.names())
    (problem,) = detectors.problems().items()
    assert problem[0] == "bad"
    assert words in problem[1]
    assert "bad-eyes 1.0" in problem[1]
    with pytest.raises(LabError, match=r"'bad' of bad-eyes 1.0 cannot be loaded"):
        lab.make_detector("bad")
    assert lab.make_detector("good", prompt="a").detect([make_frame()])[0].error is None


def test_naming_the_detectors_imports_none(site):
    site("bad-eyes", "bad", "raise SystemExit('imported')", "bad = bad:Bad\n")
    assert "bad" in detectors.names()
    with pytest.raises(SettingError, match=r"unknown detector 'nobody'; .*bad, "):
        detectors.get("nobody")
    assert "bad" not in sys.modules


def test_a_list_of_entry_points_that_cannot_be_read_hides_no_other(site):
    site("torn-eyes", "torn", "", "this is no entry point\n")
    site("good-eyes", "good_eyes", GOOD, "good = good_eyes:Good\n")
    assert "good" in detectors.names()
    assert "entry_points.txt cannot be read" in detectors.problems()["torn-eyes"]


def test_two_packages_with_one_name_are_refused_and_a_built_in_keeps_its_name(site):
    site("good-eyes", "good_eyes", GOOD, "good = good_eyes:Good\nyolo = good_eyes:Good\n")
    site("more-eyes", "more_eyes", GOOD, "good = more_eyes:Good\n")
    problems = detectors.problems()
    assert set(problems) == {"good", "yolo"}
    assert "good-eyes 1.0 gives this name, too; the built-in one is used" in problems["yolo"]
    with pytest.raises(LabError, match=r"good-eyes 1.0 .* and more-eyes 1.0 .* uninstall one"):
        lab.make_detector("good", prompt="a")
    assert detectors.get("yolo").__module__ == "lab.detectors.yolo.yolo"
    assert detectors.package("yolo") is None


def test_the_doctor_says_ready_or_why_not(site, tmp_path):
    site("good-eyes", "good_eyes", GOOD, "good = good_eyes:Good\nyolo = good_eyes:Good\n")
    site("bad-eyes", "bad", "raise OSError('no driver')", "bad = bad:Bad\n")
    states = examine(str(tmp_path / "store"))["detectors"]
    assert "broken: " in states["bad"]
    assert "of bad-eyes 1.0 cannot be loaded: OSError: no driver" in states["bad"]
    assert states["good"].startswith("not ready: plugin 'good' needs the setting 'prompt'")
    assert states["good"].endswith("from good-eyes 1.0")
    assert states["yolo"].startswith("ready (yolo11n.onnx on onnx, 80 labels); note: good-eyes 1.0")


def test_a_plugin_that_is_always_wrong_ends_the_run_as_failed(site, samples, tmp_path):
    text = "class Wrong:\n    def detect(self, frames):\n        return {'cat': 0.9}\n"
    site("wrong-eyes", "wrong", text, "wrong = wrong:Wrong\n")
    with pytest.raises(DetectorError, match="failed on all 7 samples"):
        lab.analyze(
            samples / "nothing.mp4", detector="wrong", every_s=1.2, store=tmp_path, progress=False
        )
    (row,) = Store(tmp_path).runs()
    assert row["state"] == "failed"
    reasons = set(lab.Run(Store(tmp_path), row["run_id"]).log.reasons.values())
    assert reasons == {"plugin 'wrong' returned dict, expected list[Detections]"}


def test_a_run_of_a_plugin_without_declared_labels_is_resumed_with_its_settings(
    site, samples, tmp_path
):
    site("good-eyes", "good_eyes", GOOD, "good = good_eyes:Good\n")
    stop = iter([False, True])
    begun = lab.analyze(
        samples / "nothing.mp4",
        detector="good",
        prompt="cat",
        size=4,
        every_s=1.2,
        store=tmp_path,
        progress=False,
        cancelled=lambda: next(stop, True),
    )
    assert begun.state == "cancelled"
    done = lab.resume(Store(tmp_path), begun.run_id, progress=False)
    assert (done.state, len(done.log.pts_us), done.labels) == ("done", 7, ("x",))


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the template package, installed by pip, and one that breaks at import."""
    pytest.importorskip("setuptools", minversion="70.1")
    folder = tmp_path_factory.mktemp("installed")
    source = folder / "source"
    shutil.copytree(ROOT / "docs" / "guide" / "plugins" / "sighting-lab-blobs", source)
    target = folder / "site"
    command = [
        sys.executable, "-m", "pip", "install", "-q",
        "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check",
        "--target", str(target), str(source),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, text=True)
    install(target, "bad-eyes", "bad", "raise SystemExit('no licence')", "bad = bad:Bad\n")
    return target


def run_lab(installed, *words):
    path = os.pathsep.join([str(ROOT), str(installed)])
    return subprocess.run(
        [sys.executable, "-m", "lab", *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


@pytest.mark.long
def test_the_template_package_is_ready_once_installed(installed, tmp_path):
    said = run_lab(installed, "doctor", "--store", tmp_path / "store", "--json")
    assert said.returncode == 0, said.stderr
    states = json.loads(said.stdout)["detectors"]
    assert states["blobs"] == "ready (1 labels), from sighting-lab-blobs 0.1.0"
    assert "SystemExit: no licence" in states["bad"]
    assert states["yolo"].startswith("ready")


def test_the_template_package_analyses_a_clip(installed, samples, tmp_path):
    said = run_lab(
        installed, "analyze", samples / "cat_then_person.mp4",
        "--detector", "blobs", "--set", "min_brightness=210", "--every", "0.4",
        "--store", tmp_path, "--json",
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert json.loads(said.stdout)["failed"] == 0
    run = lab.Run(Store(tmp_path), json.loads(said.stdout)["run_id"])
    assert run.recipe["settings"] == {"min_brightness": 210}
    # Somebody in a white suit is there from 6.0 to 10.4 s, and nothing else is bright.
    (found,) = run.find()
    assert found.to_dict()["onset_s"] == pytest.approx(6.0, abs=0.41)
    assert found.to_dict()["offset_s"] == pytest.approx(10.4, abs=0.41)


def test_a_wrong_setting_of_the_template_is_one_line(installed, samples, tmp_path):
    for words in (
        ["--set", "min_brightnes=1"],
        ["--set", "min_brightness=0"],
        ["--set", "brightness"],
    ):
        said = run_lab(
            installed,
            "analyze",
            samples / "nothing.mp4",
            "--detector",
            "blobs",
            *words,
            "--store",
            tmp_path,
        )
        assert said.returncode == 2
        assert said.stderr.startswith("lab: ")
        assert said.stderr.count("\n") == 1


def test_the_confidence_of_a_blob_is_its_mean_brightness(installed, monkeypatch):
    monkeypatch.syspath_prepend(str(installed))
    frame = make_frame(size_px=(64, 48))
    frame.image_bgr[10:20, 30:50] = 204
    (found,) = lab.make_detector("blobs", min_brightness=200).detect([frame])
    assert found.box_xyxy_px.tolist() == [[30, 10, 50, 20]]
    assert found.confidence.tolist() == pytest.approx([0.8])
    (found,) = lab.make_detector("blobs", min_brightness=205).detect([frame])
    assert (len(found), found.error) == (0, None)
    assert np.array_equal(found.box_xyxy_px.shape, (0, 4))
