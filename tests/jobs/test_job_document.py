"""Documents of whole analyses: read, checked, run, written."""

import contextlib
import csv
import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

import lab
from lab.app.cli.main import main
from lab.errors import SettingError, SourceError
from lab.jobs.document.export import document_of, text_of
from lab.jobs.document.read import job_of, read_job
from lab.jobs.document.rules import rule_of, shorthand
from lab.jobs.document.run import run_job
from lab.jobs.document.schema import schema
from lab.jobs.document.text import MAX_BYTES, plain_values
from lab.runs.analyze import Analysis, analyze_all
from lab.store.store import Store
from tests.builders import make_detections

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "guide" / "jobs.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.*?)```", GUIDE, re.S)


def ask(*words):
    """The command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([*map(str, words)])
        except SystemExit as stopped:
            code = stopped.code
    return SimpleNamespace(returncode=code, stdout=out.getvalue(), stderr=err.getvalue())


def job(path="clip.mp4", **changes):
    """A small document that is right, and whatever is changed in it."""
    whole = {
        "version": 1,
        "source": {"type": "file", "path": str(path)},
        "analyses": [
            {"name": "light", "detector": "visual", "settings": {"labels": ["brightness"]}}
        ],
    }
    return {**whole, **changes}


def analysis(**changes):
    return job(analyses=[{"detector": "visual", **changes}])


@pytest.fixture(scope="module")
def evening(samples, tmp_path_factory):
    """The runs of a document with two analyses, done by the command line."""
    folder = tmp_path_factory.mktemp("evening")
    document = job(
        samples / "cat_then_person.mp4",
        sampling={"every_s": 0.5},
        analyses=[
            {
                "name": "objects",
                "detector": "yolo",
                "settings": {"labels": ["cat", "person"]},
                "gate": {"kind": "motion", "hold_samples": 4},
                "rules": {
                    "default": {"confidence_threshold": 0.4, "enter_frames": 2},
                    "only": ["cat"],
                },
            },
            {
                "name": "moving",
                "detector": "motion",
                "interval_s": 0.2,
                "settings": {"warm_up_samples": 5},
            },
        ],
        sinks=[
            {"type": "store", "name": "evening rule"},
            {"type": "csv", "path": "out/a/sightings.csv"},
            {"type": "json", "path": "out/sightings.json"},
            {"type": "console"},
        ],
        store="kept",
    )
    (folder / "evening.yaml").write_text(yaml.safe_dump(document))
    return folder, ask("analyze", "--job", folder / "evening.yaml")


@pytest.mark.long
def test_a_document_with_two_analyses_runs_and_fills_every_sink(evening):
    folder, done = evening
    assert done.returncode == 0, done.stderr
    store = Store(folder / "kept")
    runs = {row["environment"]["analysis"]: row for row in store.runs()}
    assert sorted(runs) == ["moving", "objects"]
    assert (runs["objects"]["recipe"]["every_s"], runs["moving"]["recipe"]["every_s"]) == (0.5, 0.2)
    assert runs["objects"]["recipe"]["gate"]["hold_samples"] == 4
    rows = list(csv.DictReader((folder / "out/a/sightings.csv").open()))
    assert {(row["analysis"], row["label"]) for row in rows} == {
        ("objects", "cat"),
        ("moving", "motion"),
    }
    (cat,) = [row for row in rows if row["label"] == "cat"]
    assert float(cat["onset_s"]) == pytest.approx(2.0, abs=0.6)
    written = json.loads((folder / "out/sightings.json").read_text())
    assert [row["onset_s"] for row in written] == [float(row["onset_s"]) for row in rows]
    assert len(store.sightings()) == len(rows)
    assert {row["name"] for row in store.rules()} == {
        "evening rule: objects",
        "evening rule: moving",
    }
    assert re.search(r"cat_then_person.mp4 +objects +cat +2\.\d\d", done.stdout)


def test_an_exported_document_gives_the_same_recipes_and_sightings(evening, tmp_path):
    folder, _ = evening
    store = Store(folder / "kept")
    rules = {row["name"].removeprefix("evening rule: "): row["rule"] for row in store.rules()}
    runs = sorted(
        lab.Run.many(store, [row["run_id"] for row in store.runs()]), key=lambda run: run.analysis
    )
    text = text_of(document_of(runs, rules))
    again = run_job(job_of(plain_values(text)), tmp_path / "again", progress=False)
    assert [run.recipe_hash for run in again.runs] == [run.recipe_hash for run in runs]
    assert [run.find(again.rules[run.analysis]) for run in again.runs] == [
        run.find(rules[run.analysis]) for run in runs
    ]
    assert again.rules == rules
    assert again.sightings
    assert "interval_s: 0.5" in text
    assert "frame_count" not in text


def test_the_command_exports_what_the_command_runs(evening, tmp_path):
    folder, _ = evening
    ids = [row["run_id"] for row in Store(folder / "kept").runs()]
    for format in ("yaml", "json"):
        done = ask("job", "export", *ids, "--format", format, "--store", folder / "kept")
        assert done.returncode == 0, done.stderr
        file = tmp_path / f"again.{format}"
        file.write_text(done.stdout)
        assert ask("job", "check", file).returncode == 0
    done = ask("analyze", "--job", file, "--store", folder / "kept", "--reuse", "--json")
    found = json.loads(done.stdout)
    assert {row["run_id"] for row in found["runs"]} == set(ids)


def test_the_rules_of_a_document_are_exported_by_the_name_it_gave_them(evening):
    folder, _ = evening
    ids = [row["run_id"] for row in Store(folder / "kept").runs()]
    done = ask("job", "export", *ids, "--rule", "evening rule", "--store", folder / "kept")
    assert done.returncode == 0, done.stderr
    rules = {one["name"]: one["rules"] for one in yaml.safe_load(done.stdout)["analyses"]}
    assert rules["objects"]["only"] == ["cat"]
    assert rules["objects"]["default"]["enter_frames"] == 2
    assert "only" not in rules["moving"]


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.0e-3", "0.001"])
def test_numbers_of_yaml_are_those_of_json(text):
    assert plain_values(f"a: {text}\nb: [1e3, 12e, e3, '1e3']") == {
        "a": 0.001,
        "b": [1000.0, "12e", "e3", "1e3"],
    }


def test_runs_of_a_rhythm_and_of_other_weights_are_exported_with_them(samples, tmp_path):
    weights = Path(lab.make_detector("yolo").weights_path)
    given = tmp_path / "own.onnx"
    given.write_bytes(weights.read_bytes())
    several = [
        Analysis(
            detector="yolo",
            name="own",
            settings={"weights": str(given), "labels": ["cat"]},
            interval_s=2.0,
        ),
        Analysis(detector="visual", name="each", interval_s=1.0, frame_step=3),
    ]
    runs = analyze_all(samples / "nothing.mp4", several, store=tmp_path / "a", progress=False)
    document = document_of(runs)
    assert document["analyses"][0]["settings"]["weights"] == str(given)
    assert document["analyses"][1]["frame_step"] == 3
    again = run_job(document, tmp_path / "b", progress=False)
    assert [run.recipe_hash for run in again.runs] == [run.recipe_hash for run in runs]


def test_runs_that_are_not_of_one_pass_are_not_one_document(samples, tmp_path):
    runs = [
        lab.analyze(
            samples / "nothing.mp4", detector="visual", every_s=e, store=tmp_path, progress=False
        )
        for e in (2, 3)
    ]
    with pytest.raises(SettingError, match="not of one pass"):
        document_of(runs)
    assert document_of(runs[0])["sampling"] == {"every_s": 2.0}
    with pytest.raises(SettingError, match="no label 'zebra'"):
        document_of(runs[0], lab.Rule(only=("zebra",)))


def test_a_broken_clip_among_good_ones_does_not_stop_them(samples, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    document = job(
        source={
            "type": "file",
            "paths": [str(tmp_path / "broken.mp4"), str(samples / "nothing.mp4")],
        },
        sampling={"every_s": 1},
        store="kept",
    )
    (tmp_path / "job.json").write_text(json.dumps(document))
    done = ask("analyze", "--job", tmp_path / "job.json", "--json")
    assert done.returncode == 1
    assert "broken.mp4" in done.stderr
    found = json.loads(done.stdout)
    assert [row["media"] for row in found["runs"]] == [str(samples / "nothing.mp4")]
    assert len(found["failures"]) == 1


class Counting:
    """A plugin whose score grows with each frame that it has seen; it declares no labels."""

    is_stateful = True

    def __init__(self):
        self.seen = 0

    def detect(self, frames):
        self.seen += len(frames)
        return [make_detections(("x", min(1.0, self.seen / 100), (0, 0, 5, 5))) for _ in frames]


class Broken:
    labels = ("x",)

    def detect(self, frames):
        raise RuntimeError("no wire")


@pytest.fixture
def plugins(monkeypatch):
    """Plugins of this file, by the name of detector `python`."""
    monkeypatch.setitem(sys.modules, "tests.jobs.test_job_document", sys.modules[__name__])
    return lambda which, **more: {
        "detector": "python",
        "settings": {"target": f"tests.jobs.test_job_document:{which}"},
        **more,
    }


def test_what_a_detector_learned_of_one_clip_is_not_in_the_next(samples, tmp_path, plugins):
    paths = [str(samples / name) for name in ("cat_then_person.mp4", "nothing.mp4")]
    document = job(
        source={"type": "file", "paths": paths},
        sampling={"every_s": 1},
        analyses=[plugins("Counting")],
    )
    for run in run_job(document, tmp_path, progress=False, trust=True).runs:
        assert run.log.scores("x")[:2].tolist() == pytest.approx([0.0, 0.0])  # below the floor
        assert run.log.scores("x").max() == pytest.approx(len(run.log.pts_us) / 100)


def test_a_label_that_never_came_up_is_no_error_where_any_may_come(samples, tmp_path, plugins):
    rules = {
        "default": {"confidence_threshold": 0.05},
        "only": ["x", "y"],
        "labels": {"z": {"enter_frames": 1}},
    }
    document = job(samples / "cat_then_person.mp4", analyses=[plugins("Counting", rules=rules)])
    found = run_job(document, tmp_path, progress=False, trust=True)
    assert {row["label"] for row in found.sightings} == {"x"}


def test_an_analysis_that_fails_does_not_stop_the_others(samples, tmp_path, plugins):
    document = job(
        samples / "nothing.mp4",
        sampling={"every_s": 1},
        store="kept",
        analyses=[
            plugins("Broken", name="wired"),
            {
                "detector": "visual",
                "settings": {"labels": ["brightness"]},
                "rules": {"default": {"confidence_threshold": 0.1}},
            },
        ],
    )
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(document))
    done = ask("analyze", "--job", tmp_path / "job.yaml", "--json", "--trust")
    assert done.returncode == 1
    assert "wired failed" in done.stderr
    assert "no wire" in done.stderr
    assert {row["analysis"] for row in json.loads(done.stdout)["sightings"]} == {"visual"}


def test_the_store_of_the_command_line_wins(samples, tmp_path):
    (tmp_path / "job.yaml").write_text(
        yaml.safe_dump(job(samples / "nothing.mp4", sampling={"every_s": 2}, store="a"))
    )
    assert ask("analyze", "--job", tmp_path / "job.yaml", "--store", tmp_path / "b").returncode == 0
    assert len(Store(tmp_path / "b").runs()) == 1
    assert not (tmp_path / "a").exists()


def test_a_source_is_files_folders_and_patterns_beside_the_document(tmp_path):
    for name in ("a/1.mp4", "a/deep/2.mkv", "b/3.mp4", "b/4.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    paths = ["a", "b/*.mp4", "a/1.mp4", "gone.mp4"]
    clips = job_of(job(source={"type": "file", "paths": paths}), folder=tmp_path).clips()
    assert [str(c.relative_to(tmp_path)) for c in clips] == [
        "a/1.mp4",
        "a/deep/2.mkv",
        "b/3.mp4",
        "gone.mp4",
    ]
    with pytest.raises(SourceError, match=r"no file matches .*\*\.avi"):
        job_of(job("*.avi"), folder=tmp_path).clips()


def test_a_threshold_that_is_not_given_is_the_detectors(samples, tmp_path):
    document = job(
        samples / "nothing.mp4",
        analyses=[{"detector": "motion", "rules": {"default": {"enter_frames": 2}}}],
    )
    found = run_job(document, tmp_path, progress=False)
    assert found.rules["motion"].default.debounce == lab.Debounce(
        enter_threshold=0.005, enter_frames=2
    )


@pytest.mark.parametrize(
    "rule",
    [
        lab.Rule(),
        lab.Rule(only=("a", "b")),
        lab.Rule(
            default=lab.LabelRule(
                debounce=lab.Debounce(enter_s=2.0, enter_window=3, exit_threshold=0.2)
            )
        ),
        lab.Rule(
            default=lab.LabelRule(
                debounce=lab.Debounce(enter_s=2.0, exit_s=1.5, cooldown_from="end")
            )
        ),
        lab.Rule(
            labels={
                "a": lab.LabelRule(box_filter=lab.BoxFilter(include=(((0, 0), (1, 0), (1, 1)),))),
                "b": lab.LabelRule(
                    debounce=lab.Debounce(enter_frames=2, enter_window=4, min_duration_s=1.0)
                ),
            }
        ),
    ],
)
def test_the_short_form_of_a_rule_is_the_rule(rule):
    assert rule_of(plain_values(text_of(shorthand(rule))), 0.9) == rule
    assert rule_of(rule.to_dict(), 0.9) == rule


def test_the_schema_is_valid_and_printed():
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(schema())
    done = ask("job", "schema")
    assert json.loads(done.stdout) == schema()


@pytest.mark.parametrize("text", EXAMPLES)
def test_the_documented_examples_are_right(text, monkeypatch):
    monkeypatch.setenv("FOOTAGE", "/footage")
    monkeypatch.setenv("RESULTS", "/results")
    job_of(plain_values(text), expand="${" in text)


def test_the_first_documented_example_runs(tmp_path):
    out = io.StringIO()
    found = run_job(
        job_of(plain_values(EXAMPLES[0]), folder=ROOT), tmp_path, progress=False, console=out
    )
    assert {row["label"] for row in found.sightings} == {"cat", "person", "motion"}
    assert out.getvalue().count("cat_then_person.mp4") == len(found.sightings)


BOX = {"box_filter": {"min_area_fraction": 0.5, "max_area_fraction": 0.1}}


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (job(version=2), "version: expected 1, got 2"),
        (job(version="1", extra=1), 'version: expected 1, got "1"'),
        (
            {"version": 1, "analyses": [{"detector": "visual"}]},
            "the document: the key 'source' is missing",
        ),
        (job(sink=[]), "the document: unknown key 'sink'; known: .*sinks"),
        (
            job(source={"type": "rtsp", "url": "rtsp://a"}),
            "source.type: only sources of type 'file' exist so far, got \"rtsp\"",
        ),
        (job(source={"type": "file"}), "source: expected one of path and paths, got neither"),
        (job(source={"type": "file", "path": "a", "paths": ["b"]}), "got both"),
        (job(source={"type": "file", "paths": []}), "source.paths: expected 1 or more items"),
        (job(source={"type": "file", "path": " "}), "source.path: expected text that is not blank"),
        (job(analyses=[]), r"analyses: expected 1 or more items, got \[\]"),
        (
            job(analyses=[{"detector": "visual"}, {"detector": "visual", "interval_s": "often"}]),
            r'analyses\[1\].interval_s: expected a number, got "often"',
        ),
        (
            analysis(interval_s=-1),
            r"analyses\[0\].interval_s: expected a number of 0 or more, got -1",
        ),
        (analysis(interval=1), r"analyses\[0\]: unknown key 'interval'; known: .*interval_s"),
        (analysis(frame_count=1.5), r"frame_count: expected a whole number, got 1.5"),
        (analysis(name="x" * 101), r"name: expected text of 100 characters or fewer"),
        (analysis(gate="motoin"), r'analyses\[0\].gate: expected "motion" or null, got "motoin"'),
        (
            analysis(gate={"kind": "motion", "least": 1}),
            r"analyses\[0\].gate: gate 'motion' does not take",
        ),
        (analysis(gate={"least_share": 1}), r"analyses\[0\].gate: the key 'kind' is missing"),
        (analysis(detector="visul"), r"analyses\[0\].detector: unknown detector 'visul'; .*visual"),
        (
            analysis(settings={"lables": []}),
            r"analyses\[0\].settings: unknown key 'lables'; known: labels",
        ),
        (
            analysis(detector="motion", settings={"labels": ["cat"]}),
            r"settings.labels: the detector 'motion' has no label 'cat'; known: motion",
        ),
        (analysis(settings={"name": "x"}), r"settings: 'name' is not a setting"),
        (
            analysis(rules={"default": {"enter_treshold": 0.5}}),
            r"rules.default: unknown key 'enter_treshold'; .*enter_threshold",
        ),
        (
            analysis(rules={"default": {"enter_threshold": 0}}),
            "enter_threshold: expected a number above 0, got 0",
        ),
        (
            analysis(rules={"default": {"confidence_threshold": 1.5}}),
            "expected a number of 1 or less, got 1.5",
        ),
        (
            analysis(rules={"default": {"cooldown_from": "stop"}}),
            'expected "start" or "end", got "stop"; known: end, start',
        ),
        (
            analysis(rules={"default": {"enter_threshold": 0.2, "exit_threshold": 0.3}}),
            r"analyses\[0\].rules.default: exit_threshold must be at most",
        ),
        (
            analysis(rules={"labels": {"brightness": {**BOX}}}),
            r"rules.labels.brightness: min_area_fraction must be",
        ),
        (
            analysis(rules={"labels": {"brightness": {**BOX, "enter_frames": 1}}}),
            "unknown key 'enter_frames'; known: box_filter, debounce",
        ),
        (
            analysis(rules={"default": {"confidence_threshold": 1e-9}}),
            r"analyses\[0\].rules: the exit threshold is 1e-09, below",
        ),
        (
            analysis(settings={"labels": ["contrast"]}, rules={"only": ["brightness"]}),
            "'brightness' is not among the labels",
        ),
        (
            job(analyses=[{"detector": "visual"}, {"detector": "motion", "name": "visual"}]),
            r"analyses\[1\].name: 'visual' is also the name of analyses\[0\]",
        ),
        (
            job(sinks=[{"type": "cvs", "path": "a"}]),
            r'sinks\[0\].type: expected .*, got "cvs"; .*csv',
        ),
        (job(sinks=[{"type": "csv"}]), r"sinks\[0\]: the key 'path' is missing"),
        (
            job(sinks=[{"type": "console", "path": "a"}]),
            r"sinks\[0\]: unknown key 'path'; known: type",
        ),
        (
            job(sinks=[{"type": "csv", "path": "a"}, {"type": "json", "path": "a"}]),
            "two sinks write",
        ),
        (
            job(sinks=[{"type": "store"}, {"type": "store"}]),
            r"sinks\[1\]: there is a sink of type 'store'",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line_with_its_place(document, says, tmp_path):
    (tmp_path / "job.json").write_text(json.dumps(document))
    done = ask("job", "check", tmp_path / "job.json")
    assert done.returncode == 2
    assert re.search(says, done.stderr), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("analyses", "says"),
    [
        (
            [{"detector": "visual", "rules": {"only": ["brightnes"]}}],
            r"analyses\[0\].rules: the detector has no label 'brightnes'",
        ),
        (
            [{"detector": "yolo", "settings": {"image_size": 100}}],
            r"analyses\[0\]: image_size must be a multiple",
        ),
        (
            [
                {"detector": "visual"},
                {
                    "detector": "python",
                    "settings": {"target": "tests.jobs.test_job_document:Keyed", "api_key": "abcd"},
                    "rules": {"default": {"confidence_threshold": 0.01}},
                },
            ],
            r"analyses\[1\].rules: the exit threshold is 0.01, below the run's score floor 0.05",
        ),
    ],
)
def test_what_only_a_detector_knows_is_found_before_the_first_clip(
    analyses, says, samples, tmp_path
):
    with pytest.raises(SettingError, match=says):
        run_job(
            job(samples / "nothing.mp4", analyses=analyses),
            tmp_path / "store",
            progress=False,
            trust=True,
        )
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version: 1\nversion: 1\n", r"line 2: the key 'version' is there twice"),
        ("a: {b: 1, c: {d: 1, d: 2}}", r"the key 'd' is there twice"),
        ("a: [1, 2", "the document is not YAML"),
        ("- 1", "must be a mapping"),
        ("", "empty"),
        ("a: !!python/object/apply:os.system [ls]", "not YAML"),
        ("a: !!bool maybe", "not YAML"),
        ("a: 2026-01-01", "a: expected text or a number, got a date; put it in quotes"),
        ("a: .nan", "a: expected a finite number"),
        ("a: {no: 1}", "a: a key must be text, got False; put it in quotes"),
        ("{[1]: 2}", "a key must be text"),
        ("a: &a [*a]", "contains itself"),
        ("a: " + "[" * 40 + "]" * 40, "more than 32 levels"),
        ("a: " + "[" * 100_000, "more than 32 levels"),
        (
            "a: &a [1]\nb: &b [*a]\n"
            + "".join(f"{chr(i + 1)}: &{chr(i + 1)} [[[[[*{chr(i)}]]]]]\n" for i in range(98, 110)),
            "more than 32 levels",
        ),
        (
            "a0: &a0 [1, 1]\n"
            + "".join(f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]\n" for i in range(12)),
            "more than 100000 values",
        ),
        (
            "a0: &a0 {k: 1}\n"
            + "".join(
                f"a{i + 1}: &a{i + 1} {{<<: [{', '.join([f'*a{i}'] * 10)}]}}\n" for i in range(12)
            ),
            "more than 100000 values",
        ),
        ("a: " + "x" * MAX_BYTES, "more than 1 MiB"),
    ],
)
def test_texts_that_are_no_document_are_refused(text, says, tmp_path):
    (tmp_path / "job.yaml").write_text(text)
    done = ask("job", "check", tmp_path / "job.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(says, done.stderr), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1, "a": 2}', "'a' is there twice"),
        ('{"a": 1', "not JSON"),
        ('{"a": NaN}', "finite"),
        ('{"a":' * 60 + "1" + "}" * 60, "32 levels"),
        ("[" * 100_000, "32 levels"),
    ],
)
def test_texts_that_are_no_json_are_refused(text, says):
    with pytest.raises(SettingError, match=says):
        plain_values(text, "json")


def test_anchors_and_merges_of_reasonable_size_are_understood():
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\nc: [*a, *a]\n"
    assert plain_values(text) == {
        "a": {"x": 1, "y": 2},
        "b": {"x": 1, "y": 3},
        "c": [{"x": 1, "y": 2}] * 2,
    }


def test_a_document_that_cannot_be_read_is_one_line(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"a: \xff")
    assert "not UTF-8" in ask("job", "check", tmp_path / "latin.yaml").stderr
    assert "cannot be read: No such file" in ask("job", "check", tmp_path / "gone.yaml").stderr
    assert "cannot be read: Is a directory" in ask("job", "check", tmp_path).stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["analyze"], "name a file or a folder, or a document with --job"),
        (["analyze", "clip.mp4", "--job", "job.yaml"], "a path cannot be combined with --job"),
        (
            ["analyze", "--job", "job.yaml", "--labels", "cat"],
            "--labels cannot be combined with --job",
        ),
        (["analyze", "--job", "job.yaml", "--set", "a=1"], "--set cannot be combined with --job"),
        (["analyze", "clip.mp4", "--trust"], "--trust goes with --job"),
        (["job", "check"], "name one document"),
        (["job", "export"], "name a run"),
    ],
)
def test_wrong_usage_says_the_way_out(words, says):
    done = ask(*words)
    assert done.returncode == 2
    assert says in done.stderr


def test_check_names_clips_that_are_not_there(tmp_path):
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job("gone.mp4")))
    done = ask("job", "check", tmp_path / "job.yaml")
    assert done.returncode == 1
    assert "no file at" in done.stderr


def test_a_sink_never_writes_over_a_clip(samples, tmp_path):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes((samples / "nothing.mp4").read_bytes())
    with pytest.raises(SettingError, match=r"sinks\[0\].path: .* is a clip of the source"):
        run_job(
            job(clip, sinks=[{"type": "csv", "path": str(clip)}]),
            tmp_path / "store",
            progress=False,
            trust=True,
        )
    with pytest.raises(SettingError, match="is a folder"):
        run_job(
            job(clip, sinks=[{"type": "csv", "path": str(tmp_path)}]),
            tmp_path / "store",
            progress=False,
            trust=True,
        )


class Keyed:
    """A plugin that needs a key."""

    labels = ("x",)

    def __init__(self, api_key, tells=False):
        self._key, self._tells = api_key, tells

    def detect(self, frames):
        found = 0.9 if self._key == "hunter2hunter2" else 0.1
        return [make_detections(("x", found, (0, 0, 5, 5))) for _ in frames]

    def recipe(self):
        return {"version": 1, "seen": self._key} if self._tells else {"version": 1}


def keyed(path, store="kept", **settings):
    given = {
        "target": "tests.jobs.test_job_document:Keyed",
        "api_key": "${LAB_TEST_KEY}",
        **settings,
    }
    return job(
        path,
        sampling={"every_s": 1},
        analyses=[{"name": "keyed", "detector": "python", "settings": given}],
        sinks=[{"type": "store", "name": "r"}, {"type": "json", "path": "out.json"}],
        store=store,
    )


def test_a_key_from_a_variable_reaches_the_plugin_and_nothing_else(
    samples, tmp_path, monkeypatch, plugins
):
    monkeypatch.setenv("LAB_TEST_KEY", "hunter2hunter2")
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(keyed(samples / "nothing.mp4")))
    done = ask("analyze", "--job", tmp_path / "job.yaml", "--json", "--trust")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["sightings"][0]["peak_confidence"] == pytest.approx(0.9)
    files = [f for f in tmp_path.rglob("*") if f.is_file()]
    assert len(files) > 4
    assert not [f for f in files if b"hunter2" in f.read_bytes()]
    rows = Store(tmp_path / "kept").runs()
    assert "hunter2" not in json.dumps(rows, default=str) + done.stdout + done.stderr
    assert "hunter2" not in repr(read_job(tmp_path / "job.yaml", expand=True))
    exported = ask("job", "export", rows[0]["run_id"], "--store", tmp_path / "kept")
    assert "hunter2" not in exported.stdout
    assert (
        yaml.safe_load(exported.stdout)["analyses"][0]["settings"]["target"]
        == "tests.jobs.test_job_document:Keyed"
    )


def test_a_plugin_that_would_keep_the_key_is_refused(samples, tmp_path, monkeypatch, plugins):
    monkeypatch.setenv("LAB_TEST_KEY", "hunter2hunter2")
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(keyed(samples / "nothing.mp4", tells=True)))
    done = ask("analyze", "--job", tmp_path / "job.yaml", "--trust")
    assert done.returncode == 2
    assert "writes the value of ${LAB_TEST_KEY} into its recipe" in done.stderr
    assert "hunter2" not in done.stderr
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (analysis(settings={"labels": ["${LAB_TEST_KEY}"]}), r"analyses\[0\].settings.labels\[0\]"),
        (
            job(analyses=[{"detector": "remote", "settings": {"url": "http://${LAB_TEST_KEY}"}}]),
            r"analyses\[0\].settings.url",
        ),
        (
            job(analyses=[{"detector": "remote", "settings": {"token": "${LAB_TEST_KEY}"}}]),
            r"analyses\[0\].settings.token",
        ),
        (
            job(
                analyses=[
                    {"detector": "python", "settings": {"deep": {"api_key": "${LAB_TEST_KEY}"}}}
                ]
            ),
            r"settings.deep.api_key",
        ),
        (analysis(name="${LAB_TEST_KEY}"), r"analyses\[0\].name"),
        (job(sinks=[{"type": "store", "name": "${LAB_TEST_KEY}"}]), r"sinks\[0\].name"),
    ],
)
def test_variables_are_refused_where_the_store_would_keep_them(
    document, place, tmp_path, monkeypatch
):
    monkeypatch.setenv("LAB_TEST_KEY", "hunter2hunter2")
    with pytest.raises(
        SettingError, match=place + r": \$\{LAB_TEST_KEY\} is not expanded here"
    ) as caught:
        job_of(document, expand=True)
    assert "hunter2" not in str(caught.value)


def test_variables_expand_in_paths_of_a_document_of_the_command_line_only(tmp_path, monkeypatch):
    monkeypatch.setenv("LAB_TEST_HERE", str(tmp_path))
    document = job(
        "${LAB_TEST_HERE}/a$$b.mp4",
        store="${LAB_TEST_HERE}/s",
        sinks=[{"type": "csv", "path": "${LAB_TEST_HERE}/o.csv"}],
    )
    expanded = job_of(document, expand=True)
    assert expanded.clips() == [tmp_path / "a$b.mp4"]
    assert (expanded.store, expanded.sinks[0]["path"]) == (tmp_path / "s", str(tmp_path / "o.csv"))
    assert expanded.document == document
    assert job_of(document, folder="/f").clips() == [Path("/f/${LAB_TEST_HERE}/a$$b.mp4")]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("${LAB_TEST_GONE}/a", "source.path: the environment variable LAB_TEST_GONE is not set"),
        ("${LAB_TEST_GONE", "source.path: expected"),
        ("${1}", "source.path: expected"),
    ],
)
def test_a_variable_that_is_not_there_is_named(path, says):
    with pytest.raises(SettingError, match=re.escape(says)):
        job_of(job(path), expand=True)
