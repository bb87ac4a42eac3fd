"""What kills and closed pages leave behind is removed after a day, with a word; nothing else is."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

import lab
from lab.app.cli.doctor import examine_store
from lab.runs.leftovers import remove_leftovers
from lab.store.store import Store

TWO_DAYS_S = 2 * 86_400


def age(*files):
    for file in files:
        then = time.time() - TWO_DAYS_S
        os.utime(file, (then, then))


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_MODELS", str(tmp_path / "models"))
    (tmp_path / "models").mkdir()
    return Store(tmp_path / "store")


def put(path, content=b"x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def rubbish(store, tmp_path):
    return [
        put(store.uploads_folder / "0a1b2c3d" / "half.mp4.part"),
        put(store.uploads_folder / "1a1b2c3d" / "unreported.mp4", b"never probed"),
        put(store.uploads_folder / "2a1b2c3d" / "empty.mp4", b""),
        put(store.folder / "playable" / "00ff.part4711.mp4"),
        put(store.folder / "pictures" / "00ff" / "40000.part4711"),
        put(store.folder / ".0123456789abcdef.part"),
        put(tmp_path / "models" / "yolo26n.pt.part"),
    ]


def test_only_what_is_older_than_a_day_goes(store, rubbish, tmp_path):
    age(*rubbish[:-2])
    lines = remove_leftovers(store, tmp_path / "models")
    assert [file.exists() for file in rubbish] == [False] * 5 + [True] * 2
    assert len(lines) == 5
    assert all(str(file) in text for file, text in zip(sorted(rubbish[:5]), sorted(lines)))
    assert any("no page reported" in line for line in lines)
    assert not (store.uploads_folder / "1a1b2c3d").exists()
    assert remove_leftovers(store, tmp_path / "models") == []


@pytest.mark.parametrize("is_moved", [False, True])
def test_clips_of_the_store_stay(store, samples, tmp_path, is_moved):
    """Also one whose name looks unfinished, and where the store lies elsewhere now."""
    kept = [
        put(store.uploads_folder / f"{i}a1b2c3d" / name, (samples / clip).read_bytes())
        for i, (name, clip) in enumerate(
            (("a.part1.mp4", "nothing.mp4"), ("b.mp4", "cat_then_person.mp4"))
        )
    ]
    for file in kept:
        store.add_media(lab.probe(file))
    if is_moved:
        store = Store(shutil.move(store.folder, tmp_path / "elsewhere"))
        kept = [store.uploads_folder / file.parent.name / file.name for file in kept]
        kept[1] = kept[1].rename(kept[1].with_name("renamed.mp4"))
    age(*kept)
    assert remove_leftovers(store) == []
    assert all(file.exists() for file in kept)


def test_the_doctor_and_the_start_of_the_app_say_what_they_removed(store, rubbish, caplog):
    from lab.app.server import state
    from lab.app.server.beside import _clean_up

    store.save_rule("x", lab.Rule())
    age(rubbish[0])
    removed = examine_store(store)["removed"]
    assert len(removed) == 1
    assert "half.mp4.part (an unfinished upload" in removed[0]
    age(*rubbish[1:])
    patch = pytest.MonkeyPatch()
    patch.setenv("LAB_STORE", str(store.folder))
    state.app_state.cache_clear()
    try:
        _clean_up(state.app_state())
        assert len(caplog.messages) == 6
        assert not any(file.exists() for file in rubbish)
    finally:
        state.app_state().close()
        state.app_state.cache_clear()
        patch.undo()


def test_a_killed_copy_is_found(store, samples):
    """A real worker, killed while it writes a copy for the browser."""
    media = store.add_media(lab.probe(samples / "cat_then_person.mp4"))
    out = store.playable_file(media["media_id"])
    program = "import sys; from pathlib import Path; from lab.video.browser_copy import *; " \
        "make_playable(sys.argv[1], Path(sys.argv[2]))"  # fmt: skip
    command = [sys.executable, "-c", program, media["path"], str(out)]
    with subprocess.Popen(command) as worker:
        while not (parts := list(out.parent.glob("*.part*"))) and worker.poll() is None:
            time.sleep(0.001)
        worker.send_signal(signal.SIGKILL)
    assert worker.returncode == -signal.SIGKILL
    (part,) = parts
    assert remove_leftovers(store) == []
    age(part)
    assert len(remove_leftovers(store)) == 1
    assert list(out.parent.iterdir()) == []
