"""The page Sightings without a browser: filters and address, chips, actions on many, views."""

import csv
import io
import json

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

import lab
from lab.app.cli.main import main
from lab.app.server import state as desks
from lab.app.server.routes import routes
from tests.builders import make_run
from tests.pages.test_pages import listed, show

SEEN = {"cat": [0, 0.9, 0.9, 0, 0, 0.6, 0], "fox": [0.7, 0, 0, 0.8, 0.8, 0.8, 0]}


@pytest.fixture
def kept(store):
    """The store of the app: two cats and two foxes at the creek, and as many nowhere."""
    for name, site in (("a", "creek"), ("b", None)):
        run = make_run(store.parent, SEEN, name=name, site=site)
        run.save_sightings(lab.Debounce(enter_threshold=0.5, enter_frames=1, exit_frames=1))
    assert run.store.count_sightings() == 8
    yield run.store
    desks.app_state.cache_clear()


def count(page):
    assert not page.exception
    return page.markdown[0].value


def button(page, label):
    return next(b for b in page.button if label in b.label.replace("\\", ""))


def opened(**query):
    """The page at an address."""
    page = show("sightings")
    for name, value in query.items():
        page.query_params[name] = value
    return page.run()


def test_what_the_address_says_is_shown_and_a_click_on_a_chip_takes_it_away(kept):
    page = opened(label="cat", site="creek", view="gallery", sort="duration")
    assert "2 of 8 sightings" in count(page)
    assert page.multiselect(key="filter_label").value == ["cat"]
    assert {row["label"] for row in listed(page)} == {"cat"}
    button(page, "Label: cat").click().run()
    assert "4 of 8 sightings" in count(page)
    assert dict(page.query_params) == {"site": "creek", "view": "gallery", "sort": "duration"}
    page.multiselect(key="filter_label").set_value(["fox"]).run()
    assert page.query_params["label"] in ("fox", ["fox"])
    page.selectbox(key="sightings_group").set_value("clip").run()
    assert listed(page)[0]["group"] == "a.mp4 · 2 sightings"


def test_a_stretch_that_is_open_to_a_side_is_shown_by_a_chip(kept):
    page = opened(from_s="0.5")
    button(page, "In the clip from 0:00.50").click().run()
    assert "8 of 8 sightings" in count(page)
    assert "from_s" not in page.query_params


def test_no_result_says_how_many_there_would_be_without_each_condition(kept):
    page = opened(label="cat", text="nothing")
    assert "No sighting fulfils all of these conditions" in page.info[0].value
    button(page, "Without “Words: nothing”: 4").click().run()
    assert "4 of 8 sightings" in count(page)


@pytest.mark.parametrize("query", [{"hours": "25-3"}, {"sort": "colour"}, {"saved": "gone"}])
def test_an_address_that_is_not_valid_is_said_and_the_rest_is_shown(kept, query):
    page = opened(**query)
    assert "8 of 8 sightings" in count(page)
    assert len([one for one in page.warning if "The video of" not in one.value]) == 1


def test_all_that_match_are_judged_tagged_deleted_and_it_is_undone(kept):
    page = opened(label="fox")
    page.session_state["bulk_actions"] = True
    page.run()
    page.button(key="bulk_accepted").click().run()
    assert {row["verdict"] for row in listed(page)} == {"accepted"}
    assert {a.label for a in kept.annotations()} == {"fox"}
    page.text_input(key="bulk_tag").input("night").run()
    page.button(key="bulk_add").click().run()
    assert kept.count_sightings(tag="night") == 4
    page.button(key="bulk_undo").click().run()
    assert kept.count_sightings(tag="night") == 0
    page.toggle(key="bulk_delete").set_value(True).run()
    words = "4 sightings will be deleted; 8 verdicts and annotations stay"
    assert any(words in one.value for one in page.warning)
    page.button(key="bulk_delete_now").click().run()
    assert kept.count_sightings() == 4
    page = opened(label="owl")  # in another tab, or after a reload
    page.button(key="bulk_undo").click().run()
    page.button(key="bulk_undo").click().run()
    assert kept.count_sightings() == 8
    assert kept.verdicts() == kept.annotations() == []


def test_a_view_is_saved_and_opened_by_its_id(kept):
    page = opened(label="fox", group="site")
    next(t for t in page.text_input if t.label == "Name of this view").input("Foxes *")
    button(page, "Save this view").click().run()
    (view,) = kept.saved_views()
    assert view.query == {"label": ["fox"], "group": ["site"]}
    page = opened(saved=view.view_id)
    assert "4 of 8 sightings" in count(page)
    assert listed(page)[0]["group"] == "creek · 2 sightings"


def test_a_view_of_a_chart_keeps_which_one(kept):
    page = opened(view="charts", chart="durations", label="fox")
    assert [box.label for box in page.selectbox] == ["Reviewed", "Rules"]
    next(t for t in page.text_input if t.label == "Name of this view").input("Long ones")
    button(page, "Save this view").click().run()
    (view,) = kept.saved_views()
    assert view.query == {"view": ["charts"], "chart": ["durations"], "label": ["fox"]}
    page = opened(saved=view.view_id)
    assert page.subheader[0].value == "Durations"


def test_the_routes_save_what_is_said_and_take_it_back(kept):
    with TestClient(Starlette(routes=routes())) as client:
        (row, *_) = kept.sightings(label="cat")
        sighting_id = row["sighting_id"]
        found = client.get(f"/api/sightings/{sighting_id}/stretch").json()
        assert found["samples"][1] == [200_000, [[10, 10, 30, 30, 0.9]]]
        assert found["samples"][0][1] == []  # a fox alone

        def post(path, **more):
            body = {"sighting_ids": [sighting_id], **more}
            return client.post(f"/api/sightings/{path}", content=json.dumps(body))

        said = post("review", what="relabelled", label="lynx", annotator="Ada").json()
        assert said["reviews"][sighting_id]["verdict"] == "relabelled"
        assert [(a.label, a.annotator) for a in kept.annotations()] == [("lynx", "Ada")]
        undone = post("undo", change=said["change"]).json()
        assert undone["reviews"][sighting_id]["verdict"] is None
        assert post("undo", change=said["change"]).status_code == 404
        assert "what must be one of accepted" in post("review", what="maybe").text
        for odd in ({"sighting_ids": ["\ud800"]}, {"note": "\ud800"}, {"note": 5}):
            assert post("review", **{"what": "noted", "note": "", **odd}).status_code == 400
        kept.delete_sightings(sighting_id=sighting_id)
        assert "not stored any more" in post("review", what="accepted").text


def test_python_and_the_command_line_choose_as_the_page_does(kept, capsys):
    kept.judge_sightings("rejected", new_label="lynx", label="cat", site="creek")
    found = lab.open_store(kept.folder).sightings(site="creek", verdict="relabelled")
    assert list(found["label"]) == ["cat", "cat"]
    words = ["sightings", "--store", str(kept.folder), "--site", "creek", "--verdict", "relabelled"]
    assert main([*words, "--json"]) == 0
    assert [row["new_label"] for row in json.loads(capsys.readouterr().out)] == ["lynx", "lynx"]
    assert main([*words, "--format", "csv"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["verdict"] for row in rows] == ["relabelled", "relabelled"]
    assert main([*words, "--enter-threshold", "0.5"]) == 2
    assert "need a run" in capsys.readouterr().err
    assert main([*words, "--hours", "noon"]) == 2
