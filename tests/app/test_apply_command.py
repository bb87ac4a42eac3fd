"""`lab apply`: preview, apply, undo, as a user and as a program call it."""

import json
import shutil

import pytest

import lab
from lab.app.cli.main import main
from lab.store.store import Store
from tests.app.test_commands import answer, ask
from tests.builders import make_run, scores_of
from tests.runs.test_apply import LOOSE, STRICT, make_clips, protocol_of, shown


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commanded")
    runs = make_clips(folder)
    store = runs["a"].store
    store.save_rule("strict", lab.Rule.coerce(STRICT), runs["b"].run_id)
    store.save_rule("loose", lab.Rule.coerce(LOOSE))
    store.catalog.give_up()
    return folder


@pytest.fixture
def folder(made, tmp_path):
    shutil.copytree(made / "store", tmp_path / "store")
    return tmp_path


def test_a_saved_rule_is_previewed_applied_and_taken_back(folder):
    store = Store(folder / "store")
    row = answer(folder, "apply", "strict", "--preview")
    assert (row["saved"], row["before"], row["after"], row["changed_clips"]) == (False, 0, 3, 2)
    assert [one["after"] for one in row["clips"]] == [1, 2, 0]
    assert store.current_rules() == {}
    row = answer(folder, "apply", "strict", "--protocol", protocol_of(store)[:5])
    assert row["saved"]
    current = store.current_rules()[protocol_of(store)]
    assert (current.name, current.run_id) == ("strict", store.rules()[1]["run_id"])
    assert answer(folder, "apply", "loose")["previous"]["name"] == "strict"
    assert answer(folder, "apply", "--undo")["current"]["name"] == "strict"
    assert shown(store) == {"a.mp4": 1, "b.mp4": 2}
    assert answer(folder, "apply", "--undo")["current"] is None


def test_the_table_is_short_and_says_what_happened(folder):
    rule = folder / "rule.json"
    rule.write_text(json.dumps(lab.Rule.coerce(LOOSE).to_dict()))
    done = ask(folder, "apply", rule, "--preview")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].split() == ["clip", "before", "after", "changed"]
    assert "b.mp4" in done.stdout
    assert "on 3 clips" in done.stdout
    assert "5 sightings, before 0; 5 changed, in 3 clips" in done.stdout
    assert done.stdout.splitlines()[-1] == "nothing was saved"
    assert "current now" in ask(folder, "apply", rule).stdout
    undone = ask(folder, "apply", "--undo")
    assert "no rule is current" in undone.stdout


def test_many_clips_are_shortened(tmp_path):
    make_clips(tmp_path, {f"clip {i:02d}": ([(10, 20)], []) for i in range(23)})
    rule = tmp_path / "rule.json"
    rule.write_text(json.dumps(lab.Rule.coerce(STRICT).to_dict()))
    shortened = ask(tmp_path, "apply", rule, "--preview").stdout
    assert shortened.count("clip ") == 20 + 1  # and the heading
    assert "and 3 more" in shortened
    assert ask(tmp_path, "apply", rule, "--preview", "--all").stdout.count("clip ") == 23 + 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["apply"], "name the rule to apply"),
        (["apply", "nope"], "no saved rule or file 'nope'; known: loose, strict"),
        (["apply", "strict", "--protocol", "zz"], "no protocol begins with 'zz'"),
        (["apply", "--undo"], "no rule was applied to protocol"),
        (["apply", "strict", "--undo"], "--undo takes no rule"),
        (["apply", "strict", "--undo", "--preview"], "not allowed with argument"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(folder, words, said):
    done = ask(folder, *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_two_protocols_are_listed(folder):
    make_run(folder, scores_of(60, [(1, 9)]), every_s=1.0, name="d", weights="other")
    done = ask(folder, "apply", "strict")
    assert done.returncode == 2
    for row in Store(folder / "store").protocols():
        assert row["protocol_hash"] in done.stderr


def test_a_run_that_is_left_out_is_named_and_a_finished_one_makes_it_fail(folder):
    store = Store(folder / "store")
    by_name = {row["name"]: row["run_id"] for row in store.run_index()}
    store.set_run_state(by_name["a.mp4"], "cancelled")
    done = ask(folder, "apply", "strict")
    assert done.returncode == 0
    assert f"left out: a.mp4, run {by_name['a.mp4']}: it is cancelled" in done.stderr
    for part in store.log_folder(by_name["b.mp4"]).glob("detections*.parquet"):
        part.write_bytes(b"not what was written")
    done = ask(folder, "apply", "strict")
    assert done.returncode == 1
    assert "left out: b.mp4" in done.stderr


def test_exports_and_sightings_take_the_current_rule(folder, capsysbinary):
    def exported(*words):
        main(["export", "sightings", "--json", *words, "--store", str(folder / "store")])
        return json.loads(capsysbinary.readouterr().out)

    store = Store(folder / "store")
    run_id = next(row["run_id"] for row in store.run_index() if row["name"] == "b.mp4")
    done = ask(folder, "sightings", run_id, "--current")
    assert done.returncode == 2
    assert "no rule was applied to protocol" in done.stderr
    ask(folder, "apply", "strict")
    ask(folder, "apply", "loose")
    rows = exported()
    assert {row["rule_name"] for row in rows} == {"loose"}
    assert len(rows) == 5
    assert len(exported("--rules", "all")) == 8
    assert len(answer(folder, "sightings", run_id)) == 2  # of the default rule, as before
    assert len(answer(folder, "sightings", run_id, "--current")) == 3
    assert answer(folder, "sightings", run_id, "--current", "--only", "x") == (
        answer(folder, "sightings", run_id, "--rule", "loose")
    )
