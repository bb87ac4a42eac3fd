"""The name of what a page shows: of the same run, rule and sightings, and of no others."""

import lab
from lab.app.server.result import result_of
from lab.app.server.state import AppState
from lab.config import Config
from tests.builders import make_run, scores_of


def test_a_result_is_of_its_run_its_rule_and_its_sightings(tmp_path):
    scores = scores_of(60, [(10, 20), (30, 40)])
    run, other = (make_run(tmp_path, {"x": scores}, every_s=1.0, name=f"{n}.mp4") for n in "ab")
    rule = lab.Rule.from_dict({"default": {"debounce": {"enter_threshold": 0.5}}})
    strict = lab.Rule.from_dict({"default": {"debounce": {"enter_threshold": 0.6}}})
    found = run.find(rule)
    shown = AppState(Config(store=run.store.folder)).replay(run.run_id, rule)["result"]
    assert shown == result_of(run.run_id, rule, found)
    assert shown != result_of(other.run_id, rule, found)
    assert shown != result_of(run.run_id, strict, found)
    assert shown != result_of(run.run_id, rule, found[:1])  # a run that goes on finds more
