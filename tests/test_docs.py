"""What the documents say is true of the code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import lab
from lab.app.cli.main import build_parser

ROOT = Path(__file__).parent.parent


def commands():
    action = next(a for a in build_parser()._actions if a.dest == "command")
    return action.choices


def test_every_command_has_help_with_an_example():
    for name, parser in commands().items():
        assert "example: lab " + name in parser.format_help()


def test_the_readme_shows_only_commands_that_exist():
    text = (ROOT / "README.md").read_text()
    for name in re.findall(r"^lab (\w+)", text, re.M):
        assert name in commands()
    for target in re.findall(r"^make (\w+)", text, re.M):
        assert f"\n{target}:" in (ROOT / "Makefile").read_text()


def test_the_layout_in_the_architecture_is_that_of_the_tree():
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text[text.index("## The layout") : text.index("## Decisions")]
    for cell in re.findall(r"^\| (`.*?) \|", table, re.M):
        folder = ""
        for name in re.findall(r"`([^`]+)`", cell):
            if "/" in name:
                folder = name.rsplit("/", 1)[0]
            assert (ROOT / name).exists() or (ROOT / folder / name).exists(), name


def test_pages_are_thin_and_layers_are_kept():
    for page in (ROOT / "pages").glob("*.py"):
        text = page.read_text()
        assert text.count("\n") <= 80
        assert not re.search(r"import (cv2|duckdb)", text)
    for file in (ROOT / "lab").rglob("*.py"):
        if file.relative_to(ROOT / "lab").parts[:2] in (("app", "ui"), ("app", "server")):
            continue
        assert not re.search(r"^\s*(import|from) (streamlit|starlette)", file.read_text(), re.M), (
            file
        )


def test_importing_lab_is_light():
    code = (
        "import sys, lab\n"
        "heavy = {'torch', 'ultralytics', 'streamlit', 'pandas', 'cv2', 'av', 'duckdb'} "
        "& set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_public_names_resolve_and_say_what_they_are():
    for name in lab.__all__:
        assert getattr(lab, name) is not None
        assert name == "__version__" or getattr(lab, name).__doc__


@pytest.mark.parametrize(
    "name",
    [
        "guide/README.md",
        "guide/json.md",
        "guide/tuning.md",
        "guide/rules.md",
        "guide/deploy.md",
        "guide/deployments.md",
        "guide/models.md",
        "guide/prompts.md",
        "guide/jobs.md",
        "guide/api.md",
        "guide/batch.md",
        "guide/camera.md",
        "guide/charts.md",
        "guide/senses.md",
        "guide/logos.md",
        "guide/remote.md",
        "guide/live.md",
        "guide/raspberry-pi.md",
        "guide/plugins/README.md",
        "architecture.md",
    ],
)
def test_linked_documents_exist(name):
    assert (ROOT / "docs" / name).exists()


def test_the_documented_json_is_what_the_commands_give(quick_run):
    text = (ROOT / "docs" / "guide" / "json.md").read_text()
    for key in (*quick_run.summary(), *quick_run.find()[0].to_dict()):
        assert f"`{key}`" in text, key


def test_the_documented_figures_are_what_evaluate_gives(quick_run):
    text = (ROOT / "docs" / "guide" / "json.md").read_text()
    rows = [{"media": quick_run.media["name"], "label": "cat", "start_s": 1.6, "end_s": 5.8}]
    found = lab.evaluate(quick_run, rows).to_dict()
    for key in (*found, *found["overall"], *found["overall"]["delay"]):
        assert f"`{key}`" in text or f"`{key.removesuffix('_interval')}`" in text, key
