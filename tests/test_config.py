"""Settings: one reader for the command line, notebooks, the app and its workers."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

import lab
from lab.app.cli.main import main
from lab.config import load_config
from lab.detectors.weights.files import models_folder
from lab.detectors.weights.offline import is_offline
from lab.errors import SettingError
from lab.jobs.local import LocalEngine
from lab.store.store import Store

ROOT = Path(__file__).parent.parent


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a lab.toml, and the current folder two levels below it."""
    for name in ("STORE", "MODELS", "MEDIA_ROOTS", "MAX_UPLOAD_BYTES", "OFFLINE"):
        monkeypatch.delenv(f"LAB_{name}", raising=False)
    (tmp_path / "lab.toml").write_text(
        'store = "kept/store"\nmodels = "weights"\nmedia_roots = ["cards"]\nmax_upload_bytes = 5\n'
    )
    below = tmp_path / "study" / "site"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    return tmp_path


def test_the_nearest_file_upwards_is_read_and_its_paths_are_relative_to_it(project):
    config = load_config()
    assert config.file == project / "lab.toml"
    assert config.store == project / "kept" / "store"
    assert config.models == project / "weights"
    assert project / "cards" in config.media_roots
    assert config.max_upload_bytes == 5
    (project / "study" / "lab.toml").write_text('store = "nearer"\n')
    assert load_config().store == project / "study" / "nearer"


def test_the_environment_wins_over_the_file_and_an_argument_over_both(project, monkeypatch):
    monkeypatch.setenv("LAB_STORE", "from_environment")
    config = load_config()
    assert config.store == Path.cwd() / "from_environment"
    assert config.origins["store"] == "LAB_STORE"
    assert config.origins["models"] == str(project / "lab.toml")
    assert config.origins["offline"] in ("default", "YOLO_OFFLINE", "HF_HUB_OFFLINE")
    config = load_config(store="given")
    assert (config.store, config.origins["store"]) == (Path.cwd() / "given", "argument")


def test_notebooks_use_the_store_of_the_file(project, samples):
    assert lab.open_store().store.folder == project / "kept" / "store"
    assert Store.coerce(None).folder == project / "kept" / "store"
    clip = samples / "nothing.mp4"
    run = lab.analyze(clip, detector="visual", every_s=2, progress=False)
    assert run.store.folder == project / "kept" / "store"


def test_the_command_line_uses_the_store_of_the_file(project, capsys):
    Store(project / "kept" / "store").add_media(lab.probe(ROOT / "sample_videos" / "nothing.mp4"))
    assert main(["media", "--json"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == ["nothing.mp4"]


def test_the_models_folder_and_offline_are_settings(project, monkeypatch):
    for name in ("YOLO_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    assert models_folder() == project / "weights"
    assert not is_offline()
    (project / "lab.toml").write_text("offline = true\n")
    assert is_offline()
    monkeypatch.setenv("LAB_OFFLINE", "false")
    assert not is_offline()
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    assert load_config().origins["offline"] == "YOLO_OFFLINE"
    assert is_offline()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stor = 'x'", "unknown setting 'stor'; did you mean 'store'"),
        ("store = 3", "store must be a path, got 3"),
        ("media_roots = 'cards'", "media_roots must be a list of paths, got 'cards'"),
        ("media_roots = [1]", r"media_roots must be a list of paths, got \[1\]"),
        ("max_upload_bytes = true", "max_upload_bytes must be a whole number above 0, got True"),
        ("max_upload_bytes = '5'", "max_upload_bytes must be a whole number above 0, got '5'"),
        ("offline = 'yes'", "offline must be true or false, got 'yes'"),
        ("models = ''", "models must be a path, got ''"),
        ("= 3", "is not valid TOML"),
    ],
)
def test_an_error_in_the_file_names_the_file_and_the_key(project, capsys, text, says):
    (project / "lab.toml").write_text(text)
    with pytest.raises(SettingError, match=says) as raised:
        load_config()
    assert str(project / "lab.toml") in str(raised.value)
    assert main(["media"]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("LAB_OFFLINE", "perhaps", "LAB_OFFLINE must be true or false, got 'perhaps'"),
        ("LAB_MAX_UPLOAD_BYTES", "4 GiB", "LAB_MAX_UPLOAD_BYTES must be a whole number"),
    ],
)
def test_an_error_in_the_environment_names_the_variable(
    project, monkeypatch, variable, value, says
):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingError, match=says):
        load_config()


def test_a_broken_file_does_not_stop_who_names_a_store(project):
    (project / "lab.toml").write_text("nonsense = 1\n")
    assert Store(project / "other").runs() == []


def test_doctor_says_which_value_came_from_where(project, monkeypatch, capsys):
    monkeypatch.setenv("LAB_MODELS", str(project / "mine"))
    main(["doctor", "--json"])
    settings = json.loads(capsys.readouterr().out)["settings"]
    assert settings["file"] == str(project / "lab.toml")
    assert settings["store"] == {
        "value": str(project / "kept" / "store"),
        "origin": str(project / "lab.toml"),
    }
    assert settings["models"] == {"value": str(project / "mine"), "origin": "LAB_MODELS"}
    main(["doctor", "--store", "given"])
    said = capsys.readouterr().out
    assert f"store: {Path.cwd() / 'given'} (from: argument)" in said
    assert f"max_upload_bytes: 5 (from: {project / 'lab.toml'})" in said


APP = """
import os, sys
from lab.jobs.local import LocalEngine
engine = LocalEngine()
job = engine.submit("models", "list the models")
assert job.finished.wait(120) and job.state == "done", job.error
print([row["name"] for row in job.result["models"]])
engine.close()
"""


def test_a_worker_has_the_folder_and_the_settings_of_the_app_that_started_it(project):
    """Started in a folder that is not the checkout, app and worker see one models folder."""
    (project / "weights").mkdir()
    (project / "weights" / "own.onnx").write_bytes(b"not a model")
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", APP], env=env, capture_output=True, text=True, check=True
    )
    assert "own.onnx" in done.stdout


def test_a_worker_runs_the_same_code_as_the_app(project, monkeypatch):
    """Where the package is not installed, its folder is named to the worker."""
    monkeypatch.delenv("PYTHONPATH", raising=False)
    others = {c.pid for c in psutil.Process().children()}
    engine = LocalEngine()
    job = engine.submit("models", "list the models")
    assert job.finished.wait(120)
    assert job.state == "done", job.error
    (worker,) = [
        c for c in psutil.Process().children() if c.pid not in others and "worker" in c.cmdline()
    ]
    assert worker.cwd() == str(Path.cwd())
    assert worker.environ()["PYTHONPATH"].split(os.pathsep)[0] == str(ROOT)
    engine.close()
