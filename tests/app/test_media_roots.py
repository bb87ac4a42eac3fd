"""A path that enters by a browser is checked when it is registered and when it is served."""

import json
import shutil

import pytest
from streamlit.testing.v1 import AppTest

import lab
from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.config import Config
from lab.errors import ForbiddenError
from lab.formats.detections.csv import import_detections
from lab.formats.detections.megadetector import import_megadetector
from tests.guarded import client_of


@pytest.fixture
def app_state(tmp_path, monkeypatch):
    """An app with one media root, as its workers see it, too."""
    (tmp_path / "root").mkdir()
    monkeypatch.setenv("LAB_MEDIA_ROOTS", str(tmp_path / "root"))
    made = AppState(Config(store=tmp_path / "store", media_roots=(tmp_path / "root",)))
    yield made
    made.close()


@pytest.fixture
def client(app_state):
    return client_of(routes(app_state))


@pytest.fixture
def secret(tmp_path, samples):
    shutil.copy(samples / "nothing.mp4", tmp_path / "secret.mp4")
    return tmp_path / "secret.mp4"


def results(folder, file) -> str:
    """A results file of MegaDetector that names a video by any path."""
    entry = {
        "file": str(file),
        "frame_rate": 10.0,
        "frames_processed": [0, 5],
        "detections": [
            {"category": "1", "conf": 0.9, "bbox": [0.1, 0.1, 0.5, 0.5], "frame_number": 0}
        ],
    }
    document = {
        "info": {"format_version": "1.5"},
        "detection_categories": {"1": "animal"},
        "images": [entry],
    }
    (folder / "results.json").write_text(json.dumps(document))
    return str(folder / "results.json")


def probed(app_state, path) -> dict:
    """As the page Library has a worker register a clip."""
    store = str(app_state.store.folder)
    job = app_state.engine.submit("probe", "read a clip", path=str(path), store=store)
    assert job.finished.wait(60)
    return {"state": job.state, "error": job.error or "", **(job.result or {})}


def served(client, media_id):
    return client.get(f"/api/media/{media_id}/file")


def test_detections_made_elsewhere_register_no_file_outside_the_roots(
    app_state, client, secret, tmp_path
):
    found = import_megadetector(
        results(tmp_path, secret), app_state.store, allowed=app_state.config.allowed
    )
    (row,) = app_state.store.all_media()
    assert row["size_bytes"] == 0  # as a video that is not there
    assert "no video" in found.notes[0]
    answer = served(client, row["media_id"])
    assert answer.status_code == 403
    assert "not under the media_roots" in answer.text
    assert client.get(f"/api/pictures/{row['media_id']}/0.jpg").status_code == 403


def test_detections_as_csv_register_no_file_outside_the_roots_either(
    app_state, client, secret, tmp_path
):
    (tmp_path / "d.csv").write_text(
        f"media,pts_s,label,confidence,x1_px,y1_px,x2_px,y2_px\n{secret},0.5,cat,0.9,1,1,9,9\n"
    )
    found = import_detections(
        tmp_path / "d.csv", app_state.store, every_s=0.5, allowed=app_state.config.allowed
    )
    assert not found.refused
    (row,) = app_state.store.all_media()
    assert row["size_bytes"] == 0
    assert served(client, row["media_id"]).status_code == 403


def test_the_page_passes_the_check(app_state, secret, tmp_path, monkeypatch):
    """The page itself, with the same file."""
    monkeypatch.setenv("LAB_STORE", str(app_state.store.folder))
    results(tmp_path, secret)

    def page():
        import os
        from pathlib import Path

        import streamlit as st

        from lab.app.server.state import AppState
        from lab.app.ui.widgets.annotation_files import detections_from_elsewhere
        from lab.config import load_config

        file = type("File", (), {"name": "results.json"})()
        file.getvalue = Path(os.environ["LAB_STORE"]).with_name("results.json").read_bytes
        st.file_uploader = lambda *_, **__: file
        st.button = lambda *_, **__: True
        detections_from_elsewhere(AppState(load_config()))

    monkeypatch.setattr("streamlit.file_uploader", None)
    monkeypatch.setattr("streamlit.button", None)
    shown = AppTest.from_function(page).run(timeout=60)
    assert not shown.exception
    (row,) = app_state.store.all_media()
    assert row["size_bytes"] == 0
    assert row["registered_by"] == "browser"


def test_a_worker_registers_nothing_outside_the_roots(app_state, secret, tmp_path):
    (tmp_path / "root" / "link.mp4").symlink_to(secret)
    for path in (secret, tmp_path / "root" / ".." / "secret.mp4", tmp_path / "root" / "link.mp4"):
        found = probed(app_state, path)
        assert found["state"] == "failed"
        assert "not under the media_roots" in found["error"]
    assert app_state.store.all_media() == []


def test_a_clip_that_became_a_link_out_of_the_root_is_not_served(
    app_state, client, secret, samples, tmp_path
):
    clip = tmp_path / "root" / "clip.mp4"
    shutil.copy(samples / "cat_then_person.mp4", clip)
    media_id = probed(app_state, clip)["media_id"]
    assert served(client, media_id).status_code == 200
    clip.unlink()
    clip.symlink_to(secret)
    assert served(client, media_id).status_code == 403
    with pytest.raises(ForbiddenError, match="media_roots"):
        app_state.want_copy(app_state.media(media_id))
    before = len(app_state.engine.jobs())
    app_state.want_pictures(media_id, str(clip), [1])
    assert len(app_state.engine.jobs()) == before


def test_what_a_user_registered_is_served_and_stays_so_after_a_run_by_the_app(
    app_state, client, secret
):
    media_id = lab.open_store(app_state.store.folder).store.add_media(lab.probe(secret))["media_id"]
    assert served(client, media_id).status_code == 200
    app_state.store.add_media(lab.probe(secret))  # by the app: the same file
    app_state.forget(media_id)
    assert served(client, media_id).status_code == 200


def test_a_browser_cannot_take_a_users_clip_elsewhere(app_state, client, secret, tmp_path):
    media_id = lab.open_store(app_state.store.folder).store.add_media(lab.probe(secret))["media_id"]
    (tmp_path / "other").mkdir()
    secret.rename(tmp_path / "other" / "copy.mp4")
    app_state.store.add_media(lab.probe(tmp_path / "other" / "copy.mp4"))
    assert served(client, media_id).status_code == 403


def test_clips_of_a_store_from_before_need_the_roots(app_state, client, secret):
    media_id = app_state.store.add_media(lab.probe(secret))["media_id"]
    with app_state.store.catalog.transaction() as db:
        db.execute("UPDATE media SET registered_by = NULL")
    assert served(client, media_id).status_code == 403


def test_an_upload_is_served_though_the_store_is_no_media_root(app_state, client, samples):
    content = (samples / "nothing.mp4").read_bytes()
    path = client.put("/api/uploads/nothing.mp4", content=content).json()["path"]
    media_id = probed(app_state, path)["media_id"]
    answer = client.get(f"/api/media/{media_id}/file", headers={"Range": "bytes=0-9"})
    assert (answer.status_code, answer.content) == (206, content[:10])


def test_the_rest_of_the_store_is_no_place_for_clips(app_state, secret):
    (app_state.store.folder / "logs").mkdir(parents=True)
    shutil.copy(secret, app_state.store.folder / "logs" / "clip.mp4")
    assert probed(app_state, app_state.store.folder / "logs" / "clip.mp4")["state"] == "failed"
