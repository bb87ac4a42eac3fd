"""`lab media`: the clips of a store; their site, start and clock."""

import json
from datetime import datetime

import pytest

import lab
from lab.app.cli.main import main
from lab.store.store import Store
from lab.store.tables import sighting_rows
from tests.builders import make_run, scores_of


@pytest.fixture
def store(samples, tmp_path):
    made = Store(tmp_path / "store")
    for name in ("nothing.mp4", "cat_then_person.mp4"):
        made.add_media(lab.probe(samples / name), relative_path=f"card/{name}")
    return made


@pytest.fixture
def ask(store, capsys):
    """The command in this process: its code, and what it said on both streams."""

    def call(*words):
        code = main(["media", *map(str, words), "--store", str(store.folder)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_clips_are_listed_with_what_is_known_of_them(store, ask):
    code, out, _ = ask("--json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    assert set(rows) == {"nothing.mp4", "cat_then_person.mp4"}
    row = rows["nothing.mp4"]
    assert (row["site"], row["start"], row["clock_correction_s"]) == (None, None, 0.0)
    assert row["duration_s"] == pytest.approx(8.0, abs=0.2)
    assert row["is_present"]
    assert "site unknown" in ask("list")[1]


@pytest.mark.parametrize("name", ["nothing.mp4", "card/nothing.mp4", "ID", "PATH"])
def test_a_clip_gets_its_site_start_and_clock(store, ask, samples, name):
    media = next(m for m in store.all_media() if m["name"] == "nothing.mp4")
    clip = {"ID": media["media_id"], "PATH": samples / "nothing.mp4"}.get(name, name)
    code, out, err = ask(
        "set", clip, "--site", "creek", "--start", "2026-05-01T06:00:00+02:00",
        "--clock-correction-s", "-3.5", "--json",
    )  # fmt: skip
    assert code == 0, err
    row = json.loads(out)
    assert (row["site"], row["start"]) == ("creek", "2026-05-01T06:00:00+02:00")
    assert (row["clock_correction_s"], row["start_source"]) == (-3.5, "entered")
    kept = store.media(media["media_id"])
    assert kept["start_utc"] == datetime(2026, 5, 1, 4)
    assert kept["utc_offset_s"] == 7200
    other = next(m for m in store.all_media() if m["name"] != "nothing.mp4")
    assert (other["site"], other["start_utc"]) == (None, None)


def test_one_value_leaves_the_others_and_an_empty_one_forgets(store, ask):
    ask("set", "nothing.mp4", "--site", "creek", "--start", "2026-05-01T06:00:00Z")
    ask("set", "nothing.mp4", "--site", "")
    row = next(r for r in json.loads(ask("--json")[1]) if r["name"] == "nothing.mp4")
    assert (row["site"], row["start"]) == (None, "2026-05-01T06:00:00+00:00")
    ask("set", "nothing.mp4", "--start", "")
    row = next(r for r in json.loads(ask("--json")[1]) if r["name"] == "nothing.mp4")
    assert (row["start"], row["start_source"]) == (None, None)


def test_start_and_clock_are_in_the_exported_times(tmp_path):
    run = make_run(tmp_path, scores_of(60, [(10, 20)]), every_s=1.0)
    words = ["media", "set", run.media["media_id"], "--store", str(run.store.folder)]
    assert (
        main([*words, "--start", "2026-05-01T06:00:00+02:00", "--clock-correction-s", "1.5"]) == 0
    )
    run.save_sightings(lab.Debounce(enter_threshold=0.5, enter_frames=1))
    assert sighting_rows(run.store)[0]["onset_utc"] == "2026-05-01T04:00:11.500000Z"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["set", "nothin.mp4", "--site", "x"], "no clip is called 'nothin.mp4' here; known:"),
        (["set"], "no clip named"),
        (["set", "nothing.mp4"], "nothing to set"),
        (["set", "nothing.mp4", "--start", "yesterday"], "--start must be like 2026-05-01T06"),
        (["set", "nothing.mp4", "--start", "2026-05-01T06:00:00"], "must have a UTC offset"),
        (["set", "nothing.mp4", "--clock-correction-s", "nan"], "within 3155760000 seconds"),
        (["list", "nothing.mp4"], "lab media set CLIP"),
    ],
)
def test_errors_are_one_line_with_the_way_out(ask, words, says):
    code, out, err = ask(*words)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.strip().splitlines()) == 1


def test_two_clips_of_one_name_are_told_apart_by_id(store, ask, samples, tmp_path):
    (tmp_path / "other").mkdir()
    copy = tmp_path / "other" / "nothing.mp4"
    copy.write_bytes((samples / "nothing.mp4").read_bytes() + b"\0" * 9)
    media_id = store.add_media(lab.probe(copy))["media_id"]
    code, _, err = ask("set", "nothing.mp4", "--site", "x")
    assert code == 2
    assert "2 clips are called 'nothing.mp4'; give an id" in err
    assert media_id in err


def test_what_goes_with_a_clip_is_said_before_it_is_removed(tmp_path, capsys):
    run = make_run(tmp_path, scores_of(60, [(10, 20)]), every_s=1.0)
    run.save_sightings(lab.Debounce(enter_threshold=0.5, enter_frames=1))
    words = ["media", "remove", run.media["media_id"], "--store", str(run.store.folder)]
    assert main(words) == 0
    said = capsys.readouterr()
    assert "1 clip would be removed, and with it 1 run, 1 sighting; no video file is" in said.out
    assert "add --yes" in said.err
    assert run.store.count_media() == 1
    assert main([*words, "--yes", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["is_removed"]
    assert report["goes"] == {"runs": 1, "sightings": 1, "annotations": 0, "entries": 0}
    assert [clip["media_id"] for clip in report["clips"]] == [run.media["media_id"]]
    assert run.store.count_media() == run.store.count_runs() == 0


def test_several_clips_are_removed_at_once_or_none(store, ask):
    code, _, err = ask("remove", "nothing.mp4", "nothin.mp4", "--yes")
    assert (code, store.count_media()) == (2, 2)
    assert "no clip is called 'nothin.mp4'" in err
    code, out, _ = ask("remove", "nothing.mp4", "cat_then_person.mp4", "--yes")
    assert code == 0
    assert "2 clips removed; no video file is deleted" in out
    assert store.count_media() == 0
    assert ask("remove")[0] == 2
