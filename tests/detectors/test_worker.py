"""`lab worker` and the detector `remote`, together, over real connections."""

import base64
import json
import re
import struct
import threading
import tracemalloc
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import requests

import lab
from lab.app.cli.main import main
from lab.app.server.inference.analyses import DETECTORS, Analyses, Wanted
from lab.app.server.inference.app import _Routes
from lab.app.server.inference.bounds import Limits, Room
from lab.detection import Detections
from lab.detectors.detector import Detector
from lab.detectors.registered import detectors
from lab.detectors.services.remote import Remote
from lab.errors import DetectorError, SettingError
from lab.frame import Frame
from lab.runs.make_detector import make_detector
from lab.video.sources.file import FileSource
from tests.detectors.servers import QUICK, Reply, Worker, box
from tests.peers.worker import running_worker

QUIET = {"progress": False, "every_s": 1.0}
TYPE = "application/vnd.sighting-lab.frames"
PLANTED = "worker-token-planted-0123456789"


@pytest.fixture(scope="module")
def worker():
    with running_worker("--detector", "yolo", "--analysis", "visual_analysis") as running:
        yield running


def frames(clip, count=3):
    with FileSource(clip) as source:
        return list(islice(source.frames(0.5), count))


def jpeg(image, quality=95):
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def analyze(url, **body):
    return requests.post(f"{url}/ai/analyze", json=body, timeout=30)


def columns(run):
    log = run.log
    return log.pts_us.tolist(), log.confidence.tolist(), log.box_xyxy_px.tolist()


@pytest.mark.long
def test_raw_pictures_give_the_log_of_the_detector_itself(worker, samples, tmp_path):
    clip = samples / "cat_then_person.mp4"
    here = lab.analyze(clip, detector="yolo", store=tmp_path / "a", **QUIET)
    there = lab.analyze(
        clip, detector="remote", url=worker.url, image_format="bgr", store=tmp_path / "b", **QUIET
    )
    assert there.effort().failed == 0
    assert columns(there) == columns(here)
    assert there.labels == here.labels


@pytest.mark.long
def test_one_picture_in_json_and_many_at_once_find_the_same(worker, samples):
    shown = frames(samples / "cat_then_person.mp4", 12)
    with_batches = Remote(url=worker.url, **QUICK)
    found = with_batches.detect(shown)
    with_batches._takes_batches = False
    one_by_one = with_batches.detect(shown)
    with_batches.close()
    assert sum(map(len, found))
    for many, one in zip(found, one_by_one, strict=True):
        assert list(many.labels) == list(one.labels)
        assert many.confidence.tolist() == one.confidence.tolist()
        assert np.allclose(many.box_xyxy_px, one.box_xyxy_px, atol=1e-3)


def test_a_client_of_media_analyzer_is_answered_as_it_expects(worker, samples):
    frame = frames(samples / "cat_then_person.mp4", 9)[-1]
    answer = analyze(
        worker.url,
        image=base64.b64encode(jpeg(frame.image_bgr, 85)).decode(),
        analysis_types=["object_detection", "visual_analysis"],
        confidence_threshold=0.3,
        use_gpu=False,
        metadata={"timestamp": None, "stream_id": None},
    )
    assert answer.status_code == 200
    told = answer.json()
    kinds = {row["analysis_type"] for row in told["detections"]}
    assert kinds == {"object_detection", "visual_analysis"}
    assert all(row["confidence"] >= 0.3 for row in told["detections"])
    for row in told["objects"]:
        assert set(row["bbox"]) == {"x", "y", "width", "height"}
        assert 0 <= row["bbox"]["x"] <= row["bbox"]["x"] + row["bbox"]["width"] <= 1 + 1e-6
    assert told["processing_time"] > 0
    assert requests.get(f"{worker.url}/ai/health", timeout=5).json()["status"] == "healthy"
    info = requests.get(f"{worker.url}/ai/info", timeout=5).json()
    assert info["analysis_types"] == ["object_detection", "visual_analysis"]
    assert "cat" in info["analyses"]["object_detection"]["labels"]


def test_its_metrics_count_pictures_by_outcome(worker):
    from prometheus_client.parser import text_string_to_metric_families

    def counted():
        text = requests.get(f"{worker.url}/metrics", timeout=5).text
        return {
            (one.name, *sorted(one.labels.items())): one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
        }

    key = (
        "sighting_lab_worker_frames_total", ("analysis", "visual_analysis"), ("outcome", "ok")
    )  # fmt: skip
    before = counted()
    remote = Remote(url=worker.url, analysis_type="visual_analysis", **QUICK)
    remote.detect([Frame(np.zeros((48, 64, 3), np.uint8), i, i, 0.0) for i in range(5)])
    remote.close()
    after = counted()
    assert after[key] == before.get(key, 0) + 5
    calls = ("sighting_lab_inference_duration_seconds_count", ("detector", "visual"))
    assert after[calls] > before[calls]
    assert after[("sighting_lab_worker_waiting_frames",)] == 0


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 422, "not JSON"),
        (b"[]", 422, "not an object"),
        (b"{" * 100_000, 422, "not JSON"),
        (b"{}", 422, "image must be a picture in base64"),
        (json.dumps({"image": "%%%"}), 422, "not base64"),
        (json.dumps({"image": base64.b64encode(b"no picture").decode()}), 422, "neither a JPEG"),
        (json.dumps({"image": "aa", "analysis_types": ["faces"]}), 422, "does not offer 'faces'"),
        (json.dumps({"image": "aa", "analysis_types": "faces"}), 422, "must be a list"),
        (json.dumps({"image": "aa", "confidence_threshold": 7}), 422, r"outside \[0, 1\]"),
    ],
)
def test_a_wrong_request_is_refused_with_its_reason(worker, body, status, words):
    answer = requests.post(f"{worker.url}/ai/analyze", data=body, timeout=10)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert re.search(words, answer.json()["detail"])


def batch(*pictures, **header):
    head = {"frames": [{**about, "size": len(data)} for about, data in pictures], **header}
    text = json.dumps(head).encode()
    return struct.pack("<I", len(text)) + text + b"".join(data for _, data in pictures)


BGR = ({"format": "bgr", "width": 4, "height": 2}, bytes(24))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "shorter"),
        (b"\xff\xff\xff\xff", "header's length"),
        (struct.pack("<I", 2) + b"[]", "not an object"),
        (batch(), "frames must be 1 to 64, got 0"),
        (batch(*[BGR] * 65), "got 65"),
        (batch(({"format": "gif"}, b"GIF")), "format is 'gif'"),
        (batch(BGR)[:-1], "has 23 of 24 bytes"),
        (batch(BGR) + b"x", "end at byte"),
        (batch(({"format": "bgr", "width": 4, "height": 3}, bytes(24))), "4 x 3 pixels"),
        (batch(({"format": "bgr", "width": -4, "height": -2}, bytes(24))), "whole number"),
    ],
)
def test_a_wrong_batch_is_refused_with_its_reason(worker, body, words):
    answer = requests.post(
        f"{worker.url}/ai/batch", data=body, headers={"Content-Type": TYPE}, timeout=10
    )
    assert answer.status_code == 422
    assert words in answer.json()["detail"]


def test_a_picture_that_cannot_be_decoded_fails_alone(worker, samples):
    frame = frames(samples / "cat_then_person.mp4", 9)[-1]
    good = ({"format": "jpeg"}, jpeg(frame.image_bgr))
    answer = requests.post(
        f"{worker.url}/ai/batch",
        data=batch(good, ({"format": "png"}, b"broken"), good),
        headers={"Content-Type": TYPE},
        timeout=30,
    )
    first, second, third = answer.json()["results"]
    assert first["labels"]
    assert first == third
    assert "neither a JPEG nor a PNG" in second["error"]


def peak_bytes(process):
    """The most memory that a process has had; it is counted anew."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    Path(f"/proc/{process.pid}/clear_refs").write_text("5")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10


def test_only_some_pictures_of_a_request_are_decoded_at_once():
    png = cv2.imencode(".png", np.zeros((1000, 1000, 3), np.uint8))[1].tobytes()
    body = batch(*[({"format": "png"}, png)] * 40)  # 120 MB
    wanted = [Wanted("object_detection", "visual")]
    with Analyses(wanted, lambda name, settings: make_detector(name, **settings)) as analyses:
        routes = _Routes(analyses, Limits(pixels=2_000_000))
        tracemalloc.start()
        try:
            results = routes._batch(body)["results"]
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert all(one["labels"] for one in results)
    assert len(results) == 40
    assert 6e6 < peak < 60e6


class ThreeAtOnce(Detector):
    """Fails where a picture is black; `given`: how many pictures each call had."""

    batch_size = 3
    labels = ("bright",)

    def __init__(self):
        self.given = []

    def detect(self, frames):
        self.given.append(len(frames))
        if not all(one.image_bgr.any() for one in frames):
            raise RuntimeError("nothing is to be seen")
        boxes = np.array([[0, 0, 4, 4]], np.float32)
        return [Detections(["bright"], np.array([0.9], np.float32), boxes) for _ in frames]

    def recipe(self):
        return {"detector": "three", "score_floor": 0.0}


def test_a_model_is_given_as_many_pictures_of_a_request_as_it_takes():
    model, shown = ThreeAtOnce(), [np.full((8, 8, 3), 99, np.uint8) for _ in range(7)]
    with Analyses([Wanted("object_detection", "three")], lambda *_: model) as analyses:
        assert analyses.info()["object_detection"]["batch_size"] == 3
        model.given.clear()  # of the warming up
        assert all(len(one) == 1 for one in analyses.detect("object_detection", shown))
        assert model.given == [3, 3, 1]
        shown[1][:] = 0
        found = analyses.detect("object_detection", shown)
    failed = [i for i, one in enumerate(found) if one.error]
    assert failed == [1], "those that came with it are not lost"
    assert found[1].error == "RuntimeError: nothing is to be seen"


def test_decoded_pictures_wait_for_room():
    room, order = Room(10), []

    def take(pixels):
        with room.taken(pixels):
            order.append(pixels)

    with room.taken(8):
        threads = [threading.Thread(target=take, args=[n]) for n in (2, 99, 3)]
        for one in threads:
            one.start()
        threads[0].join(60)
        assert order == [2]
    for one in threads:
        one.join(60)
    assert sorted(order) == [2, 3, 99]  # what is larger than the room comes alone


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory as Linux tells it")
def test_small_files_of_large_pictures_do_not_take_all_memory():
    """24 pictures are 1.2 GB when they are decoded, and 1.2 MB as they come."""
    bomb = ({"format": "png"}, cv2.imencode(".png", np.zeros((4096, 4096, 3), np.uint8))[1])
    body = batch(*[(bomb[0], bomb[1].tobytes())] * 24, analysis_type="object_detection")
    with running_worker("--detector", "visual") as worker:
        url, sent = f"{worker.url}/ai/batch", {"Content-Type": TYPE}
        requests.post(url, data=batch(BGR), headers=sent, timeout=60).raise_for_status()
        before = peak_bytes(worker.process) and peak_bytes(worker.process)
        answer = requests.post(url, data=body, headers=sent, timeout=60)
        assert len(answer.json()["results"]) == 24
        assert all("labels" in one for one in answer.json()["results"])
        assert peak_bytes(worker.process) - before < 600e6


def test_a_page_of_another_site_gets_nothing(worker):
    for headers in ({"Origin": "http://evil.example"}, {"Host": "evil.example"}):
        answer = requests.get(f"{worker.url}/ai/info", headers=headers, timeout=5)
        assert answer.status_code == 403
    assert requests.get(f"{worker.url}/livez", timeout=5).text == "ok"


def test_a_worker_with_a_token_asks_for_it(samples, monkeypatch):
    env = {"LAB_WORKER_TOKEN": PLANTED}
    with running_worker("--detector", "visual", env=env) as running:
        assert PLANTED not in running.said
        for sent in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {PLANTED}"}):
            for path in ("/ai/info", "/ai/health", "/metrics", "/nothing"):
                answer = requests.get(running.url + path, headers=sent, timeout=5)
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"].startswith("Bearer")
        assert requests.get(f"{running.url}/readyz", timeout=5).status_code == 200
        with pytest.raises(DetectorError, match="answered 401: send the worker's token") as raised:
            Remote(url=running.url, **QUICK)
        assert PLANTED not in str(raised.value)
        monkeypatch.setenv("A_TOKEN", PLANTED)
        remote = Remote(url=running.url, token_env="A_TOKEN", image_format="bgr", **QUICK)
        (found,) = remote.detect(frames(samples / "nothing.mp4", 1))
        remote.close()
        assert found.error is None
        assert PLANTED not in json.dumps(remote.recipe())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--port", "70000"], "a port is from 0 to 65535"),
        (["--port", "0", "--host", "0.0.0.0"], "there is no token; set LAB_WORKER_TOKEN"),
        (
            ["--port", "0", "--no-token", "--host", "no.such.host.invalid"],
            "is no address of this machine",
        ),
        (["--port", "0", "--detector", "motion"], "needs frames in their order"),
        (["--port", "0", "--analysis", "faces"], "--analysis needs TYPE=DETECTOR"),
        (["--port", "0", "--analysis", "logo_detection=visual:{"], "its settings are not JSON"),
        (["--port", "0", "--analysis", "a=visual", "--analysis", "a=visual"], "a is given twice"),
        (["--port", "0", "--detector", "nosuch"], "unknown detector"),
    ],
)
def test_a_worker_that_cannot_start_says_why_in_one_line(capsys, options, words):
    code = main(["worker", *options])
    out, err = capsys.readouterr()
    assert code in (1, 2)
    assert not out
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_each_analysis_with_a_detector_of_its_own_names_one_that_there_is():
    assert set(DETECTORS.values()) <= set(detectors.names())


# Several workers


@pytest.mark.long
def test_frames_go_on_at_another_worker_when_one_is_killed(samples, tmp_path):
    clip = samples / "cat_then_person.mp4"
    settings = {"image_format": "bgr", "timeout_s": 30, "retry_wait_s": 0.2}
    with running_worker("--detector", "yolo") as one, running_worker("--detector", "yolo") as two:
        shown = 0

        def progress(*_):
            nonlocal shown
            shown += 1
            if shown == 2:
                two.kill()

        run = lab.analyze(
            clip, detector="remote", url=[one.url, two.url], store=tmp_path, every_s=0.2,
            progress=progress, **settings,
        )  # fmt: skip
        assert two.process.poll() is not None
    here = lab.analyze(clip, detector="yolo", store=tmp_path / "b", every_s=0.2, progress=False)
    assert run.effort().failed == 0
    assert columns(run) == columns(here)


def test_an_answer_that_comes_too_late_is_not_counted():
    late = threading.Event()

    def slow(image, number):
        late.wait(5)
        return {"detections": [box(confidence=0.1)]}

    quick = Worker(lambda image, number: {"detections": [box(confidence=0.8)]})
    with Worker(slow) as stuck, quick:
        remote = Remote(
            url=f"{stuck.url},{quick.url}", timeout_s=0.3, retries=1, retry_wait_s=5.0, batch_size=2
        )
        image = np.zeros((48, 64, 3), np.uint8)
        found = remote.detect([Frame(image, i, i, 0.0) for i in range(4)])
        late.set()
        remote.close()
    assert [one.confidence.tolist() for one in found] == [[pytest.approx(0.8)]] * 4


def test_a_worker_that_came_back_as_another_is_not_asked():
    image = np.zeros((48, 64, 3), np.uint8)
    first = Worker(lambda image, number: Reply(status=503))
    second = Worker(lambda image, number: {"detections": [box(confidence=0.8)]})
    with first, second:
        remote = Remote(url=[first.url, second.url], retry_wait_s=0.001, retries=1)
        remote.detect([Frame(image, 0, 0, 0.0)])
        first.info = {"model": "another", "labels": ["cat", "person"]}
        before = len(first.posts())
        found = remote.detect([Frame(image, i, i, 0.0) for i in range(8)])
        remote.close()
        assert len(first.posts()) == before
    assert all(one.confidence.tolist() == [pytest.approx(0.8)] for one in found)


def test_workers_that_differ_are_refused():
    other = Worker(info={"model": "yolo11s", "version": "1.2", "labels": ["cat", "person"]})
    with Worker() as one, other, pytest.raises(SettingError, match="the workers differ in model"):
        Remote(url=[one.url, other.url], **QUICK)


def test_one_of_several_may_be_away_at_the_start():
    with Worker() as one:
        remote = Remote(url=["http://127.0.0.1:1", one.url], **QUICK)
        (found,) = remote.detect([Frame(np.zeros((48, 64, 3), np.uint8), 0, 0, 0.0)])
        remote.close()
    assert len(found) == 1


def test_a_floor_below_the_workers_is_refused(worker):
    with pytest.raises(SettingError, match=r"keeps nothing below 0\.05"):
        Remote(url=worker.url, score_floor=0.01, **QUICK)


def test_an_analysis_that_it_does_not_offer_is_refused(worker):
    with pytest.raises(SettingError, match="does not offer analysis_type 'logo_detection'"):
        Remote(url=worker.url, analysis_type="logo_detection", **QUICK)
