"""What is installed: the core, each extra, the locks; and the wheel in an empty environment."""

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import lab
from lab.app.cli.main import main
from lab.errors import DetectorError
from lab.extras import EXTRAS, install, package

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPTIONAL = PROJECT["optional-dependencies"]
LOCKS = {
    "app": ["app"],
    "server": ["app", "live", "login", "remote", "serve"],
    "all": ["all"],
    "test": ["all", "test"],
}
# Modules whose package is named otherwise, or comes with another package.
PACKAGE_OF = {
    "PIL": "torchvision",
    "cv2": "opencv-python-headless",
    "huggingface_hub": "open-clip-torch",
    "markupsafe": "jinja2",
    "safetensors": "open-clip-torch",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


def names(requirements):
    return {canonicalize_name(Requirement(r).name) for r in requirements}


def wanted(extras):
    """The requirements of the core and of these extras."""
    found = [Requirement(r) for r in PROJECT["dependencies"]]
    for extra in extras:
        for one in map(Requirement, OPTIONAL[extra]):
            found += wanted(one.extras) if one.name == PROJECT["name"] else [one]
    return found


def locked(name):
    """Lines of a lock as (name, version, marker)."""
    text = (ROOT / "locks" / f"{name}.txt").read_text()
    return set(re.findall(r"^([\w.-]+)==([^\s;]+)(?: ; ([^\\\n]+?))? \\$", text, re.M))


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_all_that_pyproject_wants_of_its_extras(name):
    versions = {}
    for one, version, _ in locked(name):
        versions.setdefault(canonicalize_name(one), []).append(version)
    for requirement in wanted(LOCKS[name]):
        found = versions.get(canonicalize_name(requirement.name), [])
        assert found, f"{requirement} is not in locks/{name}.txt; run: make lock"
        assert all(requirement.specifier.contains(v) for v in found), (
            f"{requirement}, locked {found}; run: make lock"
        )


@pytest.mark.parametrize("name", [*LOCKS, "cuda"])
def test_a_lock_has_hashes_and_names_no_place(name):
    text = (ROOT / "locks" / f"{name}.txt").read_text()
    for line in re.sub(r"\\\n", "", text).splitlines():
        assert line.lstrip().startswith("#") or "--hash=sha256:" in line, line
    assert not re.search(r"://|file:|--index-url|--extra-index-url|--find-links|^-e ", text, re.M)


def test_the_locks_agree_and_the_small_ones_are_small():
    assert locked("app") <= locked("server") <= locked("all") <= locked("test")
    for name in ("app", "server"):
        assert not {"torch", "openvino", "pytest", "ipykernel"} & {n for n, _, _ in locked(name)}
    assert not {"pytest", "playwright", "mypy", "ruff"} & {n for n, _, _ in locked("all")}


def test_the_lock_of_cuda_has_onnx_runtime_in_the_version_of_the_other_and_what_it_needs():
    others = {n: v for n, v, _ in locked("all")}
    beside = {n: v for n, v, _ in locked("cuda") if n not in others}
    assert beside.pop("onnxruntime-gpu") == others["onnxruntime"], "run: make lock"
    assert all(name.startswith("nvidia-") for name in beside), beside
    for name, version, _ in locked("cuda"):
        if name in others:
            assert version in {v for n, v, _ in locked("all") if n == name}, name


def test_the_requirements_are_run_and_test():
    lines = [
        line
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert lines == ["-e .[all,test]"]
    (everything,) = map(Requirement, OPTIONAL["all"])
    assert everything.extras == {*OPTIONAL} - {"all", "test"}


def test_a_package_has_the_same_range_in_every_extra():
    ranges = {}
    for requirement in wanted(OPTIONAL):
        ranges.setdefault(requirement.name, set()).add(str(requirement.specifier))
    assert all(len(found) == 1 for found in ranges.values()), ranges


def test_the_extras_that_errors_name_are_those_of_pyproject():
    core = names(PROJECT["dependencies"])
    assert set(EXTRAS) == {*OPTIONAL} - {"all", "test"}
    for extra, modules in EXTRAS.items():
        assert {package(m) for m in modules} == {r.name for r in wanted([extra])} - core
    for file in (ROOT / "lab").rglob("*.py"):
        for call in ast.walk(ast.parse(file.read_text())):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Name)
                and call.func.id == "need"
            ):
                extra, *modules = (argument.value for argument in call.args[1:])
                assert set(modules) <= set(EXTRAS[extra]), f"{file}:{call.lineno}"


def test_no_other_install_command_is_written_in_an_error():
    for file in set((ROOT / "lab").rglob("*.py")) - {ROOT / "lab" / "extras.py"}:
        for words in re.findall(r"pip install (\S+)", file.read_text()):
            assert words in ("--force-reinstall", '{_DEFAULT_PACKAGE}"'), (
                f"{file}: name the extra, by lab.extras"
            )


def imports(file):
    """(module, whether at the top) of the imports in a file that are of other packages."""
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found = [node.module]
        else:
            continue
        for name in {one.partition(".")[0] for one in found} - {"lab", *sys.stdlib_module_names}:
            yield name, node in tree.body


def test_every_import_is_of_the_core_or_late_or_of_what_its_folder_needs():
    core, everything = (
        names(PROJECT["dependencies"]),
        {canonicalize_name(r.name) for r in wanted(OPTIONAL)},
    )
    apart = (
        "app/ui",
        "app/server",
        "charts/chart.py",
        "charts/places.py",
        "charts/together.py",
        "experiments/notebook.py",
        "experiments/report.py",
        "detectors/open_vocabulary/world_graph.py",
    )
    for file in (ROOT / "lab").rglob("*.py"):
        place = file.relative_to(ROOT / "lab").as_posix()
        for module, is_at_the_top in imports(file):
            name = canonicalize_name(PACKAGE_OF.get(module, package(module)))
            assert name in everything, (
                f"{file} imports {module}, which pyproject.toml does not name"
            )
            assert name in core or not is_at_the_top or place.startswith(apart), (
                f"{file} imports {module} at the top"
            )


def test_the_version_is_said(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"lab {lab.__version__}\n"
    assert "version" in PROJECT["dynamic"]


@pytest.mark.parametrize(
    ("detector", "missing", "message"),
    [
        ("ocr", ["rapidocr"], f"detector 'ocr' needs the package rapidocr: {install('ocr')}"),
        (
            "logos",
            ["open_clip"],
            "a detector of brands or scenes needs the package open-clip-torch: "
            f"{install('prompts')}",
        ),
        (
            "scenes",
            ["open_clip", "torch"],
            "a detector of brands or scenes needs the packages open-clip-torch and torch: "
            f"{install('prompts')}",
        ),
        (
            "yolo-world",
            ["torch"],
            f"detector 'yolo-world' needs the package torch: {install('prompts')}",
        ),
        (
            "yoloe",
            ["ultralytics"],
            f"detector 'yoloe' needs the package ultralytics-opencv-headless: {install('prompts')}",
        ),
    ],
)
def test_a_detector_without_its_package_names_the_extra(detector, missing, message, monkeypatch):
    for module in missing:
        monkeypatch.setitem(sys.modules, module, None)
    settings = {"labels": ["cat"]} if detector.startswith("yolo") else {}
    with pytest.raises(DetectorError) as error:
        lab.make_detector(detector, **settings)
    assert str(error.value) == message


def test_a_runtime_or_a_file_without_its_package_names_the_extra(monkeypatch, tmp_path):
    from lab.detectors.yolo.checkpoint import ultralytics

    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setitem(sys.modules, "ultralytics", None)
    with pytest.raises(
        DetectorError,
        match=re.escape(f"runtime 'openvino' needs the package openvino: {install('openvino')}"),
    ):
        lab.make_detector("yolo", runtime="openvino")
    with pytest.raises(DetectorError, match=re.escape(install("torch"))):
        ultralytics()


def test_a_report_without_its_packages_names_the_extra(quick_run, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    (entry,) = quick_run.store.entries()[:1]
    store = str(quick_run.store.folder)
    assert main(["experiments", entry["entry_id"], "--format", "report", "--store", store]) == 1
    assert (
        capsys.readouterr().err
        == f"lab: a report of an entry needs the package jinja2: {install('notebook')}\n"
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder with the sdist, and the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("made")
    source = folder / "source"
    shutil.copytree(
        ROOT,
        source,
        ignore=lambda _, found: [
            n
            for n in found
            if n in (".git", "tests", "benchmarks", "build", "models", "lab_store", "__pycache__")
            or n.startswith(".venv")
            or n.endswith(".egg-info")
        ],
    )
    make(source, "sdist", folder)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    (unpacked,) = (folder / "unpacked").iterdir()
    make(unpacked, "wheel", folder)
    return folder


def make(source, kind, out):
    code = f"import sys; from setuptools import build_meta as b; b.build_{kind}(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", code, str(out)],
        cwd=source,
        check=True,
        capture_output=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def empty(made, tmp_path_factory):
    """An environment with the wheel and the core in the locked versions, and nothing else."""
    folder = tmp_path_factory.mktemp("empty")
    (wheel,) = made.glob("*.whl")
    pins = folder / "pins.txt"
    pins.write_text(
        "".join(f"{n}=={v}{f' ; {m}' if m else ''}\n" for n, v, m in sorted(locked("app")))
    )
    python = folder / "venv" / "bin" / "python"
    uv = shutil.which(
        "uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    )
    if uv:
        run([uv, "venv", "-q", "--python", sys.executable, folder / "venv"], folder)
        run([uv, "pip", "install", "-q", "--python", python, "-c", pins, wheel], folder)
    else:
        run([sys.executable, "-m", "venv", folder / "venv"], folder)
        run([python, "-m", "pip", "install", "-q", "-c", pins, wheel], folder)
    return folder


def run(command, folder, *, check=True):
    keep = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "LAB_", "VIRTUAL_ENV"))
    }
    done = subprocess.run(
        [str(c) for c in command],
        cwd=folder,
        env={**keep, "LAB_OFFLINE": "true"},
        check=False,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert not check or done.returncode == 0, done.stderr
    return done


@pytest.mark.long
def test_wheel_and_sdist_hold_all_that_runs(made):
    (wheel,), (sdist,) = made.glob("*.whl"), made.glob("*.tar.gz")
    inside = set(zipfile.ZipFile(wheel).namelist())
    for file in (ROOT / "lab").rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            assert file.relative_to(ROOT).as_posix() in inside
    assert {
        "lab/jobs/document/job.schema.json",
        "lab/detectors/zero_shot/brands.yaml",
        "lab/app/ui/components/player/main.js",
        "lab/py.typed",
    } <= inside
    assert not [name for name in inside if not name.startswith(("lab/", "sighting_lab-"))]
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "app.py",
        "pages/review.py",
        ".streamlit/config.toml",
        "locks/app.txt",
        "LICENSE",
    } <= held


@pytest.mark.long
def test_the_core_alone_works_in_an_empty_environment(empty, samples):
    command, python = empty / "venv" / "bin" / "lab", empty / "venv" / "bin" / "python"

    def said(*words):
        return run([command, *words], empty).stdout

    assert said("--version") == f"lab {lab.__version__}\n"
    for module in ("torch", "streamlit", "pytest", "plotly", "openvino", "playwright"):
        assert run([python, "-c", f"import {module}"], empty, check=False).returncode == 1, module
    doctor = json.loads(said("doctor", "--json"))
    assert doctor["detectors"]["yolo"].startswith("ready")
    assert all(install(extra) in state for extra, state in doctor["extras"].items())
    row = json.loads(said("analyze", samples / "cat_then_person.mp4", "--json"))
    assert (row["state"], row["failed"]) == ("done", 0)
    found = json.loads(said("sightings", row["run_id"], "--json"))
    assert [one["label"] for one in found] == ["cat", "person"]
    figures = json.loads(
        said("evaluate", row["run_id"], "--labels", samples / "ground_truth.csv", "--json")
    )
    assert figures["overall"]["recall"] == 1.0
    assert json.loads(said("job", "schema"))["$schema"]
    recommended = run(
        [command, "recommend", row["run_id"], "--labels", samples / "ground_truth.csv", "--json"],
        empty,
    )
    assert json.loads(recommended.stdout)


@pytest.mark.long
@pytest.mark.parametrize(
    ("words", "extra"),
    [
        (["--detector", "text"], "ocr"),
        (["--detector", "logos"], "prompts"),
        (["--detector", "yolo-world", "--labels", "otter"], "prompts"),
        (["--runtime", "openvino"], "openvino"),
    ],
)
def test_what_the_core_does_not_have_is_said_in_a_line(empty, samples, words, extra):
    done = run(
        [empty / "venv" / "bin" / "lab", "analyze", samples / "nothing.mp4", *words],
        empty,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("lab: ")
    assert done.stderr.endswith(f"{install(extra)}\n")
    assert done.stderr.count("\n") == 1
