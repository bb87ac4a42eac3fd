"""Lists of brands: files, rules, and rows of a table."""

import json

import pytest

from lab.detectors.zero_shot.brand_lists import BRANDS as LIST
from lab.detectors.zero_shot.brand_lists import load_brands
from lab.errors import SettingError

BRANDS = [
    {"name": "Nike", "terms": ["Nike", "Nike swoosh"]},
    {"name": "قهوة", "terms": ["قهوة ☕", "\u200fمقهى"]},
    {"name": "👩‍🚀", "terms": ["👩‍🚀 {rocket}: 100 %"]},
    {"name": "yes", "terms": ["3", "null", "- dash", "# hash"]},
]


@pytest.mark.parametrize("name", ["brands.yaml", "brands.yml", "brands.json"])
def test_a_list_comes_back_from_a_file_as_it_was(tmp_path, name):
    LIST.save(BRANDS, tmp_path / name)
    assert load_brands(tmp_path / name) == BRANDS
    assert load_brands(str(tmp_path / name)) == BRANDS
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_the_rows_of_a_table_go_there_and_back():
    rows = LIST.to_rows(BRANDS)
    assert rows[0] == {"brand": "Nike", "terms": "Nike; Nike swoosh"}
    edited = [{"brand": None, "terms": float("nan")}, *rows, {"brand": "  ", "terms": ""}]
    assert LIST.from_rows(edited) == BRANDS
    assert LIST.from_rows([{"brand": " BMW ", "terms": "BMW;; roundel ;"}]) == [
        {"name": "BMW", "terms": ["BMW", "roundel"]}
    ]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (
            [{"brand": "a", "terms": "x"}, {"brand": "b", "terms": " ; "}],
            r"row 2 \('b'\) has no list of terms",
        ),
        ([{"brand": "", "terms": "x"}], "row 1: the name"),
        ([{"brand": "a", "terms": "x"}, {"brand": "A", "terms": "y"}], "'A' is there twice"),
        ([], "1 to 500"),
    ],
)
def test_rows_that_are_not_valid_are_named(rows, words):
    with pytest.raises(SettingError, match=words):
        LIST.from_rows(rows)


@pytest.mark.parametrize(
    ("brands", "words"),
    [
        ([{"name": "a", "terms": []}], "no list of terms"),
        ([{"name": "a"}], "no list of terms"),
        ([{"name": "a", "terms": "x"}], "no list of terms"),
        ([{"terms": ["x"]}], "name must be text, got nothing"),
        ([{"name": 3, "terms": ["x"]}], "put it in quotes"),
        ([{"name": "a", "terms": [True]}], "a term must be text"),
        ([{"name": "a", "terms": ["  "]}], "1 to 200 characters, got 0"),
        ([{"name": "a", "terms": ["x" * 201]}], "1 to 200 characters, got 201"),
        ([{"name": "a", "terms": ["x\ny"]}], "control character"),
        ([{"name": "a", "terms": ["\ud800"]}], "control character"),
        ([{"name": "a", "terms": ["x;y"]}], "';'"),
        ([{"name": "a", "terms": ["x"] * 21}], "at most 20"),
        ([{"name": "a", "terms": ["x"], "colour": "red"}], "unknown key 'colour'"),
        ([{"name": "Ä", "terms": ["x"]}, {"name": "A\u0308", "terms": ["y"]}], "there twice"),
        ([{"name": str(i), "terms": ["x"]} for i in range(501)], "1 to 500, got 501"),
        (["Nike"], "brand 1 must have a name and terms"),
        ({"Nike": ["Nike"]}, "must be a list"),
    ],
)
def test_lists_that_break_a_rule_are_refused(brands, words):
    with pytest.raises(SettingError, match=words):
        LIST.check(brands)


BOMB = "a: &a [x,x]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(12)
)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("b.yaml", "- {name: a, terms: [x", "not valid YAML"),
        ("b.yaml", "just text", "must be a list"),
        ("b.yaml", "", "got nothing"),
        ("b.yaml", "- {name: a, terms: [x], ? [1] : 2}", "unknown key|not valid YAML"),
        ("b.yaml", "- !!python/object/apply:os.mkdir [it-ran]", "not valid YAML"),
        ("b.yaml", "- name: no\n  terms: [x]", "put it in quotes"),
        ("b.yaml", "[" * 5000, "not valid YAML"),
        ("b.yaml", BOMB, "must be a list"),
        ("b.yaml", BOMB + "z: *m\n- 1", "not valid YAML"),
        ("b.json", "{'name'", "not valid JSON"),
        ("b.json", "[" * 100000, "not valid JSON"),
        ("b.txt", "[]", "those end in .yaml"),
        ("b.json", b"\xff\xfe[]", "not UTF-8"),
        ("b.json", b" " * (5 << 20), "larger than"),
    ],
)
def test_files_that_are_no_lists_are_refused_in_one_line(tmp_path, monkeypatch, name, text, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingError, match=words) as caught:
        load_brands(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500 + len(str(tmp_path))
    assert not (tmp_path / "it-ran").exists()


def test_a_file_that_is_not_there_and_one_that_cannot_be_written(tmp_path):
    with pytest.raises(SettingError, match="cannot be read"):
        load_brands(tmp_path / "none.yaml")
    with pytest.raises(SettingError, match="cannot be read"):
        (tmp_path / "folder.yaml").mkdir()
        load_brands(tmp_path / "folder.yaml")
    with pytest.raises(SettingError, match="cannot be written"):
        LIST.save(BRANDS, tmp_path / "no" / "such.yaml")
    with pytest.raises(SettingError, match="must end in"):
        LIST.save(BRANDS, tmp_path / "brands.csv")


def test_a_list_that_breaks_a_rule_does_not_replace_a_good_one(tmp_path):
    path = tmp_path / "brands.json"
    LIST.save(BRANDS, path)
    with pytest.raises(SettingError):
        LIST.save([*BRANDS, {"name": "x", "terms": []}], path)
    assert json.loads(path.read_text()) == BRANDS
