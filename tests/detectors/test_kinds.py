"""Masks and rotated boxes: random networks, against Ultralytics' own boxes of the same picture."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from lab.detectors.yolo.masks import rotated_suppression, tight_boxes, upright_boxes
from lab.detectors.yolo.yolo import Yolo
from lab.errors import DetectorError, SettingError
from lab.frame import Frame
from tests.builders import make_frame
from tests.quick_set import mostly_long

KINDS = {
    "yolo11n-seg": ("SegmentationModel", "segment"),
    "yolo26n-seg": ("SegmentationModel", "segment"),
    "yolo11n-obb": ("OBBModel", "obb"),
    "yolo26n-obb": ("OBBModel", "obb"),
}


@pytest.fixture(scope="module")
def street():
    from lab.detectors.yolo.checkpoint import ultralytics

    image = cv2.imread(f"{ultralytics().__path__[0]}/assets/bus.jpg")
    return Frame(cv2.resize(image, (240, 320)), 0, 0, 0.0)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, street):
    """checkpoint(kind) is a random network of that kind whose scores differ over the picture."""
    folder = tmp_path_factory.mktemp("kinds")

    def make(kind, classes=1):
        path = folder / f"{kind}-{classes}.pt"
        if not path.exists():
            write_random(path, kind, classes, street.image_bgr)
        return path

    return make


def write_random(path, kind, classes, image_bgr):
    import torch
    from ultralytics.nn import tasks

    torch.manual_seed(1)
    model = getattr(tasks, KINDS[kind][0])(f"{kind}.yaml", nc=classes, verbose=False)
    image = torch.from_numpy(image_bgr[..., ::-1].transpose(2, 0, 1).copy()).float()[None] / 255
    image = torch.nn.functional.pad(image, (8, 8), value=114 / 255)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        model.train()(image)
    head = model.eval().model[-1]
    for last in [*head.cv3, *(getattr(head, "one2one_cv3", None) or [])]:
        last[-1].weight.data *= 8
        last[-1].bias.data[:] = -8
    for last in head.cv4:
        last[-1].weight.data *= 8
    model.names = {i: f"thing {i}" for i in range(classes)}
    model.args, model.task = {}, KINDS[kind][1]
    torch.save({"model": model}, path)


def theirs(path, frame, floor=0.25):
    """(label, score, box) of Ultralytics' predict; the box tight around its mask, or upright."""
    from ultralytics import YOLO

    found = YOLO(str(path)).predict(
        frame.image_bgr, conf=floor, iou=0.7, imgsz=320, verbose=False, device="cpu"
    )[0]
    if found.obb is not None:
        corners = found.obb.xyxyxyxy.numpy()
        boxes = np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
        kept = found.obb
    else:
        kept, masks = found.boxes, found.masks.data.numpy() > 0
        boxes = np.array(
            [
                [
                    np.flatnonzero(m.any(0))[0],
                    np.flatnonzero(m.any(1))[0],
                    np.flatnonzero(m.any(0))[-1] + 1,
                    np.flatnonzero(m.any(1))[-1] + 1,
                ]
                for m in masks
            ],
            float,
        )
        high, wide = masks.shape[1:]
        pad = np.array([(wide - 240) / 2, (high - 320) / 2] * 2)
        boxes = boxes - pad
    boxes = np.clip(boxes, 0, [240, 320, 240, 320])
    labels = [found.names[int(i)] for i in kept.cls]
    return list(zip(labels, kept.conf.numpy(), boxes, strict=True))


def missing(expected, found):
    """Those of `expected` that are not among the found ones."""
    rows = list(zip(found.labels, found.confidence, found.box_xyxy_px, strict=True))
    return [
        e
        for e in expected
        if not any(
            e[0] == label and abs(e[1] - c) < 1e-3 and np.abs(e[2] - b).max() < 1.0
            for label, c, b in rows
        )
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_and_scores_are_those_of_ultralytics(checkpoint, street, kind):
    path = checkpoint(kind)
    detector = Yolo(weights=str(path), image_size=320, score_floor=0.25)
    expected, (found,) = theirs(path, street), detector.detect([street])
    assert len(expected) > 5
    assert missing(expected, found) == []
    assert detector.recipe()["task"] == KINDS[kind][1]
    # They drop what has no mask; here it keeps its box.
    assert len(found) == len(expected) if KINDS[kind][1] == "obb" else len(found) >= len(expected)


@pytest.mark.parametrize("kind", mostly_long(["yolo11n-seg", "yolo11n-obb"], "yolo11n-obb"))
def test_exports_give_what_the_checkpoint_gives(checkpoint, street, kind):
    from ultralytics import YOLO

    path = checkpoint(kind, classes=3)
    (expected,) = Yolo(weights=str(path), image_size=320).detect([street])
    rows = list(zip(expected.labels, expected.confidence, expected.box_xyxy_px, strict=True))
    onnx = YOLO(str(path)).export(
        format="onnx", imgsz=320, dynamic=True, simplify=False, verbose=False
    )
    assert len(rows) > 5
    for weights, runtime in ((onnx, "onnx"), (onnx, "openvino")):
        detector = Yolo(weights=str(weights), runtime=runtime, image_size=320)
        (found,) = detector.detect([street])
        assert missing(rows, found) == [], runtime
        assert len(found) == len(rows)
        assert detector.recipe()["runtime"] == runtime
        one, eight = detector.detect([street]), detector.detect([street] * 8)
        assert np.array_equal(one[0].box_xyxy_px, eight[7].box_xyxy_px)


@pytest.mark.long
def test_a_folder_of_openvinos_export_gives_what_the_checkpoint_gives(checkpoint, street):
    from ultralytics import YOLO

    path = checkpoint("yolo11n-seg", classes=3)
    (expected,) = Yolo(weights=str(path), image_size=320).detect([street])
    folder = YOLO(str(path)).export(format="openvino", imgsz=320, dynamic=True, verbose=False)
    (found,) = Yolo(weights=str(folder), image_size=320).detect([street])
    assert len(found) == len(expected)
    assert (
        missing(zip(expected.labels, expected.confidence, expected.box_xyxy_px, strict=True), found)
        == []
    )
    with pytest.raises(SettingError, match="runs on 'openvino', not 'onnx'"):
        Yolo(weights=str(folder), runtime="onnx")
    for file in Path(folder).glob("*.bin"):
        file.unlink()
    with pytest.raises(DetectorError, match=r"without .*\.bin"):
        Yolo(weights=str(folder))


@pytest.mark.parametrize("kind", ["yolo11n-seg", "yolo26n-seg", "yolo11n-obb"])
@pytest.mark.parametrize("size_px", [(1, 1), (64, 48)])
def test_small_grey_pictures_work(checkpoint, kind, size_px):
    detector = Yolo(weights=str(checkpoint(kind)), image_size=320, score_floor=0.001)
    found = detector.detect([make_frame(size_px=size_px)] * 2)
    assert [d.error for d in found] == [None, None]


def test_masks_are_those_of_ultralytics():
    import torch
    from ultralytics.utils.ops import process_mask

    rng = np.random.default_rng(3)
    prototypes = cv2.GaussianBlur(
        rng.normal(size=(40, 56, 32)).astype(np.float32), (0, 0), 2
    ).transpose(2, 0, 1)
    weights = rng.normal(size=(60, 32)).astype(np.float32)
    corner = rng.uniform(-10, 150, (60, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(0, 90, (60, 2))], 1).astype(np.float32)
    masks = process_mask(
        torch.tensor(prototypes),
        torch.tensor(weights),
        torch.tensor(boxes),
        (160, 224),
        upsample=True,
    )
    found = tight_boxes(boxes, weights, prototypes, (160, 224))
    empty = 0
    for mask, box, got in zip(masks.numpy() > 0, boxes, found, strict=True):
        if not mask.any():
            empty += 1
            assert np.array_equal(got, box)
            continue
        x, y = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
        assert got.tolist() == [x[0], y[0], x[-1] + 1, y[-1] + 1]
    assert 0 < empty < 30


def test_rotated_boxes_are_suppressed_and_enclosed_as_ultralytics_does():
    import torch
    from ultralytics.utils.metrics import batch_probiou
    from ultralytics.utils.nms import TorchNMS
    from ultralytics.utils.ops import xywhr2xyxyxyxy

    rng = np.random.default_rng(4)
    boxes = np.concatenate(
        [
            rng.uniform(0, 60, (1200, 2)),
            rng.uniform(8, 60, (1200, 2)),
            rng.uniform(-1, 3, (1200, 1)),
        ],
        1,
    ).astype(np.float32)
    scores = rng.permutation(1200).astype(np.float32) / 1200
    expected = TorchNMS.fast_nms(
        torch.tensor(boxes), torch.tensor(scores), 0.5, iou_func=batch_probiou
    )
    assert rotated_suppression(boxes, scores, 0.5, 9999).tolist() == expected.tolist()
    assert 10 < len(expected) < 1000
    corners = xywhr2xyxyxyxy(torch.tensor(boxes)).numpy()
    enclosing = np.concatenate([corners.min(1), corners.max(1)], 1)
    assert np.abs(upright_boxes(boxes) - enclosing).max() < 1e-3


def test_one_class_may_be_named_alone(checkpoint, street):
    path = str(checkpoint("yolo11n-seg", classes=3))
    one = Yolo(weights=path, image_size=320, class_name="thing 1")
    assert one.labels == ("thing 1",)
    assert one.recipe() == Yolo(weights=path, image_size=320, labels=["thing 1"]).recipe()
    with pytest.raises(SettingError, match="not both"):
        Yolo(weights=path, class_name="thing 1", labels=["thing 1"])
