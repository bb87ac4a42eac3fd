"""Pages: a rule is applied to all clips, taken back, and is what Sightings shows."""

import json

import pytest

import lab
from lab.app.ui.widgets.rule_state import rule_to_query
from lab.media_time import media_time
from lab.store.store import Store
from tests.builders import make_run, scores_of
from tests.pages.test_pages import listed, show
from tests.runs.test_apply import LOOSE, STRICT, make_clips, protocol_of, shown


@pytest.fixture
def runs(store):
    return make_clips(store.parent)


def tuning(run, rule):
    """Review on a run with a rule, as its address opens it."""
    return show("review", run=run.run_id, rule=rule_to_query(lab.Rule.coerce(rule)))


def press(page, key):
    page.button(key=key).click()
    return until_done(page.run())


def until_done(page):
    """The page when nothing is computed any more."""
    for _ in range(40):
        if not page.get("progress"):
            return page
        page.run()
    raise AssertionError("it was not done")


def texts(page):
    return " ".join(c.value for c in [*page.caption, *page.markdown])


def test_a_tuned_rule_is_applied_to_all_clips_and_taken_back(runs):
    kept = runs["a"].store
    page = tuning(runs["a"], STRICT)
    assert "No rule was applied to these clips yet" in texts(page)
    assert page.button(key="group_apply").label == "Apply to all 3 clips"
    press(page, "group_apply")
    assert [(m.label, m.value) for m in page.metric] == [
        ("Sightings before", "0"),
        ("Sightings after", "3"),
        ("Clips that change", "2 of 3"),
    ]
    assert list(page.dataframe[0].value["Clip"]) == ["b.mp4", "a.mp4", "c.mp4"]
    assert kept.current_rules() == {}
    next(t for t in page.text_input if t.placeholder == "Optional").set_value("otters *strict*")
    press(page, "apply_confirm")
    assert not page.exception
    assert not page.error
    assert kept.current_rules()[protocol_of(kept)].name == "otters *strict*"
    assert shown(kept) == {"a.mp4": 1, "b.mp4": 2}
    page.run()
    assert not page.metric  # the dialog is closed
    assert r"Current rule: **otters \*strict\***, shown here." in texts(page)
    press(page, "group_undo")
    assert kept.current_rules() == {}
    assert "No rule was applied to these clips yet" in texts(page)


def test_going_through_the_clips_keeps_the_rule(runs):
    page = tuning(runs["b"], STRICT)
    assert "2 of 3" in texts(page)
    press(page, "group_next")
    assert page.query_params["run"] == runs["c"].run_id
    assert page.button(key="group_next").disabled
    assert page.session_state["rule"] == lab.Rule.coerce(STRICT)
    press(page, "group_previous")
    press(page, "group_previous")
    assert page.query_params["run"] == runs["a"].run_id
    assert page.button(key="group_previous").disabled
    assert page.session_state["rule"] == lab.Rule.coerce(STRICT)


def test_a_new_session_opens_a_clip_with_the_rule_that_was_applied(runs):
    lab.apply(runs["a"].store, LOOSE, name="loose")
    page = show("review")
    assert page.session_state["rule"] == lab.Rule.coerce(LOOSE)
    assert "Current rule: **loose**, shown here." in texts(page)
    page = tuning(runs["a"], STRICT)
    assert page.session_state["rule"] == lab.Rule.coerce(STRICT)
    assert "Current rule: **loose**; shown here is another." in texts(page)


def test_a_rule_that_fits_no_clip_is_refused_in_the_dialog(runs):
    page = tuning(runs["a"], STRICT)
    page.session_state["rule"] = lab.Rule.coerce(lab.Debounce(enter_threshold=0.01))
    press(page, "group_apply")
    assert any("score floor" in e.value for e in page.error)
    assert runs["a"].store.current_rules() == {}


def test_what_was_left_out_or_analysed_since_is_said(runs, store):
    kept = runs["a"].store
    kept.set_run_state(runs["a"].run_id, "cancelled")
    lab.apply(kept, STRICT, name="strict")
    make_run(store.parent, scores_of(60, [(1, 9)]), every_s=1.0, name="d")
    page = tuning(runs["b"], STRICT)
    assert "1 clip analysed since, apply it again" in texts(page)
    press(page, "group_apply")
    assert "Left out: a.mp4" in texts(page)


def test_sightings_shows_those_of_the_current_rules_and_others_by_choice(runs):
    kept = runs["a"].store
    lab.apply(kept, STRICT, name="strict")
    lab.apply(kept, LOOSE, name="loose")
    page = show("sightings")
    assert "5 of 5 sightings" in page.markdown[0].value
    assert "3 sightings of other rules are saved as well" in texts(page)
    assert {row["rule"] for row in listed(page)} == {"loose"}
    rules = page.selectbox(key="filter_rules")
    assert rules.options[:2] == ["Current rules", "All rules"]
    strict = next(one for one in rules.options if one.startswith("strict"))
    rules.set_value(lab.Rule.coerce(STRICT).rule_hash).run()
    assert strict.endswith("3 sightings")
    assert "3 of 3 sightings" in page.markdown[0].value
    page.selectbox(key="filter_rules").set_value("all").run()
    assert "8 of 8 sightings" in page.markdown[0].value
    lab.undo_apply(kept)
    page.selectbox(key="filter_rules").set_value("current").run()
    assert "3 of 3 sightings" in page.markdown[0].value


def test_sightings_writes_times_as_the_player_does(runs):
    runs["b"].save_sightings(STRICT)
    page = show("sightings")
    rows, found = listed(page), runs["b"].find(STRICT)
    assert rows[0]["onset"] == media_time(found[0].onset_us)
    assert {row["ended"] for row in rows} <= {"exit", "end of the clip"}
    page.session_state["more_filters"] = True
    times = page.run().select_slider[0]
    assert times.options[:2] == ["0:00.00", "0:00.10"]
    times.set_range(found[0].offset_us + 100_000, found[-1].offset_us + 100_000).run()
    assert "1 of 2 sightings" in page.markdown[0].value


def test_a_store_without_current_rules_shows_all_that_was_saved(runs):
    runs["b"].save_sightings(STRICT)
    runs["b"].save_sightings(LOOSE)
    page = show("sightings")
    assert "5 of 5 sightings" in page.markdown[0].value
    assert "saved as well" not in texts(page)
    json.dumps(Store(runs["b"].store.folder).rules_of_sightings())
