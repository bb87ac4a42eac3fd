"""A setting of a rule is declared once and reaches every place that shows or takes settings."""

import argparse
import dataclasses
import json
from pathlib import Path

import pytest

from lab.app.cli.main import build_parser
from lab.app.cli.rule_options import add_rule_options
from lab.app.ui.widgets.player import sliders
from lab.errors import SettingError
from lab.jobs.document.schema import schema
from lab.rules.box_filter import BoxFilter
from lab.rules.debounce import Debounce
from lab.rules.describe import describe
from lab.rules.parameters import parameters_of
from lab.rules.rule import Rule, rule_parameters
from lab.tuning.rule_grid import SETTINGS, RuleGrid, title_of

DECLARED = rule_parameters()
GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "rules.md"
ZONE = ((0.0, 0.0), (1.0, 0.0), (0.5, 1.0))
ANOTHER = {  # a value of each kind that no setting has by default
    "score": 0.3, "samples": 4, "seconds": 1.7, "fraction": 0.5, "polygons": (ZONE,),
}  # fmt: skip
WRONG = {
    "score": [0, 1.01, "0.5", True, float("nan")], "samples": [0, 1.5, -1, None, 2e9],
    "seconds": [-0.1, float("inf"), "1"], "fraction": [-0.1, 1.1, True],
    "polygons": ["zone", [[(0, 0), (1, 1)]], [[(0, 0), (1, 1), (2, 2)]], [5]], "choice": ["middle"],
}  # fmt: skip
EVERY = pytest.mark.parametrize("name", DECLARED)


def another(p):
    """A value that the setting does not have by default."""
    return p.choices[-1] if p.kind == "choice" else ANOTHER[p.kind]


def part_of(name):
    return Debounce if name in parameters_of(Debounce) else BoxFilter


def made(name, value):
    """A debounce or box filter with that setting, and with the one that gives it an effect."""
    needs = {} if DECLARED[name].needs is None else {DECLARED[name].needs: 9.0}
    return part_of(name).from_dict({name: value, **needs})


def test_every_field_is_declared_with_its_default():
    for part in (Debounce, BoxFilter):
        for field in dataclasses.fields(part):
            declared = DECLARED[field.name]
            assert declared.default == field.default
            assert declared.text
            assert declared.title
            assert declared.sentence.count("{}") == 1


@EVERY
def test_a_value_of_its_kind_is_taken_and_others_are_rejected(name):
    value = another(DECLARED[name])
    assert DECLARED[name].checked(value) == value
    for value in WRONG[DECLARED[name].kind]:
        if value is not None or DECLARED[name].default is not None:
            with pytest.raises(SettingError, match=name):
                made(name, value)


@EVERY
def test_it_is_kept_unless_it_sets_others(name):
    value = another(DECLARED[name])
    kept = made(name, value).to_dict()
    for setting in DECLARED[name].sets or (name,):
        plain = [[list(point) for point in ZONE]] if DECLARED[name].kind == "polygons" else value
        assert kept[setting] == plain


def test_one_that_follows_takes_the_value_of_the_other():
    followers = {name: p.follows for name, p in DECLARED.items() if p.follows}
    assert followers
    for name, leader in followers.items():
        value = another(DECLARED[leader])
        assert getattr(Debounce(**{leader: value}), name) == value


@EVERY
def test_the_command_line_takes_it(name):
    parser = argparse.ArgumentParser()
    add_rule_options(parser)
    flag = f"--{name.replace('_', '-')}"
    help = " ".join(parser.format_help().split())
    if DECLARED[name].kind == "polygons":
        assert flag not in help, "zones go through --rule FILE"
        return
    value = another(DECLARED[name])
    assert vars(parser.parse_args([flag, str(value)]))[name] == value
    assert " ".join(DECLARED[name].text.split()[:3]) in help


@EVERY
def test_the_page_has_its_slider_with_title_bounds_and_help(name):
    rows = {row[0]: row for row in sliders() if len(row) > 1}
    assert (name in rows) == (DECLARED[name].slider is not None)
    if name in rows:
        _, title, least, most, step, text = rows[name]
        assert (title, text) == (DECLARED[name].title, DECLARED[name].text)
        for value in (least, least + step, most):
            DECLARED[name].checked(value)


def test_a_sweep_and_its_options_have_what_is_declared_as_swept():
    swept = {name for name, p in DECLARED.items() if p.swept}
    assert set(SETTINGS) - {"exit_share"} == swept
    commands = next(a for a in build_parser()._actions if a.dest == "command").choices
    help = commands["sweep"].format_help()
    for name in swept:
        assert getattr(RuleGrid(), name) == DECLARED[name].swept
        assert DECLARED[name].title in title_of(name)
        assert f"--grid-{name.replace('_', '-')}" in help


@EVERY
def test_the_schema_of_jobs_has_it(name):
    whole = schema()
    part = "debounce" if part_of(name) is Debounce else "box_filter"
    row = whole["$defs"][part]["properties"][name]
    assert DECLARED[name].text in row["description"]
    if DECLARED[name].kind == "choice":
        assert row["enum"] == list(DECLARED[name].choices)
    else:
        assert row["$ref"].removeprefix("#/$defs/") in whole["$defs"]
    json.dumps(row)


@EVERY
def test_a_rule_in_words_says_its_value(name):
    part = made(name, another(DECLARED[name]))
    key = "debounce" if isinstance(part, Debounce) else "box_filter"
    said = describe(Rule.from_dict({"default": {key: part.to_dict()}}))["every label"]
    for setting in DECLARED[name].sets or (name,):
        p = DECLARED[setting]
        assert p.sentence.format(p.in_words(another(p))) in said


def test_a_rule_in_words_leaves_out_what_has_no_effect():
    said = describe(Rule())["every label"]
    for words in ("merged", "dropped", "alert", "zone", "picture"):
        assert words not in said


def guide_row(name):
    p = DECLARED[name]
    bounds = {
        "score": "score in (0, 1]", "samples": "samples, 1 or more",
        "seconds": "seconds, 0 or more",
        "fraction": "part of the picture, in [0, 1]", "polygons": "polygons",
        "choice": " or ".join(f"`{choice}`" for choice in p.choices),
    }[p.kind]  # fmt: skip
    return f"| `{name}` | {bounds} | {p.default_words} | {p.text} |"


def test_the_guide_has_the_table_of_what_is_declared():
    table = [line for line in GUIDE.read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    assert table == [guide_row(name) for name in DECLARED]


def test_a_newer_setting_at_its_default_changes_no_hash():
    """Rules of stores that are older than it are found again."""
    assert Rule().rule_hash == "f4f62fd9ff9987c2"
    for name, p in DECLARED.items():
        if p.is_newer:
            usual = Rule().changed(**{name: p.default})
            assert name not in usual.to_dict()["default"]["debounce"]
            assert usual.rule_hash == Rule().rule_hash
            other = Rule().changed(**{name: another(p)})
            assert other.rule_hash != Rule().rule_hash
            assert Rule.from_dict(other.to_dict()) == other
            assert other.changed(**{name: p.default}) == Rule()
