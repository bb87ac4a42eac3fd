"""The lab notebook: entries, exports that run, bundles that reproduce, and text that stays text."""

import json
import subprocess
import sys
import zipfile

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import lab
from lab.app.cli.main import main
from lab.experiments.bundle import bundle_of, save_bundle
from lab.experiments.entry import Experiment, save_rule_entry
from lab.experiments.notebook import notebook_of
from lab.experiments.report import report_of
from lab.experiments.reproduce import reproduce
from tests.builders import make_run, scores_of


@pytest.fixture(scope="module")
def study(samples, tmp_path_factory):
    """A run of a sample with truth, and an entry of a saved rule."""
    store = tmp_path_factory.mktemp("study") / "store"
    run = lab.analyze(
        samples / "cat_comes_and_goes.mp4", labels=["cat", "person"], store=store, progress=False
    )
    rows = [
        {"media": run.media["name"], "label": "cat", "start_s": a, "end_s": b}
        for a, b in ((2.0, 6.0), (9.0, 13.4))
    ]
    truth = lab.Truth.coerce(rows, [run])
    run.store.add_records([*truth.annotations, *truth.coverage])
    entry_id = save_rule_entry(run, lab.Rule.coerce(lab.Debounce(enter_threshold=0.3)), "lenient")
    run.store.write_entry(
        entry_id,
        notes="**Bold** <script>alert(1)</script>",
        conclusion="Two visits.",
        tags=["cats"],
        starred=True,
    )
    return Experiment.load(run.store, entry_id)


@pytest.mark.long
def test_runs_and_saved_rules_are_entries_in_time_order(study):
    rows = study.store.entries()
    assert [r["kind"] for r in rows] == ["rule", "run"]
    assert rows[0]["parents"] == [rows[1]["entry_id"]]
    assert rows[1]["title"] == "cat_comes_and_goes.mp4"
    assert (
        rows[0]["figures"]["overall"]["f1"] == lab.evaluate(study.run, rule=study.rule).overall.f1
    )
    with pytest.raises(lab.SettingError, match="no entry"):
        study.store.entry("x")
    with pytest.raises(lab.SettingError, match="has no 'color'"):
        study.store.write_entry(rows[0]["entry_id"], color="red")


@pytest.mark.long
def test_the_notebook_runs_and_says_the_same(study):
    made = nbformat.reads(notebook_of(study), 4)
    NotebookClient(made, timeout=120).execute()
    assert made.cells[-1].source.endswith("Two visits.")
    table = next(c for c in made.cells if "lab.evaluate" in c.source).outputs[-1]["data"][
        "text/plain"
    ]
    assert "cat" in table


@pytest.mark.long
def test_the_report_stands_alone_and_runs_nothing_that_was_written(study):
    page = report_of(study)
    assert "<strong>Bold</strong>" in page
    assert "<script>alert(1)</script>" not in page
    assert "Two visits." in page
    assert study.run.protocol_hash in page
    for address in ('src="http', "src='http", 'href="http'):
        assert address not in page.split("<h2>Scores</h2>")[0]


def test_a_bundle_reproduces_its_sightings_and_scores(study, tmp_path):
    path = tmp_path / "bundle.zip"
    path.write_bytes(bundle_of(study))
    row = reproduce(path, share=0.2)
    assert row["sightings"]["identical"]
    assert row["sightings"]["count"] == 2
    assert row["inference"]["samples"] >= 5
    assert row["inference"]["largest_difference"] <= 1e-3
    assert row["inference"]["flips"] == 0
    facts = json.loads(zipfile.ZipFile(path).read("bundle.json"))
    assert facts["versions"]["lab"] == lab.__version__
    assert facts["versions"]["ffmpeg"]["version"]
    assert len(facts["media"][0]["sha256"]) == 64
    assert len(facts["recipe"]["weights_sha256"]) == 64
    methods = zipfile.ZipFile(path).read("METHODS.md").decode()
    assert study.rule.rule_hash in methods
    assert "one frame every 0.2 s" in methods


def test_a_bundle_that_was_changed_is_found_out(study, tmp_path):
    path, forged = tmp_path / "bundle.zip", tmp_path / "forged.zip"
    path.write_bytes(bundle_of(study))
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(forged, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "sightings.json":
                rows = json.loads(data)
                rows[0]["onset_s"] += 0.2
                data = json.dumps(rows).encode()
            new.writestr(name, data)
    row = reproduce(forged, share=0)
    assert not row["sightings"]["identical"]
    assert row["sightings"]["differences"] == 1
    again = subprocess.run(
        [sys.executable, "-m", "lab", "reproduce", str(forged), "--share", "0"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert again.returncode == 1
    assert "1 differ" in again.stdout


def test_what_is_no_bundle_is_refused(study, tmp_path):
    path = tmp_path / "bundle.zip"
    path.write_bytes(bundle_of(study)[:500])
    for wrong in (path, tmp_path / "missing.zip"):
        with pytest.raises(lab.SettingError, match=r"bundle|cannot be read"):
            reproduce(wrong)
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("hello.txt", "x")
    with pytest.raises(lab.SettingError, match="not a whole methods bundle"):
        reproduce(tmp_path / "other.zip")


def test_a_clip_that_moved_is_named_and_found_again(study, tmp_path, samples):
    facts = json.loads(zipfile.ZipFile(_moved(study, tmp_path)).read("bundle.json"))
    assert facts["media"][0]["path"] == "/gone/cat_comes_and_goes.mp4"
    row = reproduce(tmp_path / "moved.zip")
    assert "--videos" in row["inference"]["skipped"]
    assert row["sightings"]["identical"]
    assert reproduce(tmp_path / "moved.zip", videos=samples)["inference"]["samples"] >= 5


def _moved(study, tmp_path):
    with zipfile.ZipFile(tmp_path / "moved.zip", "w") as new:
        path = tmp_path / "bundle.zip"
        path.write_bytes(bundle_of(study))
        with zipfile.ZipFile(path) as old:
            for name in old.namelist():
                data = old.read(name)
                if name == "bundle.json":
                    facts = json.loads(data)
                    facts["media"][0]["path"] = "/gone/cat_comes_and_goes.mp4"
                    data = json.dumps(facts).encode()
                new.writestr(name, data)
    return tmp_path / "moved.zip"


def bundle(run, rule, folder):
    """The bundle of a rule that was saved for a run, and its methods paragraph."""
    entry_id = save_rule_entry(run, lab.Rule.coerce(rule), "rule")
    path = save_bundle(Experiment.load(run.store, entry_id), folder / "bundle.zip")
    return path, zipfile.ZipFile(path).read("METHODS.md").decode()


def test_the_methods_of_a_rule_say_all_of_it(tmp_path):
    run = make_run(tmp_path, {"otter": scores_of(60, [(10, 20)]), "heron": scores_of(60, [(5, 9)])})
    zone = [[0.1, 0.2], [0.9, 0.2], [0.5, 0.8]]
    rule = {
        "default": {
            "debounce": {"enter_threshold": 0.45, "enter_s": 0.7, "exit_s": 1.3, "merge_gap_s": 2},
            "box_filter": {"exclude": [zone], "max_area_fraction": 0.75},
        },
        "labels": {"otter": {"debounce": {
            "enter_threshold": 0.6, "exit_threshold": 0.35, "enter_frames": 2, "enter_window": 6,
            "exit_frames": 7, "min_duration_s": 0.9, "cooldown_s": 11, "cooldown_from": "end",
        }, "box_filter": {"include": [zone], "min_area_fraction": 0.015}}},
        "only": ["otter", "heron"],
    }  # fmt: skip
    path, methods = bundle(run, rule, tmp_path)
    _, every_other, otter = methods.split("For ")[:1] + methods.split("For ")[-2:]
    for words in (
        "score of 0.45",
        "0.7 s opened",
        "1.3 s closed",
        "2 s apart",
        "(0.9, 0.2)",
        "0.75",
    ):
        assert words in every_other
    for words in ("score of 0.6", "below 0.35", "2 over", "last 6", "7 under", "than 0.9 s",
                  "for 11 s", "from the end", "(0.5, 0.8)", "than 0.015"):  # fmt: skip
        assert words in otter
    assert every_other.startswith("every other label")
    assert otter.startswith("otter")
    assert "only heron, otter" in methods
    assert "3 over" not in every_other, "the count that seconds replace"
    assert reproduce(path, share=0)["sightings"]["identical"]


def test_a_bundle_of_windows_of_frames_takes_seconds_as_its_run_does(samples, tmp_path):
    windows = lab.Analysis(detector="visual", interval_s=2.0, frame_count=4)
    (run,) = lab.analyze_all(
        samples / "cat_then_person.mp4", [windows], store=tmp_path, progress=False
    )
    score = float(np.median(run.log.scores("brightness")))
    rule = {
        "default": {"debounce": {"enter_threshold": score, "enter_s": 2.0, "exit_s": 2.0}},
        "only": ["brightness"],
    }
    found = run.find(rule)
    assert found != run.find(
        lab.Rule.from_dict(rule).changed(enter_s=None, exit_s=None, enter_frames=1, exit_frames=1)
    )
    path, _ = bundle(run, rule, tmp_path)
    row = reproduce(path, share=0)["sightings"]
    assert (row["count"], row["identical"]) == (len(found), True)


def test_an_export_that_cannot_be_written_is_one_line(study, tmp_path, capsys):
    words = [
        "experiments",
        study.entry_id,
        "--store",
        str(study.store.folder),
        "--format",
        "report",
    ]
    assert main([*words, "--out", str(tmp_path / "nowhere" / "report.html")]) == 1
    said = capsys.readouterr().err
    assert "cannot be written: No such file or directory; name a file with --out" in said
    assert said.count("\n") == 1
    assert main([*words, "--out", str(tmp_path / "report.html")]) == 0
    assert "Two visits." in (tmp_path / "report.html").read_text(encoding="utf-8")


EVIL = "![x](https://evil.example/x.png) <img src=https://evil.example/y.png>"


@pytest.fixture
def hostile(study):
    """An entry whose every text asks for a picture of the web."""
    names = ("title", "notes", "conclusion", "tags")
    before = {name: study.row[name] for name in names}
    study.store.write_entry(
        study.row["entry_id"], title=EVIL, notes=EVIL, conclusion=EVIL, tags=[EVIL]
    )
    yield Experiment.load(study.store, study.row["entry_id"])
    study.store.write_entry(study.row["entry_id"], **before)


def test_no_text_makes_the_report_fetch_anything(hostile):
    head, _, rest = report_of(hostile).partition("<h2>Scores</h2>")
    written = head + rest.rpartition("<h2>Sightings")[2]  # without the chart's own script
    assert "default-src 'none'" in head
    assert "&lt;img src=https" in written
    assert "<img src=http" not in written
    assert "<script" not in written


def test_no_text_makes_the_notebook_fetch_anything(hostile):
    for cell in nbformat.reads(notebook_of(hostile), 4).cells:
        if cell.cell_type == "markdown":
            assert "![" not in cell.source
            assert cell.source.count("<img") == cell.source.count("\\<img")
