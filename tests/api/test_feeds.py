"""Feeds by the API, watched by the real process."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from tests.api.conftest import Api, problem_of
from tests.guarded import BEARER, guard


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


def test_a_feed_that_is_refused_stops_no_other(api):
    refused = api.client.post("/api/feeds", json=feed(api, "other", sinks=["nope"]))
    assert "nope" in problem_of(refused, 422)
    assert api.client.post("/api/feeds", json=feed(api, "next")).status_code == 201
    assert api.client.delete("/api/feeds/next").status_code == 200


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
