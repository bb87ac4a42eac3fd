"""Pictures side by side give the bits that they give one after the other."""

from itertools import islice

import cv2
import numpy as np
import pytest

from lab.detectors.yolo import exported_model
from lab.detectors.yolo.letterbox import Letterbox
from lab.detectors.yolo.yolo import Yolo
from lab.video.sources.file import FileSource

CLIP = "sample_videos/cat_then_person.mp4"


@pytest.mark.parametrize("cores", [2, 5])
def test_lanes_change_no_bit(cores, monkeypatch):
    frames = list(islice(FileSource(CLIP).frames(1), 5))
    monkeypatch.setattr(exported_model, "threads", lambda: 1)
    in_turn = Yolo(score_floor=0.01)
    assert in_turn.batch_size == 1
    wanted = [in_turn.detect([frame])[0] for frame in frames]
    assert any(len(found) for found in wanted)
    monkeypatch.setattr(exported_model, "threads", lambda: cores)
    side_by_side = Yolo(score_floor=0.01)
    assert side_by_side.batch_size == min(cores, 4)
    assert side_by_side.recipe() == in_turn.recipe()
    for found, one in zip(side_by_side.detect(frames), wanted, strict=True):
        assert found.labels == one.labels
        assert found.confidence.tobytes() == one.confidence.tobytes()
        assert found.box_xyxy_px.tobytes() == one.box_xyxy_px.tobytes()
    side_by_side.close()
    side_by_side.close()


def test_the_input_is_divided_as_the_reference_divides():
    picture = np.random.default_rng(1).integers(0, 256, (90, 161, 3), np.uint8)
    box = Letterbox.fit(161, 90, (96, 96), 32)
    padded = cv2.copyMakeBorder(
        cv2.resize(picture, (96, 54)), 5, 5, 0, 0, cv2.BORDER_CONSTANT, value=(114, 114, 114)
    )
    wanted = padded[..., ::-1].transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    made = box.apply(picture)
    assert made.flags.c_contiguous
    assert made.tobytes() == np.ascontiguousarray(wanted).tobytes()
