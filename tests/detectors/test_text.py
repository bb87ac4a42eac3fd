"""Reading, with the real models, on pictures with known words."""

import inspect
import json
import logging
import socket

import cv2
import numpy as np
import pytest

from lab.detectors.make import make_detector
from lab.detectors.ocr import Text, matcher
from lab.errors import DetectorError, SettingError
from lab.frame import Frame
from tests.builders import make_frame


def sign(*words, size_px=(480, 240), scale=1.4):
    """Words in black on light grey, one below the other."""
    image = np.full((size_px[1], size_px[0], 3), 225, np.uint8)
    for row, word in enumerate(words):
        cv2.putText(
            image, word, (40, 70 + 100 * row), cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 3
        )
    return Frame(image, 0, 0, 0.0)


EXIT_AND_GATE = sign("EXIT 42", "Gate 7")


@pytest.fixture(scope="module")
def reader():
    return Text()


def read(frame, **settings):
    (answer,) = Text(**settings).detect([frame])
    assert answer.error is None
    return {
        (label, text): float(c)
        for label, text, c in zip(answer.labels, answer.text or (), answer.confidence, strict=True)
    }


def test_everything_that_can_be_read_is_a_text_in_its_box(reader):
    (answer,) = reader.detect([EXIT_AND_GATE])
    assert list(answer.labels) == ["text", "text"]
    assert sorted(answer.text) == ["EXIT 42", "Gate 7"]
    assert (answer.confidence > 0.9).all()
    box = answer.box_xyxy_px[list(answer.text).index("EXIT 42")]
    ink = cv2.boundingRect((EXIT_AND_GATE.image_bgr[:100] < 100).any(axis=2).astype(np.uint8))
    left, top, width, height = ink
    assert np.abs(box - [left, top, left + width, top + height]).max() < 20


def test_a_label_is_a_word_in_the_text_whatever_its_case_and_white_space():
    assert set(read(EXIT_AND_GATE, labels=["exit", "gate   7", "platform"])) == {
        ("exit", "EXIT 42"),
        ("gate   7", "Gate 7"),
    }


def test_a_label_between_slashes_is_an_expression():
    found = read(EXIT_AND_GATE, labels=[r"/^gate \d$/", r"/\d{2}/", "/(?-i:gate)/"])
    assert set(found) == {(r"/^gate \d$/", "Gate 7"), (r"/\d{2}/", "EXIT 42")}


def test_a_text_is_a_detection_of_each_label_that_it_matches():
    assert set(read(EXIT_AND_GATE, labels=["text", "7", "/text/"])) == {
        ("text", "EXIT 42"),
        ("text", "Gate 7"),
        ("7", "Gate 7"),
    }


def test_a_labels_confidence_does_not_depend_on_the_labels_asked_for():
    both = read(EXIT_AND_GATE, labels=["exit", "gate"])
    for label in ("exit", "gate"):
        alone = read(EXIT_AND_GATE, labels=[label])
        assert alone == {k: v for k, v in both.items() if k[0] == label}


def test_labels_in_other_scripts_just_do_not_match():
    assert read(EXIT_AND_GATE, labels=["مخرج", "🚪", "出口"]) == {}


def test_nothing_to_read_is_no_detection():
    assert read(sign()) == {}


def test_texts_that_are_too_low_or_too_uncertain_are_ignored(reader):
    (answer,) = reader.detect([EXIT_AND_GATE])
    height_px = float((answer.box_xyxy_px[:, 3] - answer.box_xyxy_px[:, 1]).max())
    assert read(EXIT_AND_GATE, least_height_px=int(height_px) + 10) == {}
    assert read(EXIT_AND_GATE, score_floor=0.99999) == {}


def test_text_at_the_edge_of_a_long_picture_keeps_its_box_in_the_picture(reader):
    frame = sign("EXIT 42", size_px=(900, 72))
    (answer,) = reader.detect([frame])
    assert list(answer.text) == ["EXIT 42"]
    assert (answer.box_xyxy_px >= 0).all()
    assert (answer.box_xyxy_px <= [900, 72, 900, 72]).all()


@pytest.mark.parametrize("size_px", [(1, 1), (7, 1000), (1000, 7), (64, 48)])
def test_grey_pictures_of_any_size_hold_no_text(reader, size_px):
    (answer,) = reader.detect([make_frame(size_px=size_px)])
    assert answer.error is None
    assert len(answer) == 0


@pytest.mark.long
def test_batches_change_nothing(reader):
    frames = [EXIT_AND_GATE, sign("OPEN"), sign()] + [EXIT_AND_GATE] * 5
    alone = [a for f in frames for a in reader.detect([f])]
    for a, b in zip(alone, reader.detect(frames), strict=True):
        assert a.text == b.text
        assert np.array_equal(a.confidence, b.confidence)
        assert np.array_equal(a.box_xyxy_px, b.box_xyxy_px)


def test_an_expression_that_takes_too_long_fails_the_frame_and_is_named():
    frame = sign("the quick brown fox jumps over", size_px=(900, 160))
    slow = "/^(?:.|..|...)+[#%]/"
    (answer,) = Text(labels=[slow, "fox"]).detect([frame])
    assert answer.error == f"the expression {slow} took longer than 0.5 s; make it simpler"
    assert read(frame, labels=["fox"])


def test_an_expression_may_say_that_case_matters():
    assert matcher("/exit/")("EXIT 42")
    assert not matcher("/(?-i:exit)/")("EXIT 42")


def test_no_network_is_used_and_nothing_is_logged(monkeypatch, capfd):
    def refuse(*args, **kwargs):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    detector = Text()
    assert len(detector.detect([EXIT_AND_GATE])[0]) == 2
    detector.detect([sign()])
    assert logging.getLogger("RapidOCR").level == logging.CRITICAL
    assert "".join(capfd.readouterr()) == ""


def test_a_model_that_has_changed_is_refused(monkeypatch):
    monkeypatch.setattr("lab.detectors.ocr.weights_sha256", lambda path: "0" * 64)
    with pytest.raises(
        DetectorError, match=r"has sha256 000000000000\.\.\., expected .* pip install"
    ):
        Text()


def test_no_frames_give_nothing_and_closing_twice_is_fine():
    detector = Text()
    assert detector.detect([]) == []
    detector.close()
    detector.close()


def test_the_recipe_is_json_names_the_models_and_makes_the_same_detector():
    recipe = Text(labels=["exit", r"/gate \d/"], least_height_px=12).recipe()
    assert json.loads(json.dumps(recipe)) == recipe
    assert len(recipe["models_sha256"]) == 3
    assert all(len(v) == 64 for v in recipe["models_sha256"].values())
    names = inspect.signature(Text).parameters
    assert Text(**{n: recipe[n] for n in names}).recipe() == recipe
    assert Text().recipe()["labels"] == ["text"]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"labels": ["/gate (/"]}, r"'/gate \(/' is not a regular expression: .* at character 7"),
        ({"labels": ["//"]}, "empty expression"),
        ({"labels": [" "]}, "no label given"),
        ({"labels": "exit"}, "must be a list"),
        ({"score_floor": 1.0}, "score_floor"),
        ({"least_height_px": -1}, "least_height_px"),
        ({"image_size": 1000}, "multiple of 32"),
    ],
)
def test_settings_that_cannot_work_say_why(settings, words):
    with pytest.raises(SettingError, match=words):
        Text(**settings)


def test_ocr_and_its_first_name_read_the_same_and_say_what_was_asked_for():
    ocr, text = make_detector("ocr", labels=["exit"]), make_detector("text", labels=["exit"])
    assert text.recipe() == ocr.recipe() | {"detector": "text"}
    assert ocr.recipe()["detector"] == "ocr"
