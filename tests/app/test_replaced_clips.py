"""A clip whose file was replaced, or moved, is never shown or analysed as what it was."""

import asyncio
import os
import shutil
import threading
import urllib.error
import urllib.request

import pytest
import uvicorn
from starlette.applications import Starlette

import lab
from lab.app.cli.main import main
from lab.app.server.routes import routes
from lab.app.server.state import AppState
from lab.app.server.thumbnails import Pictures
from lab.app.ui.widgets.clip_address import clip_address
from lab.config import Config
from lab.errors import SourceError
from lab.jobs.worker import _Worker
from lab.runs.relink import relink
from lab.video.browser_copy import make_playable, save_pictures
from lab.video.identity import check_identity, identity_problem


@pytest.fixture
def app_state(tmp_path):
    made = AppState(Config(store=tmp_path / "store", media_roots=(tmp_path,)))
    made.retry_after_s = 0.0
    yield made
    made.close()


@pytest.fixture
def clip(samples, tmp_path):
    (tmp_path / "card").mkdir()
    return shutil.copy(samples / "nothing.mp4", tmp_path / "card" / "clip.mp4")


@pytest.fixture
def media(app_state, clip):
    return app_state.store.add_media(lab.probe(clip))


@pytest.fixture
def replaced(media, clip, samples):
    """As a card that is used again: another file of the same name."""
    shutil.copy(samples / "cat_then_person.mp4", clip)
    return media


@pytest.fixture
def get(app_state):
    """get(path) asks a real server of the app's routes: status and body."""
    config = uvicorn.Config(Starlette(routes=routes(app_state)), port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        thread.join(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]

    def ask(path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    yield ask
    server.should_exit = True
    thread.join(20)


def test_a_replaced_clip_is_neither_played_nor_pictured(app_state, media, clip, samples, get):
    media_id = media["media_id"]
    assert get(f"/api/media/{media_id}/file") == (200, (samples / "nothing.mp4").read_bytes())
    status, early = get(f"/api/pictures/{media_id}/0.jpg")
    assert status == 200
    shutil.copy(samples / "cat_then_person.mp4", clip)
    for path in (f"/api/media/{media_id}/file", f"/api/pictures/{media_id}/1000000.jpg"):
        status, said = get(path)
        assert status == 404
        assert b"is another video now" in said
        assert f"lab media relink {media_id}".encode() in said
    assert get(f"/api/pictures/{media_id}/0.jpg") == (200, early)  # made of the right clip
    address, said = clip_address(app_state, media)
    assert address is None
    assert "is another video now" in said
    shutil.copy(samples / "nothing.mp4", clip)  # put back, with another time
    assert get(f"/api/media/{media_id}/file")[0] == 200
    assert get(f"/api/pictures/{media_id}/1000000.jpg")[0] == 200


def test_a_file_of_the_same_size_is_told_by_its_content(media, clip):
    content = bytearray(clip.read_bytes())
    content[-1] ^= 1
    clip.write_bytes(content)
    assert "another video" in identity_problem(media)
    found = os.stat(clip)
    os.utime(clip, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    content[-1] ^= 1
    clip.write_bytes(content)
    assert identity_problem(media) is None


def test_a_replaced_clip_is_not_analysed_as_the_one_that_was_chosen(app_state, replaced):
    before = app_state.store.runs()
    job = {
        "store": str(app_state.store.folder),
        "media_id": replaced["media_id"],
        "path": replaced["path"],
        "analyses": [{"name": "motion", "detector": {"name": "motion"}, "interval_s": 1.0}],
    }
    with pytest.raises(SourceError, match="is another video now"):
        _Worker().analyze(job, lambda **values: None)
    assert app_state.store.runs() == before


@pytest.mark.parametrize("change", ["replaced", "moved"])
def test_a_run_is_not_resumed_on_another_file(app_state, media, clip, samples, change):
    stop = iter([False] * 3 + [True] * 1000)
    run = lab.analyze(
        clip,
        detector="motion",
        every_s=0.5,
        store=app_state.store,
        progress=False,
        cancelled=lambda: next(stop),
    )
    assert run.state == "cancelled"
    away = clip.rename(clip.with_name("away.mp4"))
    if change == "replaced":
        shutil.copy(samples / "cat_then_person.mp4", clip)
    with pytest.raises(SourceError, match="lab media relink"):
        lab.resume(app_state.store, run.run_id, progress=False)
    relink(app_state.store, media["media_id"], [away])
    assert lab.resume(app_state.store, run.run_id, progress=False).state == "done"


def test_a_clip_that_changes_while_it_is_read_leaves_no_picture_and_no_copy(
    replaced, clip, tmp_path
):
    """As if the check before had passed."""
    with pytest.raises(SourceError, match="is another video now"):
        save_pictures(clip, [0], tmp_path / "pictures", media=replaced)
    with pytest.raises(SourceError, match="is another video now"):
        make_playable(clip, tmp_path / "copy.mp4", media=replaced)
    assert [f for f in tmp_path.rglob("*") if f.suffix == ".jpg" or "copy" in f.name] == []


@pytest.mark.parametrize("where", ["file", "folder", "media_roots"])
def test_a_moved_clip_is_found_again_by_its_content(
    app_state, media, clip, samples, tmp_path, monkeypatch, capsys, where
):
    app_state.store.edit_media(media["media_id"], site="creek")
    new = tmp_path / "archive" / "2026" / "renamed.mp4"
    new.parent.mkdir(parents=True)
    clip.rename(new)
    shutil.copy(samples / "cat_then_person.mp4", clip)  # another one under the old name
    monkeypatch.setenv("LAB_MEDIA_ROOTS", str(tmp_path / "archive"))
    places = {"file": [new], "folder": [tmp_path], "media_roots": []}[where]
    store = ["--store", str(app_state.store.folder)]
    assert main(["media", "relink", media["media_id"], *map(str, places), *store]) == 0
    assert str(new) in capsys.readouterr().out
    row = app_state.store.media(media["media_id"])
    assert (row["path"], row["site"]) == (str(new), "creek")
    check_identity(row)
    assert clip_address(app_state, media)[0] is not None  # the app's row was of before


def test_relinking_takes_no_other_video(app_state, replaced, clip, capsys, tmp_path):
    store = ["--store", str(app_state.store.folder)]
    for place, says in ((clip, "is another video"), (tmp_path, "is not in")):
        assert main(["media", "relink", replaced["media_id"], str(place), *store]) == 1
        assert says in capsys.readouterr().err
    assert main(["media", *store]) == 0
    assert "another file has its name" in capsys.readouterr().out


def test_a_worker_finds_a_clip_for_the_page(app_state, media, clip):
    new = clip.rename(clip.with_name("renamed.mp4"))
    job = app_state.engine.submit(
        "relink",
        "look for it",
        store=str(app_state.store.folder),
        media_id=media["media_id"],
        places=[str(clip.parent)],
    )
    assert job.finished.wait(60)
    assert job.result["path"] == str(new)


def test_a_clip_without_a_frame_is_one_line_everywhere(app_state, encode, tmp_path, get):
    """Its index is whole, but no packet can be decoded."""
    clip = tmp_path / "noise.avi"
    content = bytearray(encode("seconds.avi", "-c:v", "mpeg4", "-t", "1").read_bytes())
    begin, end = content.index(b"movi") + 4, content.index(b"idx1")
    position = begin
    while position + 8 < end:  # every packet's content
        size = int.from_bytes(content[position + 4 : position + 8], "little")
        content[position + 8 : position + 8 + size] = b"\0" * size
        position += 8 + size + size % 2
    clip.write_bytes(content)
    with pytest.raises(SourceError, match=r"noise\.avi has no frame that can be decoded"):
        make_playable(clip, tmp_path / "copy.mp4")
    assert list(tmp_path.glob("copy*")) == []
    media = app_state.store.add_media(lab.probe(clip))
    clip_address(app_state, media)
    assert app_state.engine.jobs()[0].finished.wait(60)
    app_state.retry_after_s = 60.0
    assert "has no frame that can be decoded" in clip_address(app_state, media)[1]
    status, said = get(f"/api/media/{media['media_id']}/file")
    assert status == 404
    assert b"has no frame that can be decoded" in said


def test_pictures_asked_for_in_python_say_it_too(app_state, replaced):
    said = asyncio.run(Pictures(app_state).get(replaced["media_id"], 0))
    assert "is another video now" in said
