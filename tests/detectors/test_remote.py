"""The detector `remote`, against a worker on loopback."""

import json
import socket
import threading

import cv2
import numpy as np
import pytest

import lab
from lab.detectors.services.remote import Remote
from lab.detectors.yolo.yolo import Yolo
from lab.errors import DetectorError, SettingError
from lab.frame import Frame
from lab.video.sources.file import FileSource
from tests.builders import make_frame
from tests.detectors.servers import QUICK, Reply, Worker, box, decoded, digest, make_remote


def grey(level, size_px=(64, 48)):
    return Frame(np.full((size_px[1], size_px[0], 3), level, np.uint8), level, level, 0.0)


def one(worker, frame=None, **settings):
    """What the detector says of one frame."""
    with make_remote(worker, **settings) as detector:
        (detections,) = detector.detect([frame or make_frame()])
    return detections


def answering(answer):
    return Worker(lambda image, number: answer)


def test_boxes_are_fractions_of_the_picture():
    detections = one(Worker())
    assert detections.labels == ["cat"]
    assert detections.confidence.tolist() == pytest.approx([0.9])
    assert detections.box_xyxy_px.tolist() == [[16, 24, 48, 36]]


def test_the_request_is_that_of_media_analyzer():
    worker = Worker()
    frame = Frame(np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8), 0, 0, 0.0)
    one(worker, frame, image_format="png", score_floor=0.2)
    (body,) = worker.posts()
    assert np.array_equal(decoded(body["image"]), frame.image_bgr)
    assert body["analysis_types"] == ["object_detection"]
    assert body["confidence_threshold"] == 0.2


@pytest.mark.parametrize("n", [1, 8, 20])
def test_results_are_in_the_order_of_the_frames(n):
    worker = Worker(
        lambda image, number: {"detections": [box(confidence=int(image[0, 0, 0]) / 100)]}
    )
    with make_remote(worker) as detector:
        seen = detector.detect([grey(10 + i) for i in range(n)])
    assert [round(float(d.confidence[0]) * 100) for d in seen] == [10 + i for i in range(n)]


def test_no_frames_give_no_results():
    with make_remote() as detector:
        assert detector.detect([]) == []


def test_a_picture_of_one_pixel_is_looked_at():
    assert one(Worker(), make_frame(size_px=(1, 1))).error is None


def test_closing_twice_is_fine():
    with make_remote() as detector:
        detector.close()
        detector.close()


def test_labels_are_those_that_the_worker_names():
    with make_remote() as detector:
        assert detector.labels == ("cat", "person")
    with make_remote(labels=["person"]) as detector:
        assert detector.labels == ("person",)
        assert len(detector.detect([make_frame()])[0]) == 0
    with (
        pytest.raises(SettingError, match="does not know 'dog'; known: cat, person"),
        make_remote(labels=["dog"]),
    ):
        pass


def test_of_a_worker_that_names_no_labels_any_may_come(samples, tmp_path):
    worker = Worker(info={"gpu_available": True})
    with make_remote(worker) as detector:
        assert detector.labels == ()
        run = lab.analyze(
            samples / "nothing.mp4", detector=detector, store=tmp_path, every_s=1.0, progress=False
        )
    assert run.labels == ("cat",)
    assert run.scores()["cat"].tolist() == pytest.approx([0.9] * run.effort().samples)
    assert len(run.find()) == 1


def test_detections_below_the_floor_are_not_kept():
    found = {"detections": [box(confidence=0.04), box(confidence=0.06)]}
    assert len(one(answering(found))) == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"objects": [box()]}, [16, 24, 48, 36]),
        (
            {
                "bbox_format": "xyxy_fraction",
                "detections": [box() | {"bbox": [0.25, 0.5, 0.75, 0.75]}],
            },
            [16, 24, 48, 36],
        ),
        (
            {"bbox_format": "xyxy_px", "detections": [box() | {"bbox": [1, 2, 30, 40]}]},
            [1, 2, 30, 40],
        ),
        (
            {"bbox_format": "xywh_px", "detections": [box(x=1, y=2, width=30, height=40)]},
            [1, 2, 31, 42],
        ),
        (
            {
                "bbox_format": "xywh_px",
                "image_width": 128,
                "image_height": 96,
                "detections": [box(x=2, y=4, width=60, height=80)],
            },
            [1, 2, 31, 42],
        ),
        ({"detections": [box(x=-0.5, y=0.5, width=1.0, height=1.0)]}, [0, 24, 32, 48]),
    ],
)
def test_what_is_accepted_of_an_answer(answer, expected):
    assert one(answering(answer)).box_xyxy_px.tolist() == [pytest.approx(expected)]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"<html>busy</html>", "what is not JSON"),
        (b"[" * 100_000, "what is not JSON"),
        (b"[1]", "the answer is not an object"),
        ({}, "neither 'detections' nor 'objects'"),
        ({"error": "worker_timeout", "detections": []}, "answered with an error: worker_timeout"),
        ({"detections": None}, "detections is not a list"),
        ({"detections": [3]}, r"detections\[0\] is not an object"),
        ({"detections": [{"confidence": 0.5}]}, r"detections\[0\].label is not a text"),
        (
            {"detections": [box(), box(label="dog")]},
            r"detections\[1\].label is 'dog', which its /ai/info does not",
        ),
        ({"detections": [box(confidence="high")]}, "confidence is not a number"),
        ({"detections": [box(confidence=True)]}, "confidence is not a number"),
        ({"detections": [box(confidence=1.01)]}, r"confidence is 1.01, outside \[0, 1\]"),
        ({"detections": [box(confidence=-0.1)]}, r"outside \[0, 1\]"),
        ({"detections": [box(confidence=float("nan"))]}, "confidence is not a finite number"),
        ({"detections": [box(x=float("inf"))]}, "bbox.x is not a finite number"),
        ({"detections": [box(x=10**400)]}, "bbox.x is not a finite number"),
        ({"detections": [box(width=-0.1)]}, "bbox has a negative size"),
        ({"detections": [box(x=1.2)]}, "a box outside the picture"),
        (
            {"detections": [box(x=100, y=100, width=30, height=30)]},
            "is not a fraction of the picture; .* bbox_format",
        ),
        ({"detections": [box() | {"bbox": [0, 0, 1, 1]}]}, "bbox is not an object"),
        ({"detections": [{"label": "cat", "confidence": 0.5}]}, "bbox is not an object"),
        ({"bbox_format": "xyxy_px", "detections": [box()]}, "bbox is not a list of four numbers"),
        (
            {"bbox_format": "xyxy_px", "detections": [box() | {"bbox": [9, 9, 3, 12]}]},
            "negative size",
        ),
        (
            {"bbox_format": "cxcywh", "detections": []},
            "bbox_format is 'cxcywh'; known: xywh_fraction",
        ),
        ({"bbox_format": "xywh_px", "image_width": 0, "detections": []}, "image_width is 0"),
    ],
)
def test_an_answer_that_cannot_be_used_is_a_failed_frame_that_says_which_part(answer, words):
    worker = Worker(lambda image, number: Reply(answer))
    detections = one(worker)
    assert len(detections) == 0
    assert detections.error is not None
    assert detections.error.startswith(f"worker at {worker.url} answered ")
    with pytest.raises(ValueError, match=words):
        raise ValueError(detections.error)
    assert len(worker.posts()) == 1


def test_an_answer_without_an_end_is_given_up():
    detections = one(Worker(lambda image, number: Reply(b" " * (33 * 2**20))))
    assert detections.error is not None
    assert "more than 32 MB" in detections.error


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_worker_is_asked_again(status):
    worker = Worker(
        lambda image, number: Reply(status=status) if number < 2 else {"detections": [box()]}
    )
    assert len(one(worker)) == 1
    assert len(worker.posts()) == 3


def test_retry_after_decides_how_long_to_wait():
    busy = Reply(status=429, headers={"Retry-After": "0"})
    worker = Worker(lambda image, number: busy if number < 2 else {"detections": [box()]})
    assert len(one(worker, retry_wait_s=600)) == 1


def test_retry_after_is_not_waited_for_beyond_a_limit(monkeypatch):
    monkeypatch.setattr("lab.detectors.services.client.MAX_RETRY_AFTER_S", 0.01)
    busy = Reply(status=503, headers={"Retry-After": "86400"})
    worker = Worker(lambda image, number: busy if number < 1 else {"detections": [box()]})
    assert len(one(worker)) == 1


def test_a_worker_on_this_machine_is_not_asked_through_a_proxy(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert one(Worker()).error is None


def test_a_worker_that_stays_busy_is_a_failed_frame():
    worker = Worker(lambda image, number: Reply({"detail": "queue is full"}, 503))
    assert one(worker).error == f"worker at {worker.url} answered 503: queue is full, 4 tries"
    assert len(worker.posts()) == 4


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422])
def test_other_refusals_are_not_tried_again(status):
    worker = Worker(lambda image, number: Reply({"error": "no"}, status))
    assert one(worker).error == f"worker at {worker.url} answered {status}: no"
    assert len(worker.posts()) == 1


def test_silence_is_a_failed_frame_that_says_how_long_and_how_often():
    worker = Worker(lambda image, number: Reply(silent=True))
    detections = one(worker, timeout_s=0.2, retries=1)
    assert detections.error == f"worker at {worker.url} did not answer within 0.2 s, 2 tries"


def test_an_answer_that_drips_in_without_an_end_is_given_up():
    worker = Worker(lambda image, number: Reply(drips=True))
    detections = one(worker, timeout_s=0.3, retries=0)
    assert detections.error == f"worker at {worker.url} did not answer within 0.3 s, 1 try"


def test_an_answer_that_breaks_off_is_tried_again():
    cut = Reply(b'{"detections"', headers={"Content-Length": "500", "Connection": "close"})
    worker = Worker(lambda image, number: cut if number == 0 else {"detections": [box()]})
    assert len(one(worker, timeout_s=1)) == 1


def test_a_worker_that_went_away_is_a_failed_frame():
    with make_remote(worker := Worker(), retries=1) as detector:
        worker.__exit__()
        (detections,) = detector.detect([make_frame()])
    assert detections.error == f"worker at {worker.url} cannot be reached, 2 tries"


def test_closing_ends_the_waiting():
    asked, seen = threading.Event(), []

    def look(image, number):
        asked.set()
        return Reply(status=503)

    with make_remote(Worker(look), retry_wait_s=600) as detector:
        looking = threading.Thread(target=lambda: seen.extend(detector.detect([make_frame()])))
        looking.start()
        assert asked.wait(20)
        detector.close()
        looking.join(20)
    assert "the detector was closed" in seen[0].error


def test_a_redirect_is_not_followed_and_the_token_goes_nowhere_else(monkeypatch):
    monkeypatch.setenv("WORKER_TOKEN", "s3cret")
    with Worker() as other:
        target = other.url + "/ai/analyze?token=s3cret"
        worker = Worker(lambda image, number: Reply(status=307, headers={"Location": target}))
        detections = one(worker, token_env="WORKER_TOKEN")
        assert other.asked == []
    assert detections.error is not None
    assert f"redirects to {other.url}, which is not followed" in detections.error
    assert "s3cret" not in detections.error


def test_a_token_is_sent_and_shown_nowhere(monkeypatch):
    monkeypatch.setenv("WORKER_TOKEN", "s3cret")
    worker = Worker(lambda image, number: Reply({"error": "s3cret is not allowed"}, 403))
    with make_remote(worker, token_env="WORKER_TOKEN") as detector:
        (detections,) = detector.detect([make_frame()])
        assert "s3cret" not in json.dumps(detector.recipe()) + repr(detector)
    assert {headers["Authorization"] for _, _, headers, _ in worker.asked} == {"Bearer s3cret"}
    assert detections.error == f"worker at {worker.url} answered 403: *** is not allowed"


def test_the_recipe_says_what_the_scores_depend_on():
    with make_remote(worker := Worker()) as detector:
        assert detector.recipe() == {
            "detector": "remote",
            "url": worker.url,
            "analysis_type": "object_detection",
            "worker_model": "yolo11n",
            "worker_version": "1.2",
            "image_format": "jpeg",
            "jpeg_quality": 95,
            "processing_version": 1,
            "labels": ["cat", "person"],
            "score_floor": 0.05,
        }


def test_the_url_may_end_with_the_path_of_the_worker():
    worker = Worker()
    assert one(worker, url=worker.url + "/ai/").error is None


@pytest.mark.parametrize(
    ("worker", "words"),
    [
        (Worker(health=Reply({"status": "starting"}, 503)), "answered 503"),
        (Worker(health={"status": "degraded"}), "its status is 'degraded'"),
        (Worker(health=Reply(b"hello")), "what is not JSON"),
        (Worker(info=Reply(status=404)), "answered 404"),
        (Worker(info=[1]), "/ai/info .* is not an object"),
        (Worker(info={"labels": "cat"}), "labels in /ai/info is not a list"),
        (Worker(info={"bbox_format": "polar"}), "bbox_format is 'polar'"),
    ],
)
def test_a_worker_that_cannot_be_used_is_refused_at_once(worker, words):
    with (
        pytest.raises(DetectorError, match=words + ".*; start a worker there, or give its url"),
        make_remote(worker),
    ):
        pass


def test_a_worker_that_is_not_there_is_refused_at_once():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(DetectorError, match=f"worker at {url} cannot be reached; start a worker"):
        Remote(url=url, **QUICK)


@pytest.mark.parametrize(
    ("settings", "error", "words"),
    [
        ({}, SettingError, "url must begin with http|url must be an address"),
        ({"url": "ftp://host"}, SettingError, "must begin with http:// or https://"),
        ({"url": "http://"}, SettingError, "name a host"),
        ({"url": "http://host:99999"}, SettingError, "name a host"),
        ({"url": "http://me:pass@host"}, SettingError, "a user name or password"),
        ({"url": "http://host/?key=1"}, SettingError, r"without \? or #"),
        ({"url": "http://host", "timeout_s": 0}, SettingError, "timeout_s"),
        ({"url": "http://host", "retries": -1}, SettingError, "retries"),
        ({"url": "http://host", "retry_wait_s": float("nan")}, SettingError, "retry_wait_s"),
        ({"url": "http://host", "batch_size": 0}, SettingError, "batch_size"),
        ({"url": "http://host", "image_format": "gif"}, SettingError, "known: bgr, jpeg, png"),
        ({"url": "http://host", "jpeg_quality": 101}, SettingError, "jpeg_quality"),
        ({"url": "http://host", "score_floor": 0}, SettingError, "score_floor"),
        ({"url": "http://host", "analysis_type": ""}, SettingError, "analysis_type"),
        (
            {"url": "http://host", "token_env": "s3cret"},
            SettingError,
            "name of an environment variable",
        ),
        (
            {"url": "http://host", "token_env": "NO_SUCH_TOKEN"},
            DetectorError,
            "NO_SUCH_TOKEN is not set",
        ),
    ],
)
def test_settings_that_cannot_work_say_why(settings, error, words):
    with pytest.raises(error, match=words) as raised:
        Remote(**settings)
    assert "s3cret" not in str(raised.value)
    assert "pass@" not in str(raised.value)


def seeing_worker(silent=frozenset()):
    """A worker that looks with a real model and never answers for the pictures in `silent`."""
    model, lock = Yolo(labels=["cat", "person"]), threading.Lock()

    def look(image_bgr, number):
        if digest(image_bgr) in silent:
            return Reply(silent=True)
        height, width = image_bgr.shape[:2]
        with lock:
            (found,) = model.detect([Frame(image_bgr, 0, 0, 0.0)])
        boxes = zip(
            found.labels, found.confidence.tolist(), found.box_xyxy_px.tolist(), strict=True
        )
        return {"detections": [
            box(label, score, x1 / width, y1 / height, (x2 - x1) / width, (y2 - y1) / height)
            for label, score, (x1, y1, x2, y2) in boxes
        ]}  # fmt: skip

    return Worker(look)


def as_sent(frame):
    """The picture that arrives at the worker."""
    return cv2.imdecode(
        cv2.imencode(".jpg", frame.image_bgr, [cv2.IMWRITE_JPEG_QUALITY, 95])[1], cv2.IMREAD_COLOR
    )


@pytest.mark.long
def test_timeouts_in_a_sighting_are_failed_samples_and_do_not_move_it(samples, tmp_path):
    clip, every_s = samples / "cat_then_person.mp4", 0.2
    with make_remote(seeing_worker(), timeout_s=60) as detector:
        whole = lab.analyze(
            clip, detector=detector, store=tmp_path, every_s=every_s, progress=False
        )
    cat = next(s for s in whole.find() if s.label == "cat")
    frames = list(FileSource(clip).frames(every_s))
    inside = [i for i, f in enumerate(frames) if cat.onset_s + 0.5 < f.pts_s < cat.offset_s - 0.5]
    first = next(i for i in inside if i % 8 == 3 and i + 1 in inside)
    lost = [first, first + 1]  # two of the eight frames of one batch

    worker = seeing_worker({digest(as_sent(frames[i])) for i in lost})
    with make_remote(worker, timeout_s=3, retries=1) as detector:
        assert detector.batch_size == 8
        run = lab.analyze(clip, detector=detector, store=tmp_path, every_s=every_s, progress=False)

    why = f"worker at {worker.url} did not answer within 3 s, 2 tries"
    assert run.state == "done"
    assert run.log.reasons == {lost[0]: why, lost[1]: why}
    assert run.effort().failed == 2
    assert run.effort().ok == whole.effort().ok - 2
    assert run.effort().analysed_s == pytest.approx(whole.effort().analysed_s - 2 * every_s)
    assert np.flatnonzero(run.scores()["cat"].isna()).tolist() == lost
    assert np.flatnonzero(run.scores()["person"].isna()).tolist() == lost
    assert [(s.label, s.onset_s, s.offset_s) for s in run.find()] == [
        (s.label, s.onset_s, s.offset_s) for s in whole.find()
    ]
