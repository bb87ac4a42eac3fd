"""A batch over clips whose score logs were removed."""

import json

import pytest

import lab
from lab.app.cli.main import main
from lab.jobs.batch.work import AppliedRule
from lab.retention.plan import preview
from lab.retention.policy import Policy
from lab.retention.removal import apply
from lab.rules.rule import Debounce, Rule
from lab.runs.run import Run
from lab.store.store import Store
from tests.jobs.clips import copy_with

GONE = Policy(logs={"older_than_days": 0})


def rule(threshold):
    debounce = {"enter_threshold": threshold, "enter_frames": 1, "exit_frames": 1}
    return lab.Rule.from_dict({"default": {"debounce": debounce}})


@pytest.mark.long
def test_what_is_there_is_not_analysed_again_until_another_rule_needs_it(samples, tmp_path):
    copy_with(samples / "nothing.mp4", tmp_path / "clips" / "a.mp4", 0)

    def batch(**settings):
        return lab.batch(
            tmp_path / "clips", detector="motion", every_s=2, store=tmp_path / "s",
            progress=False, workers=1, **settings,
        )  # fmt: skip

    (first,) = batch(apply=rule(0.1)).run_id
    run = lab.open_store(tmp_path / "s").run(first)
    before = run.log
    assert apply(run.store, preview(run.store, GONE)).counts == {"logs": 1}

    again = batch(apply=rule(0.1))
    assert again.state.tolist() == ["done"]
    assert again.was_there.all()
    assert again.run_id.tolist() == [first]
    assert run.refresh().log_removed_utc is not None

    other = batch(apply=rule(0.2))
    assert other.state.tolist() == ["done"], other.reason.tolist()
    assert other.run_id.tolist() == [first]
    assert run.refresh().log_removed_utc is None
    assert (run.refresh().log.confidence == before.confidence).all()
    assert run.store.was_applied(first, rule(0.2).rule_hash)


@pytest.mark.long
def test_a_file_of_sightings_has_those_that_were_saved_and_says_what_it_lacks(
    samples, tmp_path, capsys
):
    for i, name in enumerate("ab"):
        copy_with(samples / "cat_then_person.mp4", tmp_path / "clips" / f"{name}.mp4", i)
    document = {
        "version": 1,
        "source": {"type": "file", "path": "clips"},
        "sampling": {"every_s": 0.5},
        "analyses": [{"detector": "visual", "rules": {"default": {"enter_threshold": 0.1}}}],
        "sinks": [{"type": "csv", "path": "out.csv"}],
    }
    (tmp_path / "job.json").write_text(json.dumps(document))

    def batch():
        code = main(["batch", "--job", str(tmp_path / "job.json"), "--store", str(tmp_path / "s")])
        return code, capsys.readouterr().err, (tmp_path / "out.csv").read_text().splitlines()

    code, err, whole = batch()
    assert (code, err) == (0, "")
    store = Store(tmp_path / "s")
    runs = [Run(store, row["run_id"]) for row in store.runs()]
    one, two = sorted(runs, key=lambda run: run.media["path"])
    for run, threshold in ((one, 0.1), (two, 0.3)):  # another rule than that of the document
        AppliedRule(Rule.coerce(Debounce(enter_threshold=threshold))).save(run)
    assert apply(store, preview(store, GONE)).counts == {"logs": 2}

    code, err, some = batch()
    assert code == 1
    assert some == [line for line in whole if two.run_id not in line]
    assert 1 < len(some) < len(whole)
    assert len(err.splitlines()) == 1
    assert "b.mp4: not in the files: the score log of run" in err
    assert f"the log can be made again: lab analyze --resume {two.run_id}" in err
