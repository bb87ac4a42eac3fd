"""A batch over clips whose score logs were removed."""

import pytest

import lab
from lab.retention.plan import preview
from lab.retention.policy import Policy
from lab.retention.removal import apply
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
