"""Rules by the API: whole or in part, saved, named, tried on a run and applied to many."""

import pytest

from lab.rules.rule import Debounce, Rule
from tests.api.conftest import problem_of

RULE = Rule.coerce(Debounce(enter_threshold=0.4)).to_dict()


def test_a_rule_finds_what_it_finds_in_python_and_keeps_it_where_that_is_asked(api, run):
    place, rule = f"/api/runs/{run.run_id}/sightings", Debounce(enter_threshold=0.4)
    found = api.client.post(place, json={"rule": RULE}).json()
    assert found["items"] == [one.to_dict() for one in run.find(rule)]
    assert not found["is_stored"]
    assert not api.state.store.was_applied(run.run_id, found["rule_hash"])
    reader = api.anyone("read")
    assert reader.post(place, json={"rule": RULE}).status_code == 200
    assert "needs analyse" in problem_of(reader.post(f"{place}?store=true", json={}), 403)
    kept = api.client.post(f"{place}?store=true", json={"rule": RULE, "name": "mine"}).json()
    (row,) = api.state.store.sightings(run_id=run.run_id, rule_hash=kept["rule_hash"])
    assert row["rule_name"] == "mine"
    wrong = {"rule": {"default": {"debounce": {"enter_threshold": 7}}}}
    assert "enter_threshold" in problem_of(api.client.post(place, json=wrong), 422)


@pytest.mark.parametrize(
    ("settings", "debounce"),
    [
        ({}, {}),
        ({"default": {}}, {}),
        ({"default": {"debounce": {"enter_frames": 2}}}, {"enter_frames": 2}),
        ({"default": {"debounce": {"confidence_threshold": 0.7}}}, {"enter_threshold": 0.7}),
    ],
)
def test_a_threshold_that_a_rule_does_not_give_is_the_runs(api, run, settings, debounce):
    rule = Rule.coerce(Debounce(**{"enter_threshold": 0.5, **debounce}))
    place = f"/api/runs/{run.run_id}/sightings"
    found = api.client.post(place, json={"rule": settings}).json()
    assert found["rule_hash"] == rule.rule_hash
    of_all = {"rule": settings, "protocol_hash": run.protocol_hash, "preview": True}
    assert api.client.post("/api/current_rules", json=of_all).json()["rule_hash"] == rule.rule_hash
    labels = api.client.post(place, json={"rule": {"labels": {"x": {}}, "only": ["x"]}}).json()
    assert labels["items"] == api.client.post(place, json={"rule": {"only": ["x"]}}).json()["items"]


def test_a_saved_rule_is_named(api, run):
    client = api.client
    saved = client.put("/api/rules/named", json={"rule": {}}).json()
    assert saved["rule"]["default"]["debounce"]["enter_threshold"] == 0.4
    place = f"/api/runs/{run.run_id}/sightings?store=true"
    found = client.post(place, json={"rule": "named"}).json()
    assert found["rule_hash"] == saved["rule_hash"]
    kept = api.state.store.sightings(run_id=run.run_id, rule_hash=saved["rule_hash"])
    assert {row["rule_name"] for row in kept} == {"named"}
    of_all = {"rule": "named", "protocol_hash": run.protocol_hash, "preview": True}
    done = client.post("/api/current_rules", json=of_all).json()
    assert (done["rule_hash"], done["rule_name"]) == (saved["rule_hash"], "named")
    for path, body in ((place, {}), ("/api/current_rules", of_all)):
        wrong = client.post(path, json={**body, "rule": "namd"})
        assert "no rule 'namd' is saved; known: named" in problem_of(wrong, 422)
    with api.state.store.catalog.transaction() as db:
        db.execute("DELETE FROM rules WHERE name = 'named'")


def test_rules_are_saved_applied_and_taken_back(api, run):
    client = api.client
    saved = client.put("/api/rules/otters", json={"rule": RULE, "run_id": run.run_id}).json()
    assert client.get("/api/rules/otters").json() == saved
    assert [one["name"] for one in client.get("/api/rules").json()["items"]] == ["otters"]
    problem_of(client.get("/api/rules/none"), 404)
    assert "another name" in problem_of(client.put("/api/rules/current", json={"rule": RULE}), 422)
    given = {"rule": RULE, "protocol_hash": run.protocol_hash, "name": "otters"}
    preview = client.post("/api/current_rules", json={**given, "preview": True}).json()
    assert not preview["saved"]
    assert not client.get("/api/current_rules").json()["items"]
    assert client.post("/api/current_rules", json=given).json()["saved"]
    (current,) = client.get("/api/current_rules").json()["items"]
    assert (current["name"], current["rule_hash"]) == ("otters", saved["rule_hash"])
    assert client.delete(f"/api/current_rules/{run.protocol_hash}").json() == {"items": []}
    problem_of(client.delete(f"/api/current_rules/{run.protocol_hash}"), 404)


def test_a_rule_of_a_newer_version_hides_no_other(api):
    api.client.put("/api/rules/usual", json={"rule": RULE})
    before = len(api.client.get("/api/rules").json()["items"])
    with api.state.store.catalog.transaction() as db:
        db.execute(
            "INSERT INTO rules SELECT 'newer', '{\"other\": 1}', rule_hash, NULL, saved_utc "
            "FROM rules WHERE name = 'usual'"
        )
    found = {one["name"]: one["rule"] for one in api.client.get("/api/rules").json()["items"]}
    assert len(found) == before + 1
    assert (found["newer"], found["usual"]) == ({"other": 1}, RULE)
    assert api.client.get("/api/rules/newer").json()["rule"] == {"other": 1}
    with api.state.store.catalog.transaction() as db:
        db.execute("DELETE FROM rules WHERE name IN ('newer', 'usual')")
