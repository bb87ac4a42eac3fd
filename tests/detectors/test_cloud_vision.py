"""The detector `cloud-vision`, against a service on loopback that speaks Google's format."""

import json
import logging

import numpy as np
import pytest

import lab
from lab.detectors.services.cloud_vision import CloudVision
from lab.errors import DetectorError, SettingError
from lab.frame import Frame
from tests.builders import make_frame
from tests.detectors.servers import KEY, KEY_ENV, Reply, Vision, make_cloud_vision, vision_error


def thing(name="Cat", score=0.9, corners=((0.25, 0.5), (0.75, 0.5), (0.75, 0.75), (0.25, 0.75))):
    """A localized object as the service writes it: zeros are left out."""
    return {
        "mid": "/m/01yrx",
        "name": name,
        "score": score,
        "boundingPoly": {"normalizedVertices": [without_zeros(x, y) for x, y in corners]},
    }


def entity(description, left, top, right, bottom, **more):
    """A logo or a text as the service writes it: corners in pixels, zeros left out."""
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    vertices = [without_zeros(x, y) for x, y in corners]
    return {"description": description, **more, "boundingPoly": {"vertices": vertices}}


def without_zeros(x, y):
    return {name: value for name, value in (("x", x), ("y", y)) if value}


SIGN = {
    "textAnnotations": [
        entity("STOP\nfor cats", 0, 0, 60, 40, locale="en"),
        entity("STOP", 0, 0, 20, 10),
        entity("for", 22, 10, 30, 20),
        entity("cats", 32, 10, 60, 40),
    ],
    "fullTextAnnotation": {"text": "STOP\nfor cats"},
}
LOGO = {"logoAnnotations": [entity("Acme", 0, 4, 30, 20, mid="/m/0", score=0.7)]}


def seeing(response):
    return Vision(lambda image, features, number: response)


def one(service, frame=None, **settings):
    """What the detector says of one frame."""
    with make_cloud_vision(service, **settings) as detector:
        (detections,) = detector.detect([frame or make_frame()])
    return detections


def boxes(detections):
    found = zip(
        detections.labels,
        detections.confidence.tolist(),
        detections.box_xyxy_px.tolist(),
        strict=True,
    )
    return [(label, round(confidence, 3), box) for label, confidence, box in found]


def test_objects_have_boxes_in_pixels_of_the_frame():
    detections = one(
        seeing({"localizedObjectAnnotations": [thing(), thing("Dog", 0.6, ((0, 0), (0.5, 1)))]})
    )
    assert boxes(detections) == [("Cat", 0.9, [16, 24, 48, 36]), ("Dog", 0.6, [0, 0, 32, 48])]
    assert detections.text is None


def test_logos_have_their_brand_as_label():
    assert boxes(one(seeing(LOGO), features=["logos"])) == [("Acme", 0.7, [0, 4, 30, 20])]


def test_text_is_read_word_by_word_under_one_label():
    with make_cloud_vision(seeing(SIGN), features=["text"]) as detector:
        assert detector.labels == ("text",)
        (detections,) = detector.detect([make_frame()])
    assert list(detections.text) == ["STOP", "for", "cats"]
    assert boxes(detections)[0] == ("text", 1.0, [0, 0, 20, 10])
    assert boxes(detections)[2] == ("text", 1.0, [32, 10, 60, 40])


def test_labels_choose_names_words_and_patterns_whatever_their_case():
    response = {"localizedObjectAnnotations": [thing(), thing("Dog")], **LOGO, **SIGN}
    settings = {
        "features": ["objects", "logos", "text"],
        "labels": ["cat", "stop", "/^c.ts$/", "acme"],
    }
    detections = one(seeing(response), **settings)
    assert detections.labels == ["cat", "acme", "stop", "/^c.ts$/"]
    assert list(detections.text) == [None, None, "STOP", "cats"]


def test_the_request_is_that_of_the_service():
    frame = Frame(np.full((48, 64, 3), 90, np.uint8), 0, 0, 0.0)
    service = Vision(
        lambda image, features, number: (
            {"localizedObjectAnnotations": [thing()]} if image.shape == (48, 64, 3) else {}
        )
    )
    assert len(one(service, frame, features=["text", "objects"])) == 1
    (body,) = service.posts()
    kinds = [{"type": kind, "maxResults": 50} for kind in ("OBJECT_LOCALIZATION", "TEXT_DETECTION")]
    assert body["requests"][0]["features"] == kinds
    assert "key=" not in service.asked[0][1]


@pytest.mark.parametrize(("n", "requests"), [(1, [1]), (8, [8]), (16, [16]), (20, [16, 4])])
def test_frames_share_requests_and_keep_their_order(n, requests):
    service = Vision(
        lambda image, features, number: {
            "localizedObjectAnnotations": [thing(score=int(image[0, 0, 0]) / 100)]
        }
    )
    frames = [Frame(np.full((4, 4, 3), 10 + i, np.uint8), i, i, 0.0) for i in range(n)]
    with make_cloud_vision(service) as detector:
        seen = detector.detect(frames)
    assert [round(float(d.confidence[0]) * 100) for d in seen] == [10 + i for i in range(n)]
    assert [len(body["requests"]) for body in service.posts()] == requests


def test_large_pictures_go_in_several_requests():
    noise = np.random.default_rng(0).integers(0, 255, (1500, 1500, 3), np.uint8)
    service = Vision()
    with make_cloud_vision(service, timeout_s=60) as detector:
        seen = detector.detect([Frame(noise, i, i, 0.0) for i in range(4)])
    assert all(d.error is None for d in seen)
    assert len(service.posts()) > 1
    assert all(len(json.dumps(body)) < 10_000_000 for body in service.posts())


def test_no_frames_give_no_results():
    with make_cloud_vision() as detector:
        assert detector.detect([]) == []


def test_a_picture_of_one_pixel_in_which_nothing_is_seen():
    detections = one(seeing({}), make_frame(size_px=(1, 1)))
    assert (detections.error, len(detections)) == (None, 0)


def test_closing_twice_is_fine():
    with make_cloud_vision() as detector:
        detector.close()
        detector.close()


def test_boxes_are_clipped_and_weak_ones_are_not_kept():
    response = {"localizedObjectAnnotations": [
        thing(corners=((-0.1, 0.5), (1.1, 0.5), (1.1, 1.2), (-0.1, 1.2))), thing(score=0.01),
        {k: v for k, v in thing("Dog").items() if k != "score"},
    ]}  # fmt: skip
    assert boxes(one(seeing(response))) == [("Cat", 0.9, [0, 24, 64, 48])]


def test_an_error_of_one_picture_fails_that_frame_only():
    service = Vision(
        lambda image, features, number: (
            {"error": {"code": 3, "message": "Bad image data."}}
            if image[0, 0, 0] == 1
            else {"localizedObjectAnnotations": [thing()]}
        )
    )
    frames = [Frame(np.full((8, 8, 3), level, np.uint8), level, level, 0.0) for level in range(3)]
    with make_cloud_vision(service) as detector:
        seen = detector.detect(frames)
    assert [len(d) for d in seen] == [1, 0, 1]
    assert seen[1].error.endswith("error 3 for this picture: Bad image data.")
    assert seen[0].error is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Reply(b"<html>"), "what is not JSON"),
        ([], "the answer is not an object"),
        ({}, "responses is not a list"),
        ({"responses": [{}]}, "it has 1 responses to 2 pictures"),
        ({"responses": [{}, {}, {}]}, "it has 3 responses to 2 pictures"),
        ({"responses": [None, None]}, r"responses\[0\] is not an object"),
        (
            {"responses": [{"localizedObjectAnnotations": 1}] * 2},
            "localizedObjectAnnotations is not a list",
        ),
        (
            {"responses": [{"localizedObjectAnnotations": [thing(name=None)]}] * 2},
            r"\[0\].name is not a text",
        ),
        (
            {"responses": [{"localizedObjectAnnotations": [thing(score=1.5)]}] * 2},
            r"outside \[0, 1\]",
        ),
        (
            {"responses": [{"localizedObjectAnnotations": [thing(score=float("nan"))]}] * 2},
            "finite number",
        ),
        (
            {"responses": [{"localizedObjectAnnotations": [thing(corners=())]}] * 2},
            "normalizedVertices is empty",
        ),
        (
            {"responses": [{"localizedObjectAnnotations": [thing(corners=(("a", 1),))]}] * 2},
            "x is not a number",
        ),
        (
            {"responses": [{"localizedObjectAnnotations": [thing(corners=((1.5, 1.5),))]}] * 2},
            "outside the picture",
        ),
    ],
)
def test_an_answer_that_cannot_be_used_fails_its_frames_and_says_which_part(answer, words):
    service = Vision(whole=lambda number: answer)
    with make_cloud_vision(service) as detector:
        seen = detector.detect([make_frame(), make_frame()])
    for detections in seen:
        with pytest.raises(ValueError, match=f"service at {service.url} answered .*{words}"):
            raise ValueError(detections.error)
    assert len(service.posts()) == 1


@pytest.mark.parametrize(
    "headers", [{}, {"Retry-After": "0"}, {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}]
)
def test_a_used_up_quota_is_waited_for(headers):
    service = Vision(
        lambda image, features, number: {"localizedObjectAnnotations": [thing()]},
        whole=lambda number: Reply(status=429, headers=headers) if number < 2 else None,
    )
    wait_s = 600 if headers else 0.001
    with make_cloud_vision(service, retry_wait_s=wait_s) as detector:
        assert len(detector.detect([make_frame()])[0]) == 1
        assert detector.spent_requests == 1


def test_a_service_that_fails_again_and_again_fails_the_frames():
    service = Vision(
        whole=lambda number: vision_error(500, "Internal error encountered.", "INTERNAL")
    )
    expected = f"service at {service.url} answered 500: Internal error encountered., 4 tries"
    assert one(service).error == expected
    assert len(service.posts()) == 4


def test_silence_fails_the_frames_and_counts_as_billed():
    service = Vision(whole=lambda number: Reply(silent=True))
    with make_cloud_vision(service, timeout_s=0.2, retries=1) as detector:
        (detections,) = detector.detect([make_frame()])
        assert detector.spent_requests == 2
    assert detections.error == f"service at {service.url} did not answer within 0.2 s, 2 tries"


@pytest.mark.parametrize(
    "refusal",
    [
        vision_error(401, "Request had invalid authentication credentials.", "UNAUTHENTICATED"),
        vision_error(403, "This API method requires billing to be enabled.", "PERMISSION_DENIED"),
        vision_error(400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT"),
    ],
)
def test_after_a_refusal_nothing_more_is_asked(refusal):
    service = Vision(whole=lambda number: refusal)
    with make_cloud_vision(service) as detector:
        seen = detector.detect([make_frame() for _ in range(20)]) + detector.detect([make_frame()])
        assert detector.spent_requests == 0
    assert len(service.posts()) == 1
    assert {d.error for d in seen} == {
        f"service at {service.url} answered {refusal.status}: {refusal.body['error']['message']}"
    }


def test_a_wrong_request_is_no_refusal_of_the_next():
    wrong = vision_error(400, "Request payload size exceeds the limit.", "INVALID_ARGUMENT")
    service = Vision(whole=lambda number: wrong if number == 0 else None)
    with make_cloud_vision(service) as detector:
        assert detector.detect([make_frame()])[0].error.endswith("exceeds the limit.")
        assert detector.detect([make_frame()])[0].error is None


def test_the_budget_is_never_passed():
    service = Vision()
    with make_cloud_vision(service, features=["objects", "text"], budget_requests=7) as detector:
        first = detector.detect([make_frame(), make_frame()])
        later = detector.detect([make_frame(), make_frame()])
        assert detector.detect([make_frame()])[0].error is not None
        assert detector.spent_requests == 6
    assert [d.error for d in (*first, *later)] == [
        None, None, None, "the budget of 7 requests is used up; raise budget_requests"
    ]  # fmt: skip
    assert sum(len(body["requests"]) for body in service.posts()) == 3


def test_tries_that_may_be_billed_do_not_pass_the_budget():
    service = Vision(whole=lambda number: Reply(silent=True))
    with make_cloud_vision(service, timeout_s=0.1, retries=5, budget_requests=2) as detector:
        (detections,) = detector.detect([make_frame()])
    assert detections.error == "the budget of 2 requests is used up; raise budget_requests"
    assert len(service.posts()) == 2


def test_the_key_is_shown_nowhere(caplog):
    caplog.set_level(logging.DEBUG)
    echo = Vision(
        whole=lambda number: vision_error(403, f"key {KEY} is blocked", "PERMISSION_DENIED")
    )
    with make_cloud_vision(echo) as detector:
        (detections,) = detector.detect([make_frame()])
        assert KEY not in json.dumps(detector.recipe()) + repr(detector)
    assert detections.error == f"service at {echo.url} answered 403: key *** is blocked"
    assert KEY not in caplog.text


@pytest.mark.parametrize("key", [KEY + "\nx", KEY + " x", KEY + "é"])
def test_a_key_that_no_header_can_hold_is_refused_unseen(monkeypatch, key):
    monkeypatch.setenv(KEY_ENV, key)
    with pytest.raises(DetectorError, match=f"{KEY_ENV} holds spaces") as raised:
        CloudVision(key_env=KEY_ENV)
    assert KEY not in str(raised.value)


def test_a_run_keeps_the_failed_samples_and_all_names(samples, tmp_path):
    service = Vision(lambda image, features, number: {"localizedObjectAnnotations": [thing()]})
    with make_cloud_vision(service, budget_requests=5) as detector:
        run = lab.analyze(
            samples / "nothing.mp4", detector=detector, store=tmp_path, every_s=1.0, progress=False
        )
    assert run.labels == ("Cat",)
    assert run.effort().ok == 5
    assert run.effort().failed == run.effort().samples - 5 > 0
    assert set(run.log.reasons.values()) == {
        "the budget of 5 requests is used up; raise budget_requests"
    }


def test_the_recipe_says_what_the_scores_depend_on():
    with make_cloud_vision(
        service := Vision(), features=["text", "objects"], labels=["cat"]
    ) as detector:
        assert detector.recipe() == {
            "detector": "cloud-vision",
            "endpoint": service.endpoint,
            "features": ["objects", "text"],
            "most_results": 50,
            "image_format": "jpeg",
            "jpeg_quality": 95,
            "processing_version": 1,
            "labels": ["cat"],
            "score_floor": 0.05,
        }


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        (
            {"key_env": "NO_SUCH_KEY"},
            DetectorError,
            "NO_SUCH_KEY is not set; put an API key .* key_env",
        ),
        ({"key_env": "AIzaSecret"}, SettingError, "must be the name of an environment variable"),
        ({"features": ["faces"]}, SettingError, "known: logos, objects, text"),
        ({"features": []}, SettingError, "no feature given"),
        ({"features": "text"}, SettingError, "must be a list"),
        ({"labels": []}, SettingError, "no label given"),
        ({"labels": ["/x/"]}, SettingError, "add 'text' to features"),
        ({"labels": ["/(/"], "features": ["text"]}, SettingError, "is not a regular expression"),
        ({"labels": ["two words"], "features": ["text"]}, SettingError, "word by word"),
        ({"budget_requests": 0}, SettingError, "budget_requests"),
        ({"score_floor": 1}, SettingError, "score_floor"),
        (
            {"endpoint": "http://example.org/v1"},
            SettingError,
            "https://; http is only for this machine",
        ),
        ({"endpoint": "https://example.org/?key=AIzaSecret"}, SettingError, "without"),
    ],
)
def test_settings_that_cannot_work_say_why(settings, error, words, monkeypatch):
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    with pytest.raises(error, match=words) as raised:
        CloudVision(**settings)
    assert "AIza" not in str(raised.value)
