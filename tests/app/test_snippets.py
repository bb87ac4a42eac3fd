"""What Review offers to copy gives the sightings that it shows: every form, executed."""

import ast
import contextlib
import io
import json
import random
import shlex
import subprocess

import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

import lab
from lab.app.cli.main import main
from lab.app.cli.rule_options import named_rule, rule_arguments
from lab.app.server.routes import routes
from lab.app.server.snippets import as_command, as_python, as_yaml
from lab.app.server.state import AppState
from lab.app.ui.widgets.rule_state import rule_from_query, rule_to_query
from lab.config import Config
from lab.formats.detections.earlier import Sample
from lab.formats.detections.write_run import write_run
from lab.jobs.document.export import document_of, text_of
from lab.jobs.document.read import job_of
from lab.jobs.document.rules import rule_of
from lab.jobs.document.text import plain_values
from lab.store.store import Store
from tests.builders import make_detections, make_media

LABELS = ["cat", "sea otter", "red, blue", "-1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Random scores and boxes of four labels, 120 samples, below and above every threshold."""
    rng = np.random.default_rng(1)
    samples = []
    for i in range(120):
        seen = []
        for label in LABELS:
            for _ in range(rng.integers(0, 3)):
                x, y, side = rng.uniform(0, 60), rng.uniform(0, 60), rng.uniform(5, 40)
                score = round(float(rng.uniform(0.05, 1)), 2)
                seen.append((label, score, (x, y, x + side, y + side)))
        samples.append(Sample(i, i * 200_000, make_detections(*seen), None))
    recipe = {"detector": "yolo", "labels": sorted(LABELS), "score_floor": 0.05}
    store = Store(tmp_path_factory.mktemp("snippets") / "a store")
    return write_run(store, make_media("clip", 24.0), recipe, samples, every_s=0.2, threshold=0.5)


def random_debounce(rng):
    """Values that are often the defaults, of the run or of the program, or equal to each other."""
    enter = rng.choice([0.4, 0.5, 0.5, 0.6, 0.35, 0.123456789])
    settings = {"enter_threshold": enter}
    if rng.random() < 0.6:
        settings["exit_threshold"] = rng.choice([t for t in (0.1, 0.3, 0.4, 0.5) if t <= enter])
    if rng.random() < 0.3:
        settings["enter_s"] = rng.choice([0.0, 0.2, 0.5, 1.0])
        if rng.random() < 0.3:
            settings["enter_window"] = rng.choice([5, 6, 8])
    else:
        settings["enter_frames"] = rng.choice([1, 2, 3, 3, 4])
        if rng.random() < 0.5:
            settings["enter_window"] = settings["enter_frames"] + rng.choice([0, 1, 2])
    if rng.random() < 0.3:
        settings["exit_s"] = rng.choice([0.2, 0.5, 1.0])
    else:
        settings["exit_frames"] = rng.choice([1, 2, 5])
    for name in ("min_duration_s", "merge_gap_s", "cooldown_s"):
        if rng.random() < 0.3:
            settings[name] = rng.choice([0.0, 0.4, 1.0, 2.5, 1e-05])
    if rng.random() < 0.3:
        settings["cooldown_from"] = rng.choice(["start", "end"])
    return settings


def random_box_filter(rng):
    zones = [[[0.0, 0.0], [1.0, 0.0], [1.0, 0.7], [0.0, 0.7]], [[0.1, 0.1], [0.9, 0.2], [0.4, 1]]]
    settings = {}
    for name in ("include", "exclude"):
        if rng.random() < 0.3:
            settings[name] = [rng.choice(zones)]
    if rng.random() < 0.4:
        settings["min_area_fraction"] = rng.choice([0.0, 0.01, 0.03, 1e-05])
    if rng.random() < 0.2:
        settings["max_area_fraction"] = rng.choice([0.06, 0.1, 1.0])
    return settings


def random_rule(rng):
    """One in three has a rule for a label, one in three zones, one in three names its labels."""

    def one():
        boxes = random_box_filter(rng) if rng.random() < 0.35 else {}
        return {"debounce": random_debounce(rng), "box_filter": boxes}

    labels = rng.sample(LABELS, rng.choice([0, 0, 0, 1, 2]))
    only = rng.sample(LABELS, rng.choice([0, 1, 2, 3])) if rng.random() < 0.35 else None
    return lab.Rule.from_dict(
        {"default": one(), "labels": {label: one() for label in labels}, "only": only}
    )


RANDOM = [random_rule(random.Random(seed)) for seed in range(200)]


@pytest.fixture(params=[40, pytest.param(200, marks=pytest.mark.long)])
def rules(request):
    """The first of them where each takes a while, all of them in the long set."""
    return RANDOM[: request.param]


def answer(words):
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main([*words, "--format", "json"]) == 0
    return json.loads(out.getvalue())


def found(run, rule):
    return [sighting.to_dict() for sighting in run.find(rule)]


def test_the_random_rules_are_worth_asking_about(run):
    counts = [len(run.find(rule)) for rule in RANDOM]
    assert sum(count > 0 for count in counts) > 150
    assert len(set(counts)) > 20
    said = [rule_arguments(rule, run.default_rule) for rule in RANDOM]
    assert 50 < sum(words is not None for words in said) < 150


def test_the_python_lines_give_the_same_sightings(run, rules):
    for rule in rules:
        *lines, last = ast.parse(as_python(run, rule)).body
        scope = {}
        exec(compile(ast.Module(lines, []), "snippet", "exec"), scope)
        table = eval(compile(ast.Expression(last.value), "snippet", "eval"), scope)
        assert table.equals(run.sightings(rule)), as_python(run, rule)


def test_the_yaml_gives_the_same_sightings(run, tmp_path):
    for i, rule in enumerate(RANDOM):
        file = tmp_path / f"{i}.yaml"
        file.write_text(as_yaml(rule), encoding="utf-8")
        assert found(run, named_rule(str(file), run.store)) == found(run, rule), as_yaml(rule)


def test_the_command_gives_the_same_sightings(run, tmp_path, monkeypatch, rules):
    monkeypatch.chdir(tmp_path)
    for rule in rules:
        text = as_command(run, rule)
        before, _, line = text.rpartition("\n")
        if before:
            subprocess.run(before, shell=True, check=True)
        program, *words = shlex.split(line)
        assert program == "lab"
        assert answer(words) == found(run, rule), text


def test_the_job_gives_the_same_sightings(run, rules):
    for rule in rules:
        for format in ("yaml", "json"):
            text = text_of(document_of(run, rule), format)
            (one,) = job_of(plain_values(text, format)).analyses
            assert found(run, rule_of(one.rules, 0.123)) == found(run, rule), text


def test_the_player_gets_all_of_them(run):
    here = AppState(Config(store=run.store.folder))
    rule = RANDOM[0]
    with TestClient(Starlette(routes=routes(here))) as client:
        ask = {"run_id": run.run_id, "rule": rule.to_dict()}
        texts = client.post("/api/snippets", json=ask).json()
        low = {**ask, "rule": {"default": {"debounce": {"enter_threshold": 0.01}}}}
        refused = client.post("/api/snippets", json=low)
    here.close()
    assert texts == {
        "python": as_python(run, rule),
        "yaml": as_yaml(rule),
        "command": as_command(run, rule),
        "job": text_of(document_of(run, rule)),
        "job_problem": None,
    }
    assert (refused.status_code, "score floor" in refused.text) == (400, True)


def test_the_link_gives_the_same_sightings(run):
    for rule in RANDOM:
        assert rule_from_query(rule_to_query(rule)).to_dict() == rule.to_dict()


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        (["--enter-s", "1"], {"enter_threshold": 0.5, "enter_s": 1.0}),
        (["--exit-s", "0.6"], {"enter_threshold": 0.5, "exit_s": 0.6}),
        (["--enter-threshold", "0.6"], {"enter_threshold": 0.6}),
        (["--enter-threshold", "0.6", "--exit-threshold", "0.5"],
         {"enter_threshold": 0.6, "exit_threshold": 0.5}),
        (["--confidence-threshold", "0.3"], {"confidence_threshold": 0.3}),
        (["--enter-frames", "2", "--enter-window", "3"],
         {"enter_threshold": 0.5, "enter_frames": 2, "enter_window": 3}),
    ],
)  # fmt: skip
def test_options_mean_what_a_debounce_of_the_same_settings_means(run, options, settings):
    words = ["sightings", run.run_id, "--store", str(run.store.folder), *options]
    assert answer(words) == found(run, lab.Debounce(**settings))


def test_counts_on_the_command_line_take_the_place_of_seconds_in_a_file(run, tmp_path):
    file = tmp_path / "rule.json"
    file.write_text(
        '{"default": {"debounce": {"enter_s": 1.0, "exit_s": 1.0, "merge_gap_s": 1e-05}}}'
    )
    words = ["sightings", run.run_id, "--store", str(run.store.folder), "--rule", str(file)]
    made = lab.Debounce(enter_frames=2, exit_s=1.0, merge_gap_s=1e-05)
    assert answer([*words, "--enter-frames", "2"]) == found(run, made)


def test_a_rule_file_that_is_none_is_an_error_with_its_place(run, tmp_path, capsys):
    words = ["sightings", run.run_id, "--store", str(run.store.folder), "--rule"]
    for text, says in (
        ("default: [", "is not YAML"),
        ("[1, 2]", "must be a mapping, got a list"),
        ("default: {debounce: {enter_thresh: 1}}", "unknown setting 'enter_thresh'"),
    ):
        (tmp_path / "rule.yaml").write_text(text)
        assert main([*words, str(tmp_path / "rule.yaml")]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"lab: {tmp_path / 'rule.yaml'}: ")
        assert says in said
