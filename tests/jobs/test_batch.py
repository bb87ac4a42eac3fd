"""Batches: what is found, what is done again, what is said, and odd clips."""

import csv
import json
import os
import shutil
import subprocess
import sys
import threading
import time

import pytest

import lab
from lab.app.cli.main import main
from lab.jobs.batch.clips import find_batch
from lab.jobs.batch.result import COLUMNS
from lab.jobs.queue.job_queue import JobQueue
from lab.jobs.queue.queued_job import Stamp
from lab.store.store import Store
from tests.jobs.clips import ODD_NAMES, copy_with

WORDS = ["--detector", "visual", "--every", "2"]
RULE = {"default": {"debounce": {"enter_threshold": 0.1, "enter_frames": 1, "exit_frames": 1}}}


@pytest.fixture
def folder(samples, tmp_path):
    for i, name in enumerate(ODD_NAMES):
        copy_with(samples / "nothing.mp4", tmp_path / "clips" / name, i)
    return tmp_path / "clips"


def told(capsys, *words):
    """The exit code, what is said as JSON, and the lines on standard error."""
    code = main(["batch", *map(str, words), *WORDS, "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else None, said.err


@pytest.mark.long
def test_a_frame_of_runs_and_what_is_there_is_not_computed_again(folder, samples, tmp_path):
    copy_with(samples / "nothing.mp4", folder / "again" / "copy.mp4", 0)  # the first one's content
    seen = []
    rows = lab.batch(
        folder, detector="visual", every_s=2, store=tmp_path / "s", progress=seen.append,
        apply=lab.Rule.from_dict(RULE), workers=2,
    )  # fmt: skip
    assert list(rows.columns) == COLUMNS
    assert rows.state.tolist() == ["done"] * 4
    assert rows.was_there.sum() == 1  # of the two with one content
    assert rows[rows.was_there].reason.str.contains("the same video as").all()
    assert rows.run_id.nunique() == 3
    store = Store(tmp_path / "s")
    assert len(store.runs()) == 3
    assert {row["registered_by"] for row in store.all_media()} == {"user"}
    assert seen[-1].total == 4
    saved = lab.open_store(tmp_path / "s").sightings()
    assert set(saved.run_id) == set(rows.run_id)
    again = lab.batch([folder], detector="visual", every_s=2, store=tmp_path / "s",
                      apply=lab.Rule.from_dict(RULE), progress=False)  # fmt: skip
    assert again.was_there.all()
    assert set(again.run_id) == set(rows.run_id)
    assert len(Store(tmp_path / "s").runs()) == 3


def test_runs_that_are_not_of_the_queue_are_taken_too(folder, tmp_path, capsys):
    store = tmp_path / "s"
    run = lab.analyze(
        folder / ODD_NAMES[0], detector="visual", every_s=2, store=store, progress=False
    )
    code, found, _ = told(capsys, folder / "*", "--store", store)
    assert (code, found["counts"]) == (0, {"done": 2, "already there": 1})
    assert run.run_id in [row["run_id"] for row in found["clips"]]


@pytest.mark.long
def test_one_bad_clip_stops_no_others_and_the_exit_code_tells(folder, tmp_path, capsys):
    (folder / "bad.mp4").write_text("no video\n" * 50)
    with open(os.fsencode(folder) + b"/\xff\xfe.mp4", "wb") as file:
        file.write(b"x")
    places = [folder, folder / "none.mp4", "nothing/*.mp4", "--store", tmp_path / "s"]
    code, found, err = told(capsys, *places)
    assert (code, found["counts"]) == (1, {"done": 3, "failed": 4})
    for words in ("is a text file", "not UTF-8", "no such file", "no file matches this pattern"):
        assert words in err
    assert len(err.strip().splitlines()) == 4
    assert main(["jobs", "list", "--state", "failed", "--store", str(tmp_path / "s")]) == 0
    assert "bad.mp4" in capsys.readouterr().out
    (folder / "bad.mp4").unlink()
    copy_with(folder / ODD_NAMES[0], folder / "bad.mp4", 99)
    code, found, _ = told(capsys, folder / "bad.mp4", "--store", tmp_path / "s")
    assert (code, found["counts"]) == (0, {"done": 1})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name files, folders or patterns"),
        (["x.mp4", "--workers", "0"], "workers must be 1 to 64"),
        (["x.mp4", "--resume"], "name no clips beside it"),
        (["x.mp4", "--address", "head:6379"], "--address goes with --engine ray"),
        (["x.mp4", "--engine", "nobody"], "unknown engine 'nobody'"),
        (["x.mp4", "--logs-to", "ftp://x/y"], "s3://, gs:// or a folder"),
        (["x.mp4", "--apply", "nobody"], "no saved rule or file 'nobody'"),
        (["x.mp4", "--trust"], "--trust goes with --job"),
        (["x.mp4", "--job", "j.yaml"], "a path cannot be combined with --job"),
        (["x.mp4", "--set", "colour=1"], "does not take 'colour'"),
    ],
)
def test_wrong_usage(tmp_path, capsys, words, said):
    code = main(["batch", "--store", str(tmp_path / "s"), "--detector", "visual", *words])
    assert code == 2
    assert said in capsys.readouterr().err


def test_a_detector_object_is_refused(folder, tmp_path):
    with pytest.raises(lab.SettingError, match="give the name of a detector"):
        lab.batch(folder, detector=object(), store=tmp_path / "s")


@pytest.mark.long
def test_a_document_with_its_rules_and_files(folder, tmp_path, capsys):
    (tmp_path / "job.yaml").write_text(
        "version: 1\nsource: {type: file, path: clips}\nsampling: {every_s: 2}\n"
        "analyses: [{name: light, detector: visual, rules: {default: {enter_threshold: 0.1,"
        " enter_frames: 1}}}, {name: moving, detector: motion}]\n"
        "sinks: [{type: store, name: mine}, {type: csv, path: out.csv}]\n"
    )
    words = ["batch", "--job", str(tmp_path / "job.yaml"), "--store", str(tmp_path / "s")]
    for expected in ("3 done", "3 already there"):
        assert main(words) == 0
        assert expected in capsys.readouterr().out
    assert len(Store(tmp_path / "s").runs()) == 6
    saved = lab.open_store(tmp_path / "s").sightings()
    assert "mine: light" in set(saved.rule_name)
    with (tmp_path / "out.csv").open(newline="") as file:
        assert len(list(csv.reader(file))) == 1 + len(saved)


@pytest.mark.long
def test_a_clip_that_grows_is_tried_later_and_its_beginning_is_not_kept(
    folder, samples, tmp_path, capsys
):
    whole = (samples / "nothing.mp4").read_bytes()
    growing = folder / "growing.mp4"
    growing.write_bytes(whole[:60_000])

    def grow():
        for end in range(60_000, len(whole) + 5000, 5000):
            growing.write_bytes(whole[:end])
            time.sleep(0.4)

    thread = threading.Thread(target=grow)
    thread.start()
    code, found, _ = told(capsys, growing, "--store", tmp_path / "s")
    thread.join()
    assert (code, found["counts"]) == (0, {"done": 1})
    (row,) = Store(tmp_path / "s").all_media()
    assert row["size_bytes"] == len(whole)


@pytest.mark.long
def test_pause_priority_cancel_and_retry_by_command(folder, tmp_path, capsys):
    store = ["--store", str(tmp_path / "s")]

    def jobs(*words):
        code = main(
            ["jobs", *words, *store, "--json"] if words == ("list",) else ["jobs", *words, *store]
        )
        out = capsys.readouterr()
        return json.loads(out.out) if words == ("list",) else (code, out.out + out.err)

    assert jobs("list") == {"counts": {}, "jobs": []}
    jobs("pause")
    command = [sys.executable, "-m", "lab", "batch", str(folder), *store, *WORDS, "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    while len(jobs("list")["jobs"]) < 3:
        assert process.poll() is None
        time.sleep(0.05)
    ids = [job["job_id"] for job in jobs("list")["jobs"]]
    assert jobs("priority", str(ids[2]), "--to", "7") == (0, f"priority 7 for {ids[2]}\n")
    assert jobs("list")["jobs"][0]["job_id"] == ids[2]
    assert jobs("cancel", str(ids[0])) == (0, "1 job cancelled\n")
    assert "no job 99" in jobs("cancel", "99")[1]
    assert jobs("cancel")[0] == 2
    assert jobs("list")["paused"]
    jobs("go-on")
    found = json.loads(process.communicate(timeout=300)[0])
    assert process.returncode == 1
    assert found["counts"] == {"done": 2, "cancelled": 1}
    assert jobs("retry", str(ids[0]))[1].startswith("1 job waits again")
    assert main(["batch", "--resume", *store]) == 0
    assert "1 done" in capsys.readouterr().out
    assert main(["batch", "--resume", *store]) == 0
    assert "nothing waits" in capsys.readouterr().out


def test_a_long_list_is_cut_by_its_reader_and_jobs_are_named_by_their_ids(tmp_path, capsys):
    with JobQueue(tmp_path) as queue:
        queue.add("w", {}, [(f"/cards/{i:05}.mp4", Stamp()) for i in range(5000)])
        queue.finish(queue.claim().job_id, "done", total=9)
    command = [sys.executable, "-m", "lab", "jobs", "--all", "--store", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert b"/cards/00000.mp4" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141

    def told(*words):
        code = main(["jobs", *words, "--store", str(tmp_path)])
        said = capsys.readouterr()
        return code, said.out + said.err

    assert told("list", "1", "2") == (
        0,
        "     1  done         /cards/00000.mp4\n     2  waiting      /cards/00001.mp4\n"
        "1 waiting, 1 done\n",
    )
    assert told("list", "1", "9999")[0] == 2
    assert told("list", "--state", "failed") == (0, "no job is in this state\n")
    assert told("cancel", "1") == (0, "0 jobs cancelled: 1 is done\n")
    assert told("priority", "2", "--to", "9" * 20)[0] == 2
    assert len(told("list")[1].splitlines()) == 52


@pytest.mark.parametrize(
    ("works", "says"),
    [
        ([{"by": "app"}], "the app does them while it runs"),
        ([{}], "start them with: lab batch --resume"),
        ([{}, {"by": "app"}], "the app does its own while it runs; start the others with: lab"),
    ],
)
def test_who_retries_is_told_who_does_it(tmp_path, capsys, works, says):
    with JobQueue(tmp_path) as queue:
        for i, what in enumerate(works):
            queue.add(f"w{i}", what, [(f"{i}.mp4", Stamp())])
            queue.finish(queue.claim().job_id, "failed")
    for which in (["--all"], [str(i + 1) for i in range(len(works))]):
        assert main(["jobs", "retry", *which, "--store", str(tmp_path)]) == 0
        assert f"again; {says}" in capsys.readouterr().out
        assert main(["jobs", "cancel", "--all", "--store", str(tmp_path)]) == 0
        capsys.readouterr()


def test_a_folder_without_a_store_is_no_empty_queue(tmp_path, capsys):
    assert main(["jobs", "--store", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out == f"there is no store in {tmp_path / 'none'}\n"


@pytest.mark.long
def test_a_damaged_queue_loses_no_run(folder, tmp_path, capsys):
    assert told(capsys, folder, "--store", tmp_path / "s")[0] == 0
    (tmp_path / "s" / "jobs.sqlite").write_bytes(b"no database" * 1000)
    code, found, err = told(capsys, folder, "--store", tmp_path / "s")
    assert (code, found["counts"]) == (0, {"already there": 3})
    assert "was damaged and is now" in err
    assert len(Store(tmp_path / "s").runs()) == 3


@pytest.mark.long
def test_fifty_thousand_files_are_listed_without_opening_one(tmp_path):
    for i in range(50):
        (tmp_path / str(i)).mkdir()
        for k in range(1000):
            (tmp_path / str(i) / f"{k}.mp4").touch()
    opened = []
    sys.addaudithook(lambda event, args: opened.append(args[0]) if event == "open" else None)
    found = find_batch(tmp_path)
    assert len(found.clips) == 50_000
    assert not [path for path in opened if str(path).endswith(".mp4")]
    shutil.rmtree(tmp_path)


def test_names_that_lead_to_one_file_and_names_alike(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder, target_is_directory=True)
    (folder / "hard.mp4").hardlink_to(folder / ODD_NAMES[0])
    copy_with(folder / ODD_NAMES[0], tmp_path / "other" / ODD_NAMES[0], 7)
    clips = find_batch([folder, folder, tmp_path / "link", tmp_path / "other"]).clips
    assert sorted(os.path.basename(path) for path in clips) == sorted(
        [*ODD_NAMES, "hard.mp4", ODD_NAMES[0]]
    )


def test_the_queue_is_closed_and_leaves_no_owner(folder, tmp_path):
    lab.batch(folder, detector="visual", every_s=2, store=tmp_path / "s", progress=False)
    assert not list((tmp_path / "s" / "batches").iterdir())
    with JobQueue(tmp_path / "s") as queue:
        assert queue.counts()["done"] == 3
