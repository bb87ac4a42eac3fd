"""The waveform of a clip, as the player gets it."""

import shutil

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

import lab
from lab.app.server.binary import unpack
from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.config import Config
from lab.video.sound import FILE_NAME

TONE = ("-f", "lavfi", "-i", "sine=440:duration=3", "-t", "3", "-pix_fmt", "yuv420p")


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    return tmp_path_factory.mktemp("roots")


@pytest.fixture(scope="module")
def app_state(roots):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LAB_MEDIA_ROOTS", str(roots))
        made = AppState(Config(store=roots / "store", media_roots=(roots,)))
        yield made
        made.close()


@pytest.fixture
def client(app_state):
    return TestClient(Starlette(routes=routes(app_state)))


def register(app_state, clip) -> str:
    shutil.copy(clip, app_state.config.media_roots[0] / clip.name)
    media = lab.probe(app_state.config.media_roots[0] / clip.name)
    return app_state.store.add_media(media)["media_id"]


def fetch(client, media_id):
    for _ in range(12):  # each waits some seconds for the worker
        answer = client.get(f"/api/media/{media_id}/sound")
        if answer.status_code != 200 or unpack(answer.content)[0]["state"] == "done":
            return answer
    raise AssertionError("it is still being made")


def test_a_waveform_is_made_once_and_kept_with_the_pictures(client, app_state, encode):
    media_id = register(app_state, encode("beep.mp4", *TONE, "-c:v", "libx264", "-c:a", "aac"))
    answer = fetch(client, media_id)
    about, arrays = unpack(answer.content)
    assert (about["has_sound"], about["problem"]) == (True, None)
    assert arrays["high"].max() > 0.05 > -0.05 > arrays["low"].min()
    assert "immutable" in answer.headers["cache-control"]
    file = app_state.store.pictures_folder(media_id) / FILE_NAME
    before = file.stat().st_mtime_ns
    assert fetch(client, media_id).content == answer.content
    assert file.stat().st_mtime_ns == before
    file.write_bytes(b"damaged")
    app_state.retry_after_s = 0
    assert fetch(client, media_id).content == answer.content, "made again"


def test_a_clip_without_sound_says_so(client, app_state, samples):
    about, arrays = unpack(fetch(client, register(app_state, samples / "nothing.mp4")).content)
    assert (about["has_sound"], arrays["low"].size) == (False, 0)


def test_a_clip_that_is_gone_is_one_line(client, app_state, samples):
    media_id = register(app_state, samples / "cat_then_person.mp4")
    (app_state.config.media_roots[0] / "cat_then_person.mp4").unlink()
    answer = fetch(client, media_id)
    assert answer.status_code == 404
    assert "is missing" in answer.text
    assert client.get("/api/media/unknown/sound").status_code == 404
