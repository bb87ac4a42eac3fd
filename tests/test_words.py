"""Pages use one word for one thing: the names of the sliders, and those of docs/architecture.md."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from lab.rules.rule import rule_parameters

UI = Path(__file__).parent.parent / "lab" / "app" / "ui"
# Of texts that a person reads: a word that is not used, and the one that is.
OTHER_WORDS = {
    r"\bconfidences?\b": "score",
    r"\bpresence time\b": "presence",
    r"\bleft the (picture|frame|scene)\b": "exit",
    r"(?i)\bhits?\b": "sighting",
    r"(?i)\bdetection events?\b": "sighting",
    r"\b(Source|Run|Tune|Experiments) page\b|\bpage (Source|Run|Tune|Experiments)\b": "its name",
    r"(?i)\b(onset|offset|alert|clip|from|to), s$": "media time",
}
KEYS = {name: p.title for name, p in rule_parameters().items() if "_" in name}
KEYS |= {"score_floor": "score floor", "exit_share": "exit threshold as a share of enter"}


def texts_of_python(file):
    """Strings of a page or widget, without docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    first = (node.body[0] for node in ast.walk(tree) if isinstance(node, documented) and node.body)
    docs = {id(one.value) for one in first if isinstance(one, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


def texts_of_javascript(file):
    """Strings of a component, and the fixed parts of its templates, line by line."""
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        code = re.sub(r"(^|\s)//.*", "", line)
        for text in re.findall(r'"([^"]*)"|`([^`]*)`', code):
            yield number, re.sub(r"\$\{[^}]*\}", "", "".join(text))


@cache
def texts():
    readers = {".py": texts_of_python, ".js": texts_of_javascript}
    files = [file for file in sorted(UI.rglob("*")) if file.suffix in readers]
    return [(file, *text) for file in files for text in readers[file.suffix](file)]


def found(pattern, in_sentences=False):
    return [
        f"{file.relative_to(UI)}:{number}: {text.strip()[:70]!r}"
        for file, number, text in texts()
        if re.search(pattern, text) and (" " in text.strip() or not in_sentences)
    ]


@pytest.mark.parametrize(("key", "title"), KEYS.items())
def test_no_sentence_has_the_name_of_a_setting_in_the_code(key, title):
    assert not found(rf"\b{key}\b", in_sentences=True), f"say {title!r}"


@pytest.mark.parametrize(("word", "instead"), OTHER_WORDS.items())
def test_one_thing_has_one_name(word, instead):
    assert not found(word, in_sentences=True), f"say {instead!r}"


def test_the_texts_are_found():
    seen = {text for _, _, text in texts()}
    assert {"Save sightings", "Nothing was detected above the score floor."} <= seen
