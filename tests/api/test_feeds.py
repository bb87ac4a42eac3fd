"""Feeds by the API, watched by the real process."""

import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from lab.access.asker import Asker
from lab.app.server.new_feed import checked_source
from lab.errors import SettingError
from lab.feeds.dot_env import keep_secret
from tests.api.conftest import Api, problem_of
from tests.guarded import BEARER, guard

HERE = Asker(name="app", scope="admin", is_local=True)


@pytest.fixture(scope="module")
def api(tmp_path_factory, samples):
    folder = tmp_path_factory.mktemp("feeds")
    shutil.copy(samples / "nothing.mp4", folder / "nothing.mp4")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_MEDIA_ROOTS", str(folder.resolve()))
        made = Api(folder)
        yield made
        made.state.close()


def feed(api, feed_id="garden", **more):
    return {
        "id": feed_id,
        "source": {"type": "file", "path": str(api.folder / "nothing.mp4")},
        "detector": {"type": "visual"},
        "every_s": 1.0,
        "start": False,
        **more,
    }


def awaited(client, place, *states, seconds=60):
    until = time.monotonic() + seconds
    while (found := client.get(place).json())["state"] not in states:
        assert time.monotonic() < until, found
        time.sleep(0.1)
    return found


def test_a_feed_is_made_started_stopped_and_removed(api):
    client, place = api.client, "/api/feeds/garden"
    added = client.post("/api/feeds", json=feed(api))
    assert (added.status_code, added.headers["location"]) == (201, place)
    assert "already" in problem_of(client.post("/api/feeds", json=feed(api)), 409)
    assert [row["id"] for row in client.get("/api/feeds").json()["rows"]] == ["garden"]
    problem_of(client.post(f"{place}/analyse_now"), 409)  # it does not run
    assert client.post(f"{place}/start").status_code == 200
    assert "stop it" in problem_of(client.delete(place), 409)
    awaited(client, place, "live", "ended")
    assert client.post(f"{place}/stop").status_code == 200
    awaited(client, place, "stopped", "ended")
    assert client.delete(place).json() == {"status": "ok"}
    problem_of(client.get(place), 404)
    problem_of(client.delete(place), 404)
    (run,) = client.get("/api/runs?of_feed=true").json()["items"]  # what was found stays
    assert (run["detector"], run["environment"]["feed"]) == ("visual", "garden")


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"source": {"type": "file", "path": "/etc/passwd"}}, 403, "media_roots"),
        ({"source": {"type": "webcam"}}, 422, "source.type"),
        ({"source": {"type": "segments", "path": ".", "state_folder": "/"}}, 422, "state_folder"),
        ({"source": {"type": "stream", "url": "rtsp://u:${LAB_TOKEN}@x/"}}, 422, "LAB_TOKEN"),
        ({"name": "${LAB_TOKEN}"}, 422, "variables"),
        ({"detector": {"type": "python", "target": "os:system"}}, 422, "runs code"),
        (
            {"detector": {"type": "python", "name": "yolo", "target": "os:system"}},
            422,
            "detector.type",
        ),
        (
            {
                "detector": {
                    "type": "roboflow",
                    "workspace": "a",
                    "workflow_id": "b",
                    "api_url": "http://evil.example",
                }
            },
            422,
            "detstream",
        ),
        ({"detector": {"type": "rf-detr", "weights": "x.pt"}}, 422, "detstream"),
        ({"detector": {"type": ["python"]}}, 422, "detector"),
        ({"detector": {"type": "yolo", "weights": "/tmp/x.pt"}}, 422, "models folder"),
        ({"rule": "/etc/passwd"}, 422, "no rule"),
        ({"id": "../x"}, 422, "id"),
        ({"sinks": [{"type": "webhook"}]}, 422, "sinks"),
    ],
)
def test_what_a_page_may_not_write_of_a_feed_the_api_may_not_either(api, change, status, words):
    answer = api.client.post("/api/feeds", json=feed(api, "other") | change)
    assert words in problem_of(answer, status)


@pytest.mark.parametrize(
    "path",
    [
        "../../etc/passwd", "/etc/passwd", "/etc/nonexist", "/dev/zero", "/dev/video0/../zero",
        "/dev/v4l/by-id/..", "/dev/v4l/../zero", "video0", "/dev/video${X}", 7, ["/dev/video0"],
    ],
)  # fmt: skip
def test_a_device_is_a_camera_and_what_else_there_is_stays_untold(api, path):
    body = feed(api, "device", source={"type": "device", "path": path})
    words = problem_of(api.client.post("/api/feeds", json=body), 422)
    assert words.startswith("source.path ")
    assert "there is no" not in words
    assert "no device" not in words


@pytest.mark.skipif(sys.platform != "linux", reason="devices are by Video4Linux")
def test_links_to_devices_are_resolved(api, monkeypatch):
    leads = {"/dev/video-front": "/dev/video250", "/dev/video-back": "/etc/passwd"}
    monkeypatch.setattr(os.path, "realpath", lambda path: leads[path])
    source = {"type": "device", "path": "/dev/video-front"}
    assert checked_source(api.state, HERE, source) == source
    with pytest.raises(SettingError, match="must be a camera"):
        checked_source(api.state, HERE, {"type": "device", "path": "/dev/video-back"})


@pytest.mark.parametrize(
    "source",
    [
        {"type": "device", "index": 250},
        {"type": "device", "path": "/dev/video250"},
        {"type": "device", "path": "/dev/v4l/by-id/usb-none-index0"},
        {"type": "stream", "url": "rtsp://127.0.0.1:9/off"},
        {"type": "camera", "url": "ws://127.0.0.1:9/"},
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="devices are by Video4Linux")
def test_a_camera_that_is_off_may_come_on(api, source):
    assert checked_source(api.state, HERE, source) == source


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"type": "stream", "url": "file:///etc/passwd"}, "url must begin with"),
        ({"type": "stream", "url": "rtsp://"}, "url must name a host"),
        ({"type": "stream", "url": "rtsp://me:planted/pass@host/1"}, "url must be an address"),
        ({"type": "stream", "url": ["rtsp://host/1"]}, "url must be an address"),
        ({"type": "youtube", "url": "file:///etc/passwd"}, "url must begin with"),
        ({"type": "stream"}, "source.url is missing"),
        ({"type": "rtmp", "key": "planted", "port": 0}, "port must be"),
        ({"type": "file", "path": "none.mp4"}, "there is no file"),
        ({"type": "segments", "path": "${FEED_SECRET_1}"}, "source.path takes no variable"),
    ],
)
def test_a_source_that_can_never_work_is_refused_and_leaves_nothing(api, source, words):
    if source.get("path") == "none.mp4":
        source = source | {"path": str(api.folder / "none.mp4")}
    kept = api.store_folder / "feeds" / ".env"
    before = kept.read_text() if kept.is_file() else None
    answer = api.client.post("/api/feeds", json=feed(api, "never", source=source))
    assert words in problem_of(answer, 422)
    assert "planted" not in answer.text
    assert (kept.read_text() if kept.is_file() else None) == before


def test_a_secret_from_before_is_not_shown_by_a_refusal(api):
    name = keep_secret(api.store_folder, "planted-before")
    source = {"type": "stream", "url": name}
    assert checked_source(api.state, HERE, source) == source  # whoever connects looks at it


def test_a_feed_that_is_refused_stops_no_other(api):
    refused = api.client.post("/api/feeds", json=feed(api, "other", sinks=["nope"]))
    assert "nope" in problem_of(refused, 422)
    assert api.client.post("/api/feeds", json=feed(api, "next")).status_code == 201
    assert api.client.delete("/api/feeds/next").status_code == 200


def test_the_secret_of_a_feed_goes_with_it(api):
    source = {"type": "stream", "url": "rtsp://me:planted-once@127.0.0.1:9/1"}
    body = feed(api, "secret", source=source)
    assert api.client.post("/api/feeds", json=body).status_code == 201
    kept = api.store_folder / "feeds" / ".env"
    assert "planted-once" in kept.read_text()
    assert api.client.delete("/api/feeds/secret").status_code == 200
    assert "planted-once" not in kept.read_text()


def test_of_two_feeds_of_one_id_one_is_made_and_the_other_one_refused(api):
    with ThreadPoolExecutor(3) as pool:
        posted = pool.map(
            lambda _: api.client.post("/api/feeds", json=feed(api, "twice")), range(3)
        )
    answers = sorted(posted, key=lambda one: one.status_code)
    assert answers[0].status_code == 201
    for refused in answers[1:]:
        assert "already" in problem_of(refused, 409)
    assert api.client.delete("/api/feeds/twice").status_code == 200


def test_who_is_elsewhere_names_public_addresses_only(api):
    far = TestClient(
        guard(api.routes), base_url="http://127.0.0.1", headers=BEARER, client=("192.0.2.7", 5000)
    )
    for url in ("rtsp://127.0.0.1/x", "http://10.1.2.3/x", "http://169.254.169.254/latest"):
        body = feed(api, "far", source={"type": "stream", "url": url})
        assert "address" in problem_of(far.post("/api/feeds", json=body), 403)
    for client, headers in ((far, {}), (api.client, {"X-Forwarded-For": "192.0.2.7"})):
        body = feed(api, "far", source={"type": "stream", "url": "rtsp://8.8.8.8/x"})
        answer = client.post("/api/feeds", json=body, headers=headers)
        assert "RTSP cannot be kept to public" in problem_of(answer, 403)
