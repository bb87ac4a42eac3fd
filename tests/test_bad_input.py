"""What cannot work is said in one line, and leaves the store as it was."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import lab
from lab.app.cli.main import main


def nothing_kept(store: Path) -> bool:
    return not store.exists() or not lab.open_store(store).store.runs()


@pytest.fixture
def bad_files(tmp_path, encode):
    folder = tmp_path / "bad"
    folder.mkdir()
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("this is no video\n")
    (folder / "umlaut.mp4").write_text("größer als gedacht\n" * 20)
    (folder / "concat.mp4").write_text(f"ffconcat version 1.0\nfile '{folder / 'secret.mp4'}'\n")
    (folder / "list.mp4").write_text(f"#EXTM3U\n#EXTINF:10,\n{folder / 'secret.mp4'}\n")
    (folder / "noise.mp4").write_bytes(bytes(range(256)) * 64)
    whole = encode("moov_last.mp4", "-pix_fmt", "yuv420p", "-c:v", "libx264")
    (folder / "cut.mp4").write_bytes(whole.read_bytes()[:-20_000])
    subprocess.run(
        [
            "ffmpeg",
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "sine=duration=1",
            str(folder / "sound.mp4"),
        ],
        check=True,
    )
    return folder


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.mp4", "no such file"),
        ("empty.mp4", "empty (0 bytes)"),
        ("text.mp4", "is a text file"),
        ("umlaut.mp4", "is a text file"),
        ("concat.mp4", "is a text file"),
        ("list.mp4", "is a text file"),
        ("noise.mp4", "is not a video"),
        ("cut.mp4", "is cut off"),
        ("sound.mp4", "no video stream, only audio"),
    ],
)
def test_files_that_are_no_video(bad_files, tmp_path, capsys, name, words):
    store = tmp_path / "store"
    path = bad_files / name
    assert main(["analyze", str(path), "--store", str(store)]) == 1
    said = capsys.readouterr()
    assert words in said.err
    assert said.err.count("\n") == 1
    assert said.out == ""
    with pytest.raises(lab.SourceError, match=words.replace("(", r"\(").replace(")", r"\)")):
        lab.analyze(path, store=store, progress=False)
    assert nothing_kept(store)


def test_an_empty_folder_and_a_broken_clip_among_good_ones(bad_files, samples, tmp_path, capsys):
    (tmp_path / "none").mkdir()
    assert main(["analyze", str(tmp_path / "none")]) == 1
    assert "no video in the folder" in capsys.readouterr().err
    both = tmp_path / "both"
    both.mkdir()
    (both / "a.mp4").symlink_to(samples / "nothing.mp4")
    (both / "b.mp4").symlink_to(bad_files / "text.mp4")
    code = main(["analyze", str(both), "--store", str(tmp_path / "s"), "--every", "2", "--json"])
    said = capsys.readouterr()
    assert code == 1
    assert len(json.loads(said.out)) == 1
    assert "is a text file" in said.err


def test_a_playlist_opens_no_other_file(bad_files, encode):
    """The file it names exists and would play; still nothing of it is opened."""
    secret = bad_files / "secret.mp4"
    secret.write_bytes(encode("moov_last.mp4").read_bytes())
    for name in ("concat.mp4", "list.mp4"):
        code = (
            "import sys, lab\n"
            "opened = []\n"
            "sys.addaudithook(lambda e, a: opened.append(str(a[0])) if e == 'open' else None)\n"
            f"try: lab.probe({str(bad_files / name)!r})\n"
            "except lab.SourceError: sys.exit(any('secret' in o for o in opened))\n"
            "sys.exit(2)\n"
        )
        assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_one_frame_only(encode, tmp_path):
    clip = encode("one.mp4", "-frames:v", "1", "-pix_fmt", "yuv420p", "-c:v", "libx264")
    run = lab.analyze(clip, labels=["person"], store=tmp_path, progress=False)
    assert run.summary()["samples"] == 1
    assert run.sightings().empty


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--enter-threshold", "0.01"], "below the run's score floor"),
        (["--enter-threshold", "2"], "in (0, 1]"),
        (["--enter-threshold", "0.3", "--exit-threshold", "0.4"], "at most enter_threshold"),
        (["--enter-frames", "0"], "1 or more"),
        (["--enter-window", "2"], "at least enter_frames"),
        (["--min-duration-s", "-1"], "0 or more"),
        (["--cooldown-from", "noon"], "start or end"),
        (["--only", "dragon"], "has no label 'dragon'"),
        (["--rule", "nobody"], "no saved rule or file 'nobody'"),
    ],
)
def test_rules_that_cannot_be_answered(quick_run, capsys, options, words):
    code = main(["sightings", quick_run.run_id, "--store", str(quick_run.store.folder), *options])
    said = capsys.readouterr()
    assert code == 2
    assert words in said.err
    assert said.err.count("\n") == 1


def test_unknown_label_weights_and_detector(samples, tmp_path, capsys):
    clip = str(samples / "nothing.mp4")
    for options, words in (
        (["--labels", "cta"], "did you mean 'cat'"),
        (["--detector", "yolo12"], "unknown detector 'yolo12'"),
        (["--weights", str(tmp_path / "none.onnx")], "no weights at"),
        (["--every", "-1"], "0 or more"),
    ):
        assert main(["analyze", clip, "--store", str(tmp_path / "s"), *options]) in (1, 2)
        assert words in capsys.readouterr().err
    assert nothing_kept(tmp_path / "s")


@pytest.mark.parametrize(
    "text",
    [
        '{"labels": [1]}',
        '{"only": 5}',
        '{"only": "person"}',
        "[]",
        "5",
        '{"default": {"box_filter": 3}}',
        '{"default": {"box_filter": {"include": 3}}}',
        '{"default": {"debounce": []}}',
        "{",
        '{"defualt": {}}',
    ],
)
def test_rule_files_that_make_no_sense(quick_run, tmp_path, capsys, text):
    file = tmp_path / "rule.json"
    file.write_text(text)
    code = main(
        ["sightings", quick_run.run_id, "--store", str(quick_run.store.folder), "--rule", str(file)]
    )
    said = capsys.readouterr()
    assert code == 2
    assert said.err.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [
        ["--merge-gap-s", "1e15"],
        ["--min-duration-s", "1e300"],
        ["--exit-frames", "9" * 25],
        ["--every", "abc"],
    ],
)
def test_numbers_beyond_reason(quick_run, capsys, options):
    try:
        code = main(
            ["sightings", quick_run.run_id, "--store", str(quick_run.store.folder), *options]
        )
    except SystemExit as stopped:
        code = stopped.code
    assert code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "settings", [{"labels": "person"}, {"labels": [1]}, {"image_size": 640.0}, {"most_boxes": 0}]
)
def test_library_arguments_that_make_no_sense(samples, tmp_path, settings):
    with pytest.raises(lab.SettingError, match="got"):
        lab.analyze(samples / "nothing.mp4", store=tmp_path / "s", progress=False, **settings)
    assert nothing_kept(tmp_path / "s")
