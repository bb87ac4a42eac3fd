"""A folder with files that are no clips: each is one line, the others are analysed and printed."""

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest
import streamlit as st

import lab
from lab.app.server import state as desks
from lab.errors import SettingError, printable
from lab.jobs.document.read import job_of
from lab.jobs.document.run import run_job
from lab.runs.find_clips import find_clips
from lab.store.store import Store
from tests.pages.test_pages import ROOT, show

NOT_UTF8 = b"caf\xe9.mp4"


@pytest.fixture
def folder(samples, tmp_path):
    """Two clips among files of every kind that is none."""
    made = tmp_path / "card"
    made.mkdir()
    shutil.copyfile(samples / "nothing.mp4", made / "a.mp4")
    shutil.copyfile(samples / "nothing.mp4", made / "z.mp4")
    shutil.copyfile(samples / "nothing.mp4", os.fsencode(made) + b"/" + NOT_UTF8)
    os.mkfifo(made / "pipe.mp4")
    (made / "link.mp4").symlink_to(made / "gone.mp4")
    (made / "folder.mp4").mkdir()
    shutil.copyfile(samples / "nothing.mp4", made / "secret.mp4")
    (made / "secret.mp4").chmod(0)
    (made / "empty.mp4").touch()
    return made


# What each line says. Root may read every file, so one of them is another test.
LINES = {
    "caf\\xe9.mp4": "has a name that is not UTF-8",
    "pipe.mp4": "is not a file but a pipe",
    "link.mp4": "is a link that leads nowhere",
    "folder.mp4": "is a folder, though it is named like a video",
    "empty.mp4": "is empty",
}


def run(*words, prefix=()):
    return subprocess.run(
        [*prefix, sys.executable, "-m", "lab", *map(os.fsdecode, words)],
        capture_output=True, cwd=ROOT, check=False, timeout=300,
    )  # fmt: skip


def without_rights():
    """What makes root as restricted as others are, where the system has it."""
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root may read every file, and there is no setpriv")
    return ("setpriv", "--bounding-set", "-dac_override,-dac_read_search")


def test_the_others_are_analysed_and_printed(folder, tmp_path):
    prefix = without_rights()
    done = run(
        "analyze", folder, "--detector", "visual", "--every", "5", "--store", tmp_path / "s",
        prefix=prefix,
    )  # fmt: skip
    said, printed = done.stderr.decode("utf-8"), done.stdout.decode("utf-8")
    assert done.returncode == 1, said
    for name, words in {**LINES, "secret.mp4": "cannot be read: permission denied"}.items():
        (line,) = [line for line in said.splitlines() if name in line]
        assert line.startswith("lab: ")
        assert words in line
    assert len(said.splitlines()) == len(LINES) + 1, said
    rows = printed.splitlines()
    assert len(rows) == 2
    assert "a.mp4" in rows[0]
    assert "z.mp4" in rows[1]
    assert [one["state"] for one in Store(tmp_path / "s").runs()] == ["done", "done"]


def test_json_of_such_a_folder_is_valid(folder, tmp_path):
    (folder / "secret.mp4").unlink()
    done = run(
        "analyze", folder, "--detector", "visual", "--every", "5", "--store", tmp_path / "s",
        "--json",
    )  # fmt: skip
    assert done.returncode == 1
    assert len(json.loads(done.stdout.decode("utf-8"))) == 2
    assert "caf\\xe9.mp4" in done.stderr.decode("utf-8")


def test_a_file_that_is_no_clip_is_one_line_by_itself(folder, tmp_path):
    done = run("analyze", os.fsencode(folder) + b"/" + NOT_UTF8, "--store", tmp_path / "s")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode("utf-8").count("\n") == 1
    assert "caf\\xe9.mp4 has a name that is not UTF-8" in done.stderr.decode("utf-8")


def test_a_folder_that_cannot_be_listed_is_one_line(folder, tmp_path):
    prefix = without_rights()
    (folder / "locked").mkdir(mode=0)
    done = run("analyze", folder, "--detector", "visual", "--every", "5", "--store",
               tmp_path / "s", prefix=prefix)  # fmt: skip
    assert done.returncode == 1
    assert b"locked cannot be listed: Permission denied" in done.stderr
    assert len(done.stdout.splitlines()) == 2


def test_what_was_done_before_a_wrong_setting_is_printed(samples, tmp_path, capsys, monkeypatch):
    from lab.app.cli.main import main
    from lab.runs import analyze_each as module

    opening = module.opening

    def fail_later(clip):
        if clip.name == "nothing.mp4":
            raise SettingError("no such setting")
        return opening(clip)

    monkeypatch.setattr(module, "opening", fail_later)
    clips = [str(samples / name) for name in ("cat_then_person.mp4", "nothing.mp4")]
    words = ["--detector", "visual", "--every", "5", "--store", str(tmp_path), "--json"]
    assert main(["analyze", *clips, *words]) == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["media"] == clips[0]
    assert "no such setting" in said.err


def test_a_job_goes_on_after_such_files(folder, tmp_path):
    (folder / "secret.mp4").unlink()
    document = {
        "version": 1,
        "source": {"type": "file", "path": str(folder)},
        "sampling": {"every_s": 5},
        "analyses": [{"detector": "visual"}],
    }
    found = run_job(job_of(document), tmp_path / "s", progress=False)
    assert len(found.runs) == 2
    for name, words in LINES.items():
        assert [f for f in found.failures if name in f and words in f], name


@pytest.mark.parametrize("kind", ["detections", "megadetector"])
def test_an_import_goes_on_after_such_names(folder, tmp_path, kind):
    (folder / "secret.mp4").unlink()
    names = ["a.mp4", os.fsdecode(NOT_UTF8), "pipe.mp4", "empty.mp4", "z.mp4"]
    if kind == "detections":
        rows = [f"{name},0.0,cat,0.9,1,1,9,9\n" for name in names if name.isascii()]
        file = tmp_path / "found.csv"
        file.write_text("media,pts_s,label,confidence,x1_px,y1_px,x2_px,y2_px\n" + "".join(rows))
    else:
        found = {"category": "1", "conf": 0.9, "bbox": [0.1, 0.1, 0.2, 0.2], "frame_number": 0}
        file = tmp_path / "found.json"
        file.write_text(json.dumps({
            "info": {"format_version": "1.4", "detector": "x"},
            "detection_categories": {"1": "cat"},
            "images": [
                {"file": n, "frames_processed": [0, 1], "frame_rate": 10, "detections": [found]}
                for n in names
            ],
        }))  # fmt: skip
    every = ["--every", "5"] if kind == "detections" else []
    done = run(
        "import", kind, file, "--videos", folder, "--store", tmp_path / "s", "--json", *every
    )
    said = done.stderr.decode("utf-8")
    assert done.returncode == 1, said
    assert "Traceback" not in said
    imported = json.loads(done.stdout.decode("utf-8"))
    done_names = {os.path.basename(one["media"]) for one in imported["runs"]}
    # The first and the last have the same content: one clip, which has the name it had last.
    assert "z.mp4" in done_names
    assert len(imported["runs"]) >= 3
    if kind == "megadetector":
        assert "caf\\xe9.mp4" in said


def test_the_page_lists_the_others_and_names_these(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("LAB_STORE", str(tmp_path / "s"))
    monkeypatch.setenv("LAB_MEDIA_ROOTS", str(tmp_path))
    desks.app_state.cache_clear()
    st.cache_data.clear()
    try:
        page = show("library")
        page.session_state["browser_folder"] = str(folder)
        next(b for b in page.button if b.label == "Choose a folder").click().run()
        assert not page.exception
        names = set(page.dataframe[0].value["Clip"])
        assert {"a.mp4", "z.mp4"} <= names
        assert "pipe.mp4" not in names
        said = page.warning[0].value.replace("\\", "")
        assert "cafxe9.mp4" in said
        assert "is a link that leads nowhere" in said
    finally:
        desks.app_state().close()
        desks.app_state.cache_clear()


def test_names_are_printed_in_one_line_of_utf8():
    assert printable(os.fsdecode(NOT_UTF8)) == "caf\\xe9.mp4"
    assert printable("a\nb\x1b.mp4") == "a\\nb\\x1b.mp4"
    assert printable("näme 🐈.mp4") == "näme 🐈.mp4"


def test_a_socket_is_no_clip_and_a_missing_file_is_found_out_when_it_is_opened(tmp_path):
    with socket.socket(socket.AF_UNIX) as made:
        os.chdir(tmp_path)
        try:
            made.bind("s.mp4")
        finally:
            os.chdir(ROOT)
    found = find_clips([tmp_path, tmp_path / "gone.mp4"])
    assert found.clips == [tmp_path / "gone.mp4"]
    assert "a socket" in found.refused[0]
    with pytest.raises(lab.SourceError, match="no such file"):
        lab.analyze(found.clips[0], store=tmp_path / "s", progress=False)
