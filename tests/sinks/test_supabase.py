"""Rows and thumbnails as detstream's own sink leaves them."""

import cv2
import numpy as np
import pytest

from lab.errors import SettingError
from lab.sinks.sink import DeliveryFailed
from lab.sinks.supabase import SupabaseSink
from tests.peers.supabase import KEY, Supabase
from tests.peers.web import Reply, serving
from tests.sinks.events import make_event, make_jpeg


@pytest.fixture
def project():
    made = Supabase(cams=("pond", "den"))
    with serving(made) as made.server:
        yield made


def sink_of(project, **settings):
    return SupabaseSink(url=project.server.url, key=KEY, **settings)


def test_a_row_begins_at_the_alert_and_is_patched_at_the_end_with_the_thumbnail(project):
    with sink_of(project, detector_label="yolo-world") as sink:
        sink.deliver(make_event("opened"))
        assert not project.tables["sightings"]
        sink.deliver(make_event("alerted", peak_confidence=0.5))
        (row,) = project.tables["sightings"]
        assert row == {
            "id": row["id"], "cam_id": "pond", "confidence": 0.5, "detector": "yolo-world",
            "label": "otter", "started_at": "2020-11-22T14:00:01.500000Z", "ended_at": None,
            "thumbnail": None,
        }  # fmt: skip
        sink.deliver(make_event("closed", picture_jpeg=make_jpeg(1920, 1080)))
    assert row["ended_at"] == "2020-11-22T14:00:09.250000Z"
    assert row["confidence"] == 0.75
    path = "thumbnails/pond/a1.jpg"
    assert row["thumbnail"] == f"{project.server.url}/storage/v1/object/public/{path}"
    kind, data = project.files[path]
    assert kind == "image/jpeg"
    assert cv2.imdecode(np.frombuffer(data, np.uint8), 1).shape == (540, 960, 3)
    asked = [(one.method, one.path) for one in project.server.asked]
    assert ("POST", "/rest/v1/sightings") in asked
    assert ("PATCH", "/rest/v1/sightings") in asked


def test_a_thumbnail_that_is_not_taken_loses_no_end(project):
    project.storage_status = 404
    with sink_of(project) as sink:
        sink.deliver(make_event("alerted"))
        sink.deliver(make_event("closed", picture_jpeg=make_jpeg()))
    (row,) = project.tables["sightings"]
    assert row["ended_at"]
    assert row["thumbnail"] is None


def test_an_alert_whose_answer_was_lost_makes_one_row(project):
    with sink_of(project) as sink:
        sink.deliver(make_event("alerted"))
    with sink_of(project) as sink:
        sink.deliver(make_event("alerted"))
        sink.deliver(make_event("closed"))
    (row,) = project.tables["sightings"]
    assert row["ended_at"]


def test_a_sighting_that_never_alerted_has_no_row_and_changes_none(project):
    with sink_of(project) as sink:
        sink.deliver(make_event("opened", "a"))
        sink.deliver(make_event("alerted", "a"))
        sink.deliver(make_event("closed", "a"))
        (row,) = [dict(one) for one in project.tables["sightings"]]
        sink.deliver(make_event("opened", "b"))
        sink.deliver(make_event("closed", "b", peak_confidence=0.99))
    assert project.tables["sightings"] == [row]


def test_after_a_restart_the_end_finds_the_row_of_its_sighting(project):
    """Its times differ a little: frames do not arrive evenly."""
    with sink_of(project, retention_hours=0) as sink:
        sink.deliver(make_event("alerted"))
        sink.deliver(make_event("alerted", "b", label="heron"))
    again = sink_of(project, retention_hours=0)
    again.watched({"pond": {"last_frame_at": 1763820000.0}, "den": {"last_frame_at": None}})
    again.beat()
    assert all(row["ended_at"] for row in project.tables["sightings"])  # they were left open
    again.deliver(make_event("closed", onset_utc="2020-11-22T14:00:01.412345Z"))
    again.close()
    ends = {row["label"]: row["ended_at"] for row in project.tables["sightings"]}
    assert ends["otter"] == "2020-11-22T14:00:09.250000Z"
    assert ends["heron"] != ends["otter"]


def test_what_this_process_has_open_is_not_closed_by_its_beats(project):
    with sink_of(project) as sink:
        sink.watched({"pond": {"last_frame_at": 1763820000.0}})
        sink.deliver(make_event("alerted", onset_utc="2999-01-01T00:00:00.000000Z"))
        sink.beat()
        sink.beat()
    (row,) = project.tables["sightings"]
    assert row["ended_at"] is None


def test_a_heartbeat_says_when_each_feed_had_its_last_frame(project):
    with sink_of(project) as sink:
        sink.watched({"pond": {"last_frame_at": 1763820000.25}, "den": {"last_frame_at": None}})
        sink.beat()
        sink.beat()
    assert project.tables["cams"] == [
        {"id": "pond", "last_frame_at": "2025-11-22T14:00:00.250000Z"},
        {"id": "den", "last_frame_at": None},
    ]
    patches = [one for one in project.server.asked if one.path == "/rest/v1/cams"]
    assert len(patches) == 1


def test_what_is_older_than_its_retention_goes_with_its_thumbnails(project):
    settings = {"retention_hours": 3, "bucket": "my thumbs"}
    with sink_of(project, **settings) as sink:
        for n in range(120):
            event = {"sighting": f"s{n}", "onset_utc": f"2020-01-01T00:00:{n % 60:02}.{n:06}Z"}
            sink.deliver(make_event("alerted", **event))
            sink.deliver(make_event("closed", picture_jpeg=make_jpeg(), **event))
        new = {"sighting": "new", "onset_utc": "2999-01-01T00:00:00.000000Z"}
        sink.deliver(make_event("alerted", **new))
        sink.deliver(make_event("closed", picture_jpeg=make_jpeg(), **new))
        assert len(project.files) == 121
        sink.beat()
    assert len(project.tables["sightings"]) == 1
    assert list(project.files) == ["my thumbs/pond/new.jpg"]


def test_a_retention_of_0_keeps_everything(project):
    with sink_of(project, retention_hours=0) as sink:
        sink.deliver(make_event("alerted"))
        sink.beat()
    assert len(project.tables["sightings"]) == 1


def test_a_refused_key_is_a_failure_without_it(project):
    with (
        SupabaseSink(url=project.server.url, key="wrong-key-planted") as sink,
        pytest.raises(DeliveryFailed, match=r"answered 401: .*Invalid API key") as raised,
    ):
        sink.deliver(make_event())
    assert "wrong-key" not in str(raised.value)


def test_an_answer_that_is_no_table_is_a_failure(project):
    project.server.answer = lambda request: Reply(200, b"<html>Parked</html>")
    with sink_of(project) as sink, pytest.raises(DeliveryFailed, match="did not answer with rows"):
        sink.deliver(make_event())


def test_address_and_key_come_from_the_environment(project, monkeypatch):
    for name in ("URL", "KEY"):
        monkeypatch.delenv(f"SIGHTING_LAB_SUPABASE_{name}", raising=False)
        monkeypatch.delenv(f"DETSTREAM_SUPABASE_{name}", raising=False)
    with pytest.raises(SettingError, match=r"url is missing; .* SIGHTING_LAB_SUPABASE_URL"):
        SupabaseSink()
    monkeypatch.setenv("DETSTREAM_SUPABASE_URL", project.server.url)
    with pytest.raises(SettingError, match="key is missing"):
        SupabaseSink()
    monkeypatch.setenv("DETSTREAM_SUPABASE_KEY", KEY)
    with SupabaseSink() as sink:
        sink.deliver(make_event())
    assert project.tables["sightings"]
