"""The routes of a recording: where its segments lie, and each of them."""

import dataclasses
import json
import shutil

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from lab.app.server.clip_address import clip_address
from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.config import Config
from tests.browser.server import ROOT
from tests.builders import make_media

CLIP = ROOT / "sample_videos" / "nothing.mp4"


@pytest.fixture
def app_state(tmp_path):
    made = AppState(Config(store=tmp_path / "store"))
    yield made
    made.close()


@pytest.fixture
def client(app_state):
    return TestClient(Starlette(routes=routes(app_state)))


@pytest.fixture
def recording(app_state):
    """Its folder. The clip stands for a segment."""
    folder = app_state.store.folder / "feeds" / "pond" / "recording" / "one"
    folder.mkdir(parents=True)
    shutil.copy(CLIP, folder / "000001.mp4")
    epoch = {"first_ticks": 180_000, "time_base": "1/90000", "media_us": 0, "wall_time": 1.0}
    lines = [
        {"kind": "connection"},
        {"kind": "segment", "name": "000001.mp4", "shift": 0, "time_base": "1/90000"},
        {"kind": "epoch", **epoch},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "recording.jsonl").write_text(text)
    media = dataclasses.replace(make_media("one"), path=str(folder), size_bytes=0)
    app_state.store.add_media(dataclasses.replace(media, media_id="rec1"))
    return folder


def test_the_index_says_where_the_segments_lie_and_what_plays_them(client, recording):
    found = client.get("/api/recordings/rec1/index").json()
    assert found["segments"] == [
        {"name": "000001.mp4", "offset_s": -2.0, "start_s": 0.0, "until_s": None}
    ]
    assert found["codec"].startswith('video/mp4; codecs="avc1.')
    assert found["is_open"] is False


def test_a_segment_is_given_from_where_it_was_read_to(client, recording):
    whole = client.get("/api/recordings/rec1/000001.mp4")
    assert whole.content == CLIP.read_bytes()
    rest = client.get("/api/recordings/rec1/000001.mp4", headers={"Range": "bytes=100-"})
    assert (rest.status_code, rest.content) == (206, whole.content[100:])
    end = {"Range": f"bytes={len(whole.content)}-"}
    assert client.get("/api/recordings/rec1/000001.mp4", headers=end).status_code == 204


@pytest.mark.parametrize("name", ["recording.jsonl", "..%2F..%2F.env", "000009.mp4", "1.mp4x"])
def test_nothing_but_segments_is_given(client, recording, name):
    assert client.get(f"/api/recordings/rec1/{name}").status_code == 404


def test_a_clip_is_no_recording_and_a_removed_one_is_said_to_be(app_state, client, recording):
    app_state.store.add_media(make_media("clip"))
    clip_id = make_media("clip").media_id
    assert "no recording" in client.get(f"/api/recordings/{clip_id}/index").text
    shutil.rmtree(recording)
    assert "was removed" in client.get("/api/recordings/rec1/index").text
    address, why = clip_address(app_state, app_state.store.media("rec1"))
    assert address is None
    assert "was removed" in why


def test_a_link_out_of_the_store_leads_nowhere(client, recording, tmp_path):
    shutil.move(recording, tmp_path / "elsewhere")
    recording.symlink_to(tmp_path / "elsewhere")
    assert client.get("/api/recordings/rec1/index").status_code == 403
