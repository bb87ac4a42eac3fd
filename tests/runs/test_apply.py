"""One rule for all clips of a protocol: what it changes, saves, leaves out, and its undo."""

import shutil

import pytest

import lab
from benchmarks.study import RULE, make_study
from lab.errors import DamagedLogWarning, SettingError
from lab.store.store import Store
from tests.builders import make_run, scores_of
from tests.faults.processes import other

STRICT, LOOSE = lab.Debounce(enter_threshold=0.7), lab.Debounce(enter_threshold=0.3)
# Of each clip: what both rules find, and what the loose one finds besides.
VISITS = {"a": ([(10, 20)], []), "b": ([(5, 10), (45, 50)], [(25, 30)]), "c": ([], [(5, 9)])}


def make_clips(folder, visits=VISITS, **recipe):
    runs = {}
    for name, (sure, faint) in visits.items():
        scores = scores_of(60, sure)
        for first, last in faint:
            scores[first : last + 1] = 0.4
        runs[name] = make_run(folder, scores, every_s=1.0, name=name, **recipe)
    return runs


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("applied")
    for run in make_clips(folder).values():
        run.store.catalog.give_up()
    return folder


@pytest.fixture
def store(made, tmp_path):
    shutil.copytree(made / "store", tmp_path / "store")
    return Store(tmp_path / "store")


def protocol_of(store):
    (row,) = store.protocols()
    return row["protocol_hash"]


def shown(store, **wanted):
    return store.sighting_counts("name", current=True, **wanted)


def by_clip(applied):
    return {one.clip: (one.before, one.after, one.changed) for one in applied.clips}


def test_every_clip_gets_the_sightings_of_the_rule_and_it_is_current(store):
    found = lab.apply(store, STRICT, name="strict")
    assert by_clip(found) == {"a.mp4": (0, 1, 1), "b.mp4": (0, 2, 2), "c.mp4": (0, 0, 0)}
    assert (found.before, found.after, found.changed, found.changed_clips) == (0, 3, 3, 2)
    assert found.previous is None
    assert not found.left_out
    kept = store.current_rules()[protocol_of(store)]
    assert (kept.name, kept.rule) == ("strict", lab.Rule.coerce(STRICT))
    assert shown(store) == {"a.mp4": 1, "b.mp4": 2}


def test_a_preview_says_what_another_rule_would_change_and_saves_nothing(store):
    lab.apply(store, STRICT)
    before = store.sightings()
    found = lab.apply(store, LOOSE, preview=True)
    assert by_clip(found) == {"a.mp4": (1, 1, 0), "b.mp4": (2, 3, 1), "c.mp4": (0, 1, 1)}
    assert (found.before, found.after, found.changed, found.changed_clips) == (3, 5, 2, 2)
    assert found.is_preview
    assert found.previous.rule == lab.Rule.coerce(STRICT)
    assert store.sightings() == before
    assert list(found.to_frame().columns) == [
        "run_id", "media_id", "clip", "before", "after", "changed",
    ]  # fmt: skip
    assert by_clip(lab.apply(store, LOOSE)) == by_clip(found)


def test_one_that_moved_counts_once(store):
    lab.apply(store, lab.Debounce(enter_threshold=0.7, merge_gap_s=0.0))
    found = lab.apply(store, lab.Debounce(enter_threshold=0.7, merge_gap_s=50.0), preview=True)
    assert by_clip(found)["b.mp4"] == (2, 1, 2)


def test_sightings_of_other_rules_stay_saved_and_are_not_current(store):
    lab.apply(store, STRICT)
    lab.apply(store, LOOSE)
    assert store.count_sightings() == 3 + 5
    assert store.count_sightings(current=True) == 5
    assert store.sightings_extent(current=True) == (5, 50_000_000)
    assert len(store.sightings(current=True)) == 5
    assert sum(b.num_rows for b in store.sighting_batches(current=True)) == 5
    assert len(lab.open_store(store.folder).sightings()) == 5
    assert len(lab.open_store(store.folder).sightings(rules="all")) == 8


def test_without_a_current_rule_everything_that_was_saved_is_shown(store):
    first, *_ = store.runs()
    lab.Run(store, first["run_id"]).save_sightings(STRICT)
    lab.Run(store, first["run_id"]).save_sightings(LOOSE)
    assert store.count_sightings(current=True) == store.count_sightings() > 0


def test_the_current_rule_of_one_protocol_says_nothing_about_another(store):
    make_run(store.folder.parent, scores_of(60, [(1, 9)]), every_s=1.0, name="d", weights="other")
    other_run = next(run for run in store.runs() if run["recipe"].get("weights") == "other")
    lab.Run(store, other_run["run_id"]).save_sightings(LOOSE)
    protocol = next(
        row["protocol_hash"]
        for row in store.protocols()
        if row["protocol_hash"] != other_run["protocol_hash"]
    )
    with pytest.raises(SettingError, match=r"has 2 protocols; name one of: .*\(made, x, 3 clip"):
        lab.apply(store, STRICT)
    with pytest.raises(SettingError, match="no protocol begins with 'nope'"):
        lab.apply(store, STRICT, "nope")
    assert lab.apply(store, STRICT, protocol[:8]).protocol_hash == protocol
    assert shown(store) == {"a.mp4": 1, "b.mp4": 2, "d.mp4": 1}


def test_a_protocol_without_a_finished_run_need_not_be_told_apart(store):
    run = make_run(store.folder.parent, [0.9] * 9, every_s=1.0, name="d", weights="other")
    store.set_run_state(run.run_id, "failed", "no such weights")
    assert len(lab.apply(store, STRICT, preview=True).clips) == 3
    with pytest.raises(SettingError, match=r"to no run .*; d\.mp4: it is failed, not finished"):
        lab.apply(store, STRICT, run.protocol_hash)


def test_undo_goes_back_to_the_rule_before_and_then_to_none(store):
    lab.apply(store, STRICT, name="strict")
    lab.apply(store, LOOSE, name="loose")
    lab.apply(store, LOOSE)  # again, which is no step of its own, and keeps the name
    assert store.current_rules()[protocol_of(store)].name == "loose"
    assert lab.undo_apply(store).name == "strict"
    assert shown(store) == {"a.mp4": 1, "b.mp4": 2}
    assert lab.undo_apply(store) is None
    assert store.current_rules() == {}
    assert store.count_sightings(current=True) == 3 + 5
    with pytest.raises(SettingError, match="no rule was applied to protocol"):
        lab.undo_apply(store)
    history = store.rule_history(protocol_of(store))
    assert [one.name for one in history] == ["loose", "strict"]
    assert all(one.undone_utc is not None for one in history)


def test_after_an_undo_the_next_rule_follows_the_one_that_was_current(store):
    for rule in (STRICT, LOOSE):
        lab.apply(store, rule)
    lab.undo_apply(store)
    assert lab.apply(store, lab.Debounce(enter_threshold=0.2)).previous.rule.default == (
        lab.Rule.coerce(STRICT).default
    )
    assert lab.undo_apply(store).rule == lab.Rule.coerce(STRICT)


def test_a_clip_that_was_analysed_later_gets_the_rule_when_it_is_applied_again(store):
    lab.apply(store, STRICT)
    assert store.clips_without_current_rule(protocol_of(store)) == 0
    make_run(store.folder.parent, scores_of(60, [(1, 9)]), every_s=1.0, name="d")
    assert store.clips_without_current_rule(protocol_of(store)) == 1
    assert "d.mp4" not in shown(store)
    found = lab.apply(store, STRICT)
    assert by_clip(found)["d.mp4"] == (0, 1, 1)
    assert found.changed == 1
    assert store.clips_without_current_rule(protocol_of(store)) == 0


def test_runs_that_cannot_take_the_rule_are_named_and_do_not_stop_the_others(store):
    by_name = {row["name"]: row["run_id"] for row in store.run_index()}
    store.set_run_state(by_name["a.mp4"], "cancelled")
    for part in store.log_folder(by_name["b.mp4"]).glob("detections*.parquet"):
        part.write_bytes(b"not what was written")
    with pytest.warns(DamagedLogWarning):
        found = lab.apply(store, LOOSE)
    reasons = {one.clip: (one.state, one.reason) for one in found.left_out}
    assert reasons["a.mp4"] == ("cancelled", "it is cancelled, not finished")
    assert "is damaged" in reasons["b.mp4"][1]
    assert by_clip(found) == {"c.mp4": (0, 1, 1)}
    assert shown(store) == {"c.mp4": 1}


def test_a_run_without_a_label_of_the_rule_is_named(tmp_path):
    for name, label in (("a", "cat"), ("b", "dog")):
        make_run(tmp_path, scores_of(60, [(1, 9)]), every_s=1.0, name=name, label=label)
    store = Store(tmp_path / "store")
    cats = next(r for r in store.runs() if r["labels"] == ["cat"])["protocol_hash"]
    with pytest.raises(SettingError, match=r"to no run .*; a\.mp4: the run has no "):
        lab.apply(store, lab.Rule(only=("bird",)), cats)
    assert store.current_rules() == {}


def test_a_rule_below_the_floor_changes_nothing(store):
    lab.apply(store, STRICT)
    with pytest.raises(SettingError, match="below the run's score floor"):
        lab.apply(store, lab.Debounce(enter_threshold=0.02))
    assert store.current_rules()[protocol_of(store)].rule == lab.Rule.coerce(STRICT)


def test_an_empty_store_says_what_is_missing(tmp_path):
    with pytest.raises(SettingError, match="analyse a clip first"):
        lab.apply(tmp_path / "store", STRICT)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return Store(make_study(tmp_path_factory.mktemp("study"), 1000))


@pytest.mark.long
def test_a_thousand_clips_are_saved_in_few_transactions(study, counts):
    study.count_runs()
    counts.clear()
    told = []
    found = lab.apply(study, STRICT, progress=lambda *at: told.append(at))
    assert len(found.clips) == 1000
    assert told == [(i, 1000) for i in range(1, 1001)]
    assert counts.transactions <= 15
    assert study.count_sightings(current=True) == found.after > 10_000


KILLED = """
import os, sys
import lab
def progress(done, total):
    if done == 220:
        os.kill(os.getpid(), 9)
print("ready", flush=True)
sys.stdin.readline()
lab.apply(sys.argv[1], lab.Debounce(enter_threshold=0.65), progress=progress)
"""


@pytest.mark.long
def test_who_is_killed_leaves_the_old_rule_current_and_may_do_it_again(tmp_path):
    study = Store(make_study(tmp_path / "study", 250))
    study.set_current_rule(protocol_of(study), RULE)
    before = study.count_sightings(current=True)
    assert before == 250 * 20
    study.catalog.give_up()
    with other(study.folder, KILLED) as process:
        process.tell("")
        process.process.wait(60)
    new = lab.Rule.coerce(lab.Debounce(enter_threshold=0.65))
    assert 0 < len(study.sighting_counts("run_id", rule_hash=new.rule_hash)) < 220
    assert study.current_rules()[protocol_of(study)].rule == RULE
    assert study.count_sightings(current=True) == before
    found = lab.apply(study, new)
    assert study.count_sightings(rule_hash=new.rule_hash) == found.after
    assert study.count_sightings(current=True) == found.after
